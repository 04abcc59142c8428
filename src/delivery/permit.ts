// Third step: leave to use a relay, taken right before the wire. Waiting for it spends nothing.
// Bottleneck paces blocks of permits, since it grants only some 400 `schedule` calls a second.

import Bottleneck from 'bottleneck'
import type { Attempt } from './delivery.js'
import { because } from './outcome.js'

/** How long a delivery waits whose route is not configured in this worker. */
const MISSING_ROUTE_HOLD_MS = 30_000
/** Blocks a second: one block is a twentieth of a second's worth of permits. */
const BLOCKS_PER_SECOND = 20

export async function permit(attempt: Attempt): Promise<Attempt> {
  const granted = await attempt.ports.permit(attempt.delivery.route, attempt.signal)
  if (granted === undefined) {
    return {
      ...attempt,
      outcome: { kind: 'held', reason: because('closing', 'the worker is closing'), holdMs: 0 },
    }
  }
  if ('relay' in granted) return { ...attempt, relay: granted.relay }
  const reason = because(
    'no_route',
    `this worker has no route ${granted.missing}; name it under routes in its configuration`,
  )
  return { ...attempt, outcome: { kind: 'held', reason, holdMs: MISSING_ROUTE_HOLD_MS } }
}

export interface Pace {
  /** Waits for one permit; false when `signal` was aborted first. */
  take(signal: AbortSignal): Promise<boolean>
}

interface Waiter {
  readonly signal: AbortSignal
  readonly settle: (granted: boolean) => void
}

/** Permits at `perSecond`, first come first served; without a limit every permit is granted at once. */
export function createPace(perSecond: number | undefined): Pace {
  if (perSecond === undefined) return { take: async (signal) => !signal.aborted }
  const block = Math.max(1, Math.floor(perSecond / BLOCKS_PER_SECOND))
  const limiter = new Bottleneck({ minTime: (block * 1000) / perSecond, maxConcurrent: 1 })
  const waiters = new Set<Waiter>()
  let permits = 0
  let ordered = 0

  const serve = () => {
    for (const waiter of waiters) {
      if (permits === 0) return
      permits -= 1
      waiters.delete(waiter)
      waiter.settle(true)
    }
  }
  const order = () => {
    // As many blocks as the waiters need are ordered at once, so that no gap opens between two blocks.
    while (permits + ordered < waiters.size) {
      ordered += block
      void limiter.schedule(async () => {
        ordered -= block
        // What the last block left over is not added to this one: a pause must not end in a burst.
        permits = block
        serve()
      })
    }
  }

  return {
    take(signal) {
      if (signal.aborted) return Promise.resolve(false)
      if (permits > 0) {
        permits -= 1
        return Promise.resolve(true)
      }
      return new Promise((resolve) => {
        const waiter: Waiter = { signal, settle: (granted) => finish(granted) }
        const abort = () => finish(false)
        const finish = (granted: boolean) => {
          waiters.delete(waiter)
          signal.removeEventListener('abort', abort)
          resolve(granted)
        }
        signal.addEventListener('abort', abort, { once: true })
        waiters.add(waiter)
        order()
      })
    },
  }
}
