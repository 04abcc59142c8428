// What the checker goes by: the receipts, the sink's record, and what is claimed of each delivery.
// From the sink's lines it makes one sighting for each time that a body was begun.

import type { ReadLetter } from './letter.js'
import type { ReceiptLine, SinkLine } from './records.js'
import type { Lane, Policy } from './settings.js'

export const outcomes = ['sent', 'failed', 'skipped', 'unknown', 'pending'] as const
export type End = (typeof outcomes)[number]

export interface Evidence {
  readonly receipts: readonly ReceiptLine[]
  readonly sink: readonly SinkLine[]
  /** The state of each delivery by its id, as the queue tells it: a claim, which is judged. */
  readonly ends: ReadonlyMap<string, string>
  /** The exact counts of each lane. */
  readonly counts: readonly ({ readonly lane: string; readonly accepted: number } & Readonly<
    Record<End, number>
  >)[]
  readonly policies: Readonly<Record<Lane, Policy>>
  /** Workers that ended without being told to. */
  readonly surprises: readonly string[]
}

/** One body for one recipient at the sink: begun, perhaps whole, perhaps answered. */
export interface Sighting {
  readonly to: string
  readonly connection: number
  readonly client: string
  readonly begunAt: number
  wholeAt?: number
  answeredAt?: number
  letter?: ReadLetter
}

export function sightingsOf(lines: readonly SinkLine[]): Sighting[] {
  const sightings: Sighting[] = []
  const current = new Map<number, Sighting[]>()
  for (const line of lines) {
    const { connection, at } = line
    const own = current.get(connection) ?? []
    if (line.kind === 'begun') {
      const { to, client } = line
      const begun = to.map((address) => ({ to: address, connection, client, begunAt: at }))
      current.set(connection, begun)
      sightings.push(...begun)
    } else if (line.kind === 'whole') {
      for (const sighting of own) Object.assign(sighting, { wholeAt: at, letter: line })
    } else if (line.kind === 'answered') {
      for (const sighting of own) sighting.answeredAt = at
    }
  }
  return sightings
}
