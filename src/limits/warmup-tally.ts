// Counts what a warm-up goes by, in this worker, and tells the fleet of it once in a while.
// The first message begins the warm-up. A relay without one costs nothing.

import type { Clock } from '../clock.js'
import type { LimitStore } from '../store/limits.js'
import { warmedUp, warmupAt } from './warmup.js'

export interface WarmupTally {
  /** One message that was taken, or one reply that asked for less. */
  count(relay: string, isSlower: boolean): void
  /** Tells what is not told yet. */
  close(): Promise<void>
}

interface Counts {
  readonly attempts: number
  readonly slowed: number
}

const TELL_MS = 10_000
const none: Counts = { attempts: 0, slowed: 0 }

export function createWarmupTally(
  limits: Pick<LimitStore, 'now' | 'state' | 'change'>,
  clock: Clock,
): WarmupTally {
  const counts = new Map<string, Counts>()
  const timers = new Map<string, () => void>()

  const isOver = (relay: string) => {
    const { configured, warmup: state } = limits.state(relay)
    if (configured.warmup === undefined) return true
    return (
      state !== undefined && warmupAt(configured.warmup, state, limits.now()).step >= configured.warmup.days
    )
  }
  const tell = async (relay: string) => {
    timers.get(relay)?.()
    timers.delete(relay)
    const counted = counts.get(relay) ?? none
    counts.delete(relay)
    if (counted.attempts === 0) return
    const isTold = await limits.change(relay, (state, now) => {
      const { warmup } = state.configured
      return warmup && { ...state, warmup: warmedUp(warmup, state.warmup, counted, now) }
    })
    if (!isTold && !isOver(relay)) add(relay, counted)
  }
  const add = (relay: string, more: Counts) => {
    const { attempts, slowed } = counts.get(relay) ?? none
    counts.set(relay, { attempts: attempts + more.attempts, slowed: slowed + more.slowed })
  }

  return {
    count(relay, isSlower) {
      if (isOver(relay)) return
      add(relay, { attempts: 1, slowed: isSlower ? 1 : 0 })
      if (timers.has(relay)) return
      const isFirst = limits.state(relay).warmup === undefined
      timers.set(
        relay,
        clock.after(isFirst ? 0 : TELL_MS, () => void tell(relay)),
      )
    },
    async close() {
      for (const stop of timers.values()) stop()
      await Promise.all([...counts.keys()].map(tell))
    },
  }
}
