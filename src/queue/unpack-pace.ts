// How many jobs may wait before more rows are unpacked: some seconds' worth, so that no worker is idle and a batch
// that comes later does not wait behind many rows of the one before.

const WORTH_SECONDS = 2
const FEWEST = 200
const MOST = 5_000
/** A rate over less time would say little. */
const SAMPLE_MS = 500

export interface Pace {
  /** Hears how many deliveries have been settled in all; says how many jobs may wait now. */
  waiting(settled: number, nowMs: number): number
}

export function createPace(): Pace {
  let perSecond = 0
  let last: { settled: number; atMs: number } | undefined
  return {
    waiting(settled, nowMs) {
      last ??= { settled, atMs: nowMs }
      const passedMs = nowMs - last.atMs
      if (passedMs >= SAMPLE_MS) {
        const now = (Math.max(0, settled - last.settled) * 1000) / passedMs
        // It goes up at once and down by halves: a pause between two batches is no new rate.
        perSecond = Math.max(now, (perSecond + now) / 2)
        last = { settled, atMs: nowMs }
      }
      return Math.round(Math.min(MOST, Math.max(FEWEST, perSecond * WORTH_SECONDS)))
    },
  }
}
