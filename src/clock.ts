// The only source of time and chance, so that limits and retries are tested without sleeping.
// Nothing else in src may touch Date.now, Math.random or a timer.

import { setTimeout as delay } from 'node:timers/promises'
import { FluxMailError, guarded } from './errors.js'

export interface Clock {
  /** Wall clock, in milliseconds since 1970. */
  now(): number
  /** A clock that never goes back, in milliseconds with fractions. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when `signal` is aborted; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `run` every `ms` until the returned function is called; never keeps the process alive. */
  every(ms: number, run: () => void): () => void
  /** Calls `run` once after `ms` unless the returned function is called first. */
  after(ms: number, run: () => void): () => void
  /** 0 up to, not including, 1. */
  random(): number
}

/** What a timer of Node can wait at the most, some 24 days; more would fire at once. */
export const maxTimerMs = 2_147_483_647

function timerMs(ms: number): number {
  return Math.min(Math.max(ms, 0), maxTimerMs)
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(timerMs(ms), undefined, signal ? { signal } : {}).catch((reason: unknown) => {
    if (!signal?.aborted) throw reason
  })
}

/** Calls `run` when what has happened by now has been heard of everywhere; it is no time, and no test waits for it. */
export function afterTurn(run: () => void): void {
  setImmediate(run)
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep,
  every(ms, run) {
    const timer = setInterval(run, timerMs(ms))
    timer.unref()
    return () => clearInterval(timer)
  },
  after(ms, run) {
    const timer = setTimeout(run, timerMs(ms))
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}

const clockMethods = ['now', 'monotonicMs', 'sleep', 'every', 'after', 'random'] as const

/** The system's clock unless another is given; throws `invalid_config` for what is none. */
export function parseClock(given: Clock | undefined): Clock {
  if (given === undefined) return systemClock
  return guarded('invalid_config', 'clock', () => {
    const missing = clockMethods.find((method) => typeof given?.[method] !== 'function')
    if (missing === undefined) return given
    throw new FluxMailError('invalid_config', `clock: it has no function ${missing}; leave it out`)
  })
}
