// What this worker has spent and not told the fleet yet, by second, lane and provider.
// What could not be told is kept for the next time, until it is too old to be a rate.

/** Second, lane, provider, permits. */
export type Spent = readonly [second: number, lane: string, provider: string, count: number]

export interface SpentReport {
  readonly spent: readonly Spent[]
  /** How much of it no bucket was asked for. */
  readonly unleased: number
}

export interface SpentCounts {
  add(second: number, lane: string, provider: string, count: number): void
  /** Without a bucket that was asked, the quota of the day hears of it only by this. */
  addUnleased(count: number): void
  /** What is there, and from now on no more. */
  drain(now: number): SpentReport
  putBack(report: SpentReport): void
}

const KEPT_SECONDS = 10

export function createSpentCounts(): SpentCounts {
  const counts = new Map<string, [number, string, string, number]>()
  let unleased = 0
  const add = (second: number, lane: string, provider: string, count: number) => {
    const key = `${second} ${lane} ${provider}`
    const entry = counts.get(key)
    if (entry) entry[3] += count
    else counts.set(key, [second, lane, provider, count])
  }
  return {
    add,
    addUnleased(count) {
      unleased += count
    },
    drain(now) {
      const oldest = Math.floor(now / 1000) - KEPT_SECONDS
      const report = { spent: [...counts.values()].filter(([second]) => second >= oldest), unleased }
      counts.clear()
      unleased = 0
      return report
    },
    putBack(report) {
      for (const entry of report.spent) add(...entry)
      unleased += report.unleased
    },
  }
}
