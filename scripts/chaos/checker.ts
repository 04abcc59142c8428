// Whether the promise held: by what was acknowledged and by what the sink saw, delivery by delivery.
// It derives nothing from our counters; it compares them with what it found. Pure.

import { countFaults, histogram, tally } from './counts.js'
import { type Delivery, deliveriesOf, type End, type Evidence, outcomes, sightingsOf } from './evidence.js'
import { type Breach, breaches, faultsOf, letterFaults } from './faults.js'

export interface Report {
  readonly accepted: number
  readonly ends: Readonly<Record<End, number>>
  /** How many deliveries have so many copies at the sink. */
  readonly copies: ReadonlyMap<number, number>
  /** Of the unknown: as the sink saw their last moment. */
  readonly unknown: { readonly whole: number; readonly answered: number; readonly bodyOnly: number }
  /** Copies beyond the first that the policy allows. */
  readonly allowedCopies: number
  /** Arrived although no enqueue of theirs was acknowledged. */
  readonly unacknowledged: number
  /** One line for each breach of the promise. */
  readonly found: Readonly<Record<Breach, readonly string[]>>
  /** The recipients that breaches are about. */
  readonly suspects: readonly string[]
}

export function check(evidence: Evidence): Report {
  const sightings = sightingsOf(evidence.sink)
  const deliveries = deliveriesOf(evidence, sightings)
  const faults = [
    ...deliveries.flatMap((delivery) => faultsOf(delivery, evidence)),
    ...letterFaults(evidence, sightings),
  ]
  const found = Object.fromEntries(
    breaches.map((breach) => [
      breach,
      faults.filter((fault) => fault.breach === breach).map(({ line }) => line),
    ]),
  ) as Record<Breach, string[]>
  found.miscounted.push(...countFaults(evidence, deliveries))
  found.workerEnded.push(...evidence.surprises)
  const known = new Set(deliveries.map(({ recipient }) => recipient))
  const arrived = sightings.filter(({ wholeAt, to }) => wholeAt && !known.has(to)).map(({ to }) => to)
  const ends = deliveries.map(({ end }) => end)
  return {
    accepted: deliveries.length,
    ends: tally(outcomes, ends),
    copies: histogram(deliveries.map(({ copies }) => copies.length)),
    unknown: momentsOf(deliveries.filter(({ end }) => end === 'unknown')),
    allowedCopies: sum(deliveries.map(furtherCopies)) - found.duplicated.length,
    unacknowledged: new Set(arrived).size,
    found,
    suspects: [...new Set(faults.map(({ recipient }) => recipient))],
  }
}

export function isBroken(report: Report): boolean {
  return breaches.some((breach) => report.found[breach].length > 0)
}

function furtherCopies({ copies }: Delivery): number {
  return Math.max(0, copies.length - 1)
}

function momentsOf(unknown: readonly Delivery[]): Report['unknown'] {
  const whole = unknown.filter(({ copies }) => copies.some(({ answeredAt }) => answeredAt === undefined))
  const answered = unknown.filter(
    ({ copies }) => copies.length > 0 && copies.every(({ answeredAt }) => answeredAt !== undefined),
  )
  const bodyOnly = unknown.filter(({ copies, begun }) => copies.length === 0 && begun.length > 0)
  return { whole: whole.length, answered: answered.length, bodyOnly: bodyOnly.length }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
