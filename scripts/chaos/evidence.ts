// What the checker goes by: the receipts, the sink's record, and what the product says of each delivery.
// From the sink's lines it makes one sighting for each time that a body was begun.

import type { ReadLetter } from './letter.js'
import type { ReceiptLine, SinkLine, Word } from './records.js'
import type { Lane, Policy } from './settings.js'

export const outcomes = ['sent', 'failed', 'skipped', 'unknown', 'pending'] as const
export type End = (typeof outcomes)[number]
type Counts = Readonly<Record<End | 'resent', number>>

export interface Evidence {
  readonly receipts: readonly ReceiptLine[]
  readonly sink: readonly SinkLine[]
  /** What `queue.outcomes` said: a claim, which is judged. */
  readonly words: readonly Word[]
  /** The state of each delivery that the queue still knows: another claim. */
  readonly states: ReadonlyMap<string, string>
  /** The exact counts of each lane. */
  readonly counts: readonly (Counts & { readonly lane: string; readonly accepted: number })[]
  /** The exact counts of each batch. */
  readonly batches: readonly (Counts & { readonly id: string; readonly total: number })[]
  readonly policies: Readonly<Record<Lane, Policy>>
  /** Workers that ended without being told to. */
  readonly surprises: readonly string[]
  /** The beginning of the run, in milliseconds since 1970. */
  readonly startedAt: number
}

/** One body for one recipient at the sink: begun, perhaps whole, perhaps answered. */
export interface Sighting {
  readonly to: string
  readonly connection: number
  readonly client: string
  readonly begunAt: number
  wholeAt?: number
  answeredAt?: number
  /** When its connection was over, or went on with another message. */
  leftAt?: number
  letter?: ReadLetter
}

/** A delivery that was acknowledged, with all that is known of it. */
export interface Delivery {
  readonly id: string
  readonly batch: string | undefined
  readonly recipient: string
  readonly lane: Lane
  readonly policy: Policy
  readonly end: End
  /** What was said of it, in the order in which it was settled. */
  readonly said: readonly string[]
  /** Every body that was begun, and of these the whole ones. */
  readonly begun: readonly Sighting[]
  readonly copies: readonly Sighting[]
}

export function sightingsOf(lines: readonly SinkLine[]): Sighting[] {
  const sightings: Sighting[] = []
  const current = new Map<number, Sighting[]>()
  for (const line of lines) {
    const { connection, at } = line
    const own = current.get(connection) ?? []
    if (line.kind === 'begun') {
      const { to, client } = line
      for (const sighting of own) sighting.leftAt = at
      const begun = to.map((address) => ({ to: address, connection, client, begunAt: at }))
      current.set(connection, begun)
      sightings.push(...begun)
    } else if (line.kind === 'whole') {
      for (const sighting of own) Object.assign(sighting, { wholeAt: at, letter: line })
    } else if (line.kind === 'answered') {
      for (const sighting of own) sighting.answeredAt = at
    } else {
      for (const sighting of own) sighting.leftAt = at
    }
  }
  return sightings
}

export function deliveriesOf(evidence: Evidence, sightings: readonly Sighting[]): Delivery[] {
  const bodies = groupBy(sightings, ({ to }) => to)
  const words = groupBy(evidence.words, ({ id }) => id)
  const deliveries = new Map<string, Delivery>()
  for (const line of evidence.receipts) {
    if (line.kind !== 'acknowledged') continue
    const { lane, batch } = line
    for (const { id, recipient } of line.deliveries) {
      // What is given again comes again as it was, so the order of settling is that of its times.
      const said = [...(words.get(id) ?? [])].sort((a, b) => a.at - b.at).map(({ outcome }) => outcome)
      const begun = bodies.get(recipient) ?? []
      const copies = begun.filter(({ wholeAt }) => wholeAt !== undefined)
      const policy = evidence.policies[lane]
      deliveries.set(id, { id, batch, recipient, lane, policy, end: endOf(said.at(-1)), said, begun, copies })
    }
  }
  return [...deliveries.values()]
}

/** What was never said to have ended is still owed. */
function endOf(word: string | undefined): End {
  return outcomes.find((outcome) => outcome === word) ?? 'pending'
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}
