// Our counters beside what was found: of each lane, of each batch, and of the further copies. Pure.

import { type Delivery, type End, type Evidence, outcomes } from './evidence.js'

export function countFaults({ counts, batches }: Evidence, deliveries: readonly Delivery[]): string[] {
  return [
    ...counts.flatMap((count) => {
      const own = deliveries.filter(({ lane }) => lane === count.lane)
      const faults = differences(count.lane, { ...count, total: count.accepted }, own)
      return [...faults, ...resentFaults(count.lane, count.resent, own)]
    }),
    ...batches.flatMap((batch) => {
      const own = deliveries.filter((delivery) => delivery.batch === batch.id)
      const whose = `batch ${batch.id}`
      return [...differences(whose, batch, own), ...resentFaults(whose, batch.resent, own)]
    }),
  ]
}

type Totals = Readonly<Record<End | 'total', number>>

function differences(whose: string, counted: Totals, own: readonly Delivery[]): string[] {
  const ends = own.map(({ end }) => end)
  const found: Totals = { total: own.length, ...tally(outcomes, ends) }
  return (['total', ...outcomes] as const)
    .filter((name) => counted[name] !== found[name])
    .map((name) => `${whose}: ${name} is counted ${counted[name]} and was found ${found[name]}`)
}

/** Once settled, each copy beyond the first is counted; so may be what was begun beyond it, of which one may have come. */
function resentFaults(whose: string, counted: number, own: readonly Delivery[]): string[] {
  const settled = own.filter(({ end }) => end !== 'pending')
  const beyondFirst = (lengths: number[]) => lengths.reduce((sum, length) => sum + Math.max(0, length - 1), 0)
  const least = beyondFirst(settled.map(({ copies }) => copies.length))
  const most = beyondFirst(settled.map(({ begun }) => begun.length))
  if (counted >= least && counted <= most) return []
  return [`${whose}: resent is counted ${counted}; ${least} further copies came, ${most} were begun`]
}

export function tally<T extends string>(names: readonly T[], values: readonly T[]): Record<T, number> {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>
  for (const value of values) counts[value] += 1
  return counts
}

export function histogram(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const value of [...values].sort((a, b) => a - b)) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
