// Fourth step: leave to use a relay, spent right before the wire. Waiting for it spends nothing.
// Bottleneck paces blocks of permits and the calls for them, since it grants only some 400 `schedule` calls a second.

import Bottleneck from 'bottleneck'
import type { Attempt, Permission } from './delivery.js'
import { judge } from './judge.js'
import { closing, throttled } from './look.js'
import { because, type Outcome } from './outcome.js'

/** How long a delivery waits whose route is not configured in this worker. */
const MISSING_ROUTE_HOLD_MS = 30_000
/** Blocks a second: one block is a twentieth of a second's worth of permits. */
const BLOCKS_PER_SECOND = 20

export async function permit(attempt: Attempt): Promise<Attempt> {
  const { ports, delivery, signal, message, sender, pass } = attempt
  if (message === undefined || sender === undefined) throw new TypeError('permit needs a rendered message')
  const permission = await ports.permit(delivery, signal, sender, pass, {
    bytes: message.pieces ?? message.bytes,
    fixed: message.fixed ?? [],
  })
  switch (permission.kind) {
    case 'granted':
      return { ...attempt, relay: permission.grant.relay, grant: permission.grant }
    case 'refused':
      return judge({ ...attempt, relay: permission.relay, exchange: permission.exchange })
    case 'missing':
      return { ...attempt, outcome: missing(permission.route) }
    case 'shut':
      return { ...attempt, relay: permission.relay, outcome: shut(permission, sender) }
    case 'throttled':
      return { ...attempt, relay: permission.relay, outcome: throttled(permission) }
    case 'closing':
      return { ...attempt, outcome: closing }
  }
}

function missing(route: string): Outcome {
  const message = `this worker has no route ${route}; name it under routes in its configuration`
  return { kind: 'held', reason: because('no_route', message), holdMs: MISSING_ROUTE_HOLD_MS }
}

function shut({ relay, why, waitMs, said }: Permission & { kind: 'shut' }, sender: string): Outcome {
  const words = said === undefined ? '' : `; it said: ${said}`
  const reason =
    why === 'sender'
      ? because('sender_held', `the relay ${relay} refuses the sender ${sender} for now${words}`)
      : because('circuit_open', `the relay ${relay} is not used for now${words}`)
  return { kind: 'held', reason, holdMs: waitMs }
}

/** Calls that are made one after the other, and no sooner than `apartMs` after the one before was begun. */
export interface Calls {
  /** One call more, as soon as may be; what is ordered meanwhile is the same call. */
  order(): void
  close(): void
}

export function createCalls(apartMs: number, call: () => Promise<void>): Calls {
  const limiter = new Bottleneck({ minTime: apartMs, maxConcurrent: 1 })
  let isOrdered = false
  let isClosed = false
  const run = () => {
    isOrdered = false
    return call()
  }
  return {
    order() {
      if (isOrdered || isClosed) return
      isOrdered = true
      limiter.schedule(run).catch(() => undefined)
    },
    close() {
      isClosed = true
      void limiter.stop({ dropWaitingJobs: true }).catch(() => undefined)
    },
  }
}

export interface Pace {
  /** Waits for one permit, where there is a limit; false when `signal` was aborted first. */
  take(signal: AbortSignal): Promise<boolean> | boolean
  /** Lets go of the blocks that were ordered and not granted, which would keep the process alive. */
  close(): void
}

interface Waiter {
  readonly signal: AbortSignal
  readonly settle: (granted: boolean) => void
}

/** Permits at `perSecond`, first come first served; without a limit every permit is granted at once. */
export function createPace(perSecond: number | undefined): Pace {
  if (perSecond === undefined) return { take: (signal) => !signal.aborted, close: () => undefined }
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
  const grant = async () => {
    ordered -= block
    // What the last block left over is not added to this one: a pause must not end in a burst.
    permits = block
    serve()
  }
  const order = () => {
    // As many blocks as the waiters need are ordered at once, so that no gap opens between two blocks.
    while (permits + ordered < waiters.size) {
      ordered += block
      limiter.schedule(grant).catch(() => undefined)
    }
  }

  return {
    close: () => void limiter.stop({ dropWaitingJobs: true }).catch(() => undefined),
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
