// What this worker got through of late, by relay and bucket: for as long as the fleet's rate is not known yet.

import type { Clock } from '../clock.js'

export interface OwnRates {
  /** One message was taken. */
  add(relay: string, bucket: string): void
  /** How many were taken in the last second that was whole, or in the one that is not. */
  rate(relay: string, bucket: string): number
}

interface Count {
  second: number
  count: number
  before: number
}

export function createOwnRates(clock: Clock): OwnRates {
  const counts = new Map<string, Count>()
  const countOf = (relay: string, bucket: string) => {
    const second = Math.floor(clock.monotonicMs() / 1000)
    const key = `${relay} ${bucket}`
    const known = counts.get(key)
    if (known?.second === second) return known
    const before = known?.second === second - 1 ? known.count : 0
    const next = { second, count: 0, before }
    counts.set(key, next)
    return next
  }
  return {
    add(relay, bucket) {
      countOf(relay, bucket).count += 1
    },
    rate(relay, bucket) {
      const { count, before } = countOf(relay, bucket)
      return Math.max(count, before)
    },
  }
}
