// What times of arrival say about a rate: the busiest second, the share of the rate that was used, percentiles.
// Pure; all times are milliseconds of one clock of one process, oldest first.

const SECOND_MS = 1_000

/** Something came after `from` and was seen at `at`: between them this process looked at nothing. */
export interface Sighting {
  readonly from: number
  readonly at: number
}

/** The most that were seen within any second, whenever it begins. */
export function busiestSecond(times: readonly number[]): number {
  let most = 0
  let first = 0
  for (const [index, time] of times.entries()) {
    while ((times[first] ?? time) <= time - SECOND_MS) first += 1
    most = Math.max(most, index - first + 1)
  }
  return most
}

/**
 * The most that surely came within one second. What was seen at the end of a standstill may have come at its
 * beginning, and counts only for seconds that hold all of it.
 */
export function surelyBusiestSecond(sightings: readonly Sighting[]): number {
  let most = 0
  let end = 0
  for (const [index, { from }] of sightings.entries()) {
    while ((sightings[end]?.at ?? Number.POSITIVE_INFINITY) < from + SECOND_MS) end += 1
    most = Math.max(most, end - index)
  }
  return most
}

/** How much of `perSecond` came from `start` to `end`, 0 to 1 and beyond. */
export function shareUsed(times: readonly number[], start: number, end: number, perSecond: number): number {
  const count = times.filter((time) => time >= start && time < end).length
  return count / ((perSecond * (end - start)) / SECOND_MS)
}

/** By nearest rank; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
