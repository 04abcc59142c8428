// When held messages come back: one after the other, from the moment on at which it is worth trying.
// Thousands that came back together would be held again together, at a cost in Redis for each.

import type { Clock } from '../clock.js'

/** Between two that wait for the same, in one worker. */
const APART_MS = 10
const LONGEST_MS = 300_000
const MOST_KEYS = 1_000

export interface Returns {
  /** How long the next one that waits for `key` stays away, at least `waitMs`. */
  after(key: string, waitMs: number): number
}

export function createReturns(clock: Clock): Returns {
  const last = new Map<string, number>()
  return {
    after(key, waitMs) {
      const now = clock.monotonicMs()
      if (last.size >= MOST_KEYS) for (const [each, at] of last) if (at < now) last.delete(each)
      const at = Math.max((last.get(key) ?? 0) + APART_MS, now + waitMs)
      const kept = Math.min(at, now + LONGEST_MS)
      last.set(key, kept)
      return Math.ceil(kept - now)
    },
  }
}
