// What the tests of the wire share: relays to a port, messages, and a clock that can be put forward.

import { setMaxListeners } from 'node:events'
import { type Clock, systemClock } from '../../src/clock.js'
import { parseConfig, type RelayConfig, type RelayOptions, relaySchema } from '../../src/config.js'
import type { Exchange, LeaveAnswer, Transmission } from '../../src/delivery/delivery.js'
import { createPool, type Pool, type PoolOptions } from '../../src/smtp/pool.js'

/** A signal that is never aborted. */
export const never: AbortSignal = new AbortController().signal
setMaxListeners(0, never)

export function relayTo(port: number, options: Partial<RelayOptions> = {}): RelayConfig {
  return parseConfig(relaySchema, { host: '127.0.0.1', port, ...options }, 'the relay')
}

export interface Sending {
  bytes?: Buffer
  beforeBody?: () => Promise<LeaveAnswer>
  signal?: AbortSignal
}

export function messageTo(to: string, sending: Sending = {}): Transmission & { readonly bytes: Buffer } {
  return {
    from: 'from@example.com',
    to,
    bytes: Buffer.from('Subject: hello\r\n\r\n.dot\r\nbody\r\n'),
    beforeBody: async () => 'ok',
    signal: never,
    ...sending,
  }
}

/** A promise to be resolved from outside. */
export function gate<T = void>(): { readonly passed: Promise<T>; open(value: T): void } {
  let open: (value: T) => void = () => undefined
  const passed = new Promise<T>((resolve) => {
    open = resolve
  })
  return { passed, open: (value) => open(value) }
}

/** Acquires and transmits; what refuses the connection is the exchange. */
export async function sendOver(pool: Pool, to: string, sending: Sending = {}): Promise<Exchange> {
  const message = messageTo(to, sending)
  const acquired = await pool.acquire(message.signal)
  return 'refusal' in acquired ? acquired.refusal : acquired.lease.transmit(message)
}

/** As many different messages at once, and how each went. */
export async function sendMany(pool: Pool, count: number): Promise<Exchange['kind'][]> {
  const sending = Array.from({ length: count }, (_, index) =>
    sendOver(pool, `r${index}@example.com`, { bytes: Buffer.from(`Subject: ${index}\r\n\r\nbody\r\n`) }),
  )
  return (await Promise.all(sending)).map(({ kind }) => kind)
}

export interface CountedPool extends Pool, Disposable {
  readonly opened: number
  readonly failed: number
}

export function countedPool(
  port: number,
  options: Partial<RelayOptions> = {},
  clock: Clock = systemClock,
  sharing: PoolOptions = {},
): CountedPool {
  const counts = { opened: 0, failed: 0 }
  const events = {
    opened: () => void counts.opened++,
    closed: () => undefined,
    failed: () => void counts.failed++,
  }
  const pool = createPool('main', relayTo(port, options), clock, events, sharing)
  return {
    get open() {
      return pool.open
    },
    get states() {
      return pool.states
    },
    get opened() {
      return counts.opened
    },
    get failed() {
      return counts.failed
    },
    acquire: (...asking) => pool.acquire(...asking),
    attend: () => pool.attend(),
    close: () => pool.close(),
    drop: () => pool.drop(),
    [Symbol.dispose]: () => pool.drop(),
  }
}

export interface ForwardClock extends Clock {
  /** How long was slept, sleep by sleep. Sleeping puts the clock forward and takes no time. */
  readonly slept: readonly number[]
  /** Puts the clock forward and runs the timers that are due by then. */
  forward(ms: number): void
}

export function forwardClock(): ForwardClock {
  let ahead = 0
  const slept: number[] = []
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  const monotonicMs = () => systemClock.monotonicMs() + ahead
  return {
    ...systemClock,
    slept,
    monotonicMs,
    async sleep(ms) {
      slept.push(ms)
      ahead += ms
    },
    after(ms, run) {
      const timer = { at: monotonicMs() + ms, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    forward(ms) {
      ahead += ms
      for (const timer of timers) {
        if (timer.at > monotonicMs()) continue
        timers.delete(timer)
        timer.run()
      }
    },
  }
}
