// When those come back that found no permit: one after the other, as fast as their gate lets them through.
// Nothing of it is shared: who comes too early waits a moment more, and spends nothing by it.

import type { Clock } from '../clock.js'

/** An appointment is not later than this; whoever would get a later one comes back within as long again, by chance. */
const LONGEST_MS = 30_000
const MOST_KEYS = 1_000

export interface Appointments {
  /** Milliseconds until the next one that waits for `key` may come back, at least `waitMs`. */
  next(key: string, perSecond: number, waitMs: number): number
}

export function createAppointments(clock: Clock): Appointments {
  const last = new Map<string, number>()
  return {
    next(key, perSecond, waitMs) {
      const now = clock.monotonicMs()
      if (last.size >= MOST_KEYS) for (const [each, at] of last) if (at < now) last.delete(each)
      const at = Math.max((last.get(key) ?? 0) + 1000 / perSecond, now + waitMs)
      const isSoon = at - now <= LONGEST_MS
      if (isSoon) last.set(key, at)
      return Math.ceil(isSoon ? at - now : LONGEST_MS * (1 + clock.random()))
    },
  }
}
