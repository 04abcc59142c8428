// Whether Redis answers: a ping on every connection, since one that is half open or stopped looks connected for hours.
// Who does not answer is connected anew while the locks of jobs still hold: ioredis then asks again what was not
// answered, and an attempt that waits for its mark gets it, instead of leaving one behind that nobody can explain.

import type { Clock } from './clock.js'
import type { Redis } from './redis.js'

export interface Pulse {
  /** Whether every connection is up and answers. */
  readonly isAlive: boolean
  /** How long the slowest of them took to answer last; undefined before any has. */
  readonly roundTripMs: number | undefined
  stop(): void
}

export interface PulseOptions {
  readonly connections: readonly Redis[]
  readonly clock: Clock
  /** Silence for a quarter of it ends a connection, but none of less than 3 s. */
  readonly lockMs: number
  /** Hears for how long this process did not run, when that was a quarter of a lock or more. */
  onBlocked(ms: number): void
}

const BEAT_MS = 1_000
/** Silence of so long is no hiccup any more. */
const SILENT_MS = 3_000
/** BullMQ renews locks at half their time. */
const LOCK_SHARE = 0.25

export function createPulse({ connections, clock, lockMs, onBlocked }: PulseOptions): Pulse {
  const reconnectMs = Math.max(lockMs * LOCK_SHARE, SILENT_MS)
  /** Since when each of those is waited for that owe an answer. */
  const owedSince = new Map<Redis, number>()
  const tookMs = new Map<Redis, number>()
  let beatAt = clock.monotonicMs()

  const silenceOf = (redis: Redis) => clock.monotonicMs() - (owedSince.get(redis) ?? clock.monotonicMs())
  const heard = (redis: Redis) => () => void owedSince.delete(redis)
  const answered = (redis: Redis, askedAt: number) => () => {
    owedSince.delete(redis)
    tookMs.set(redis, clock.monotonicMs() - askedAt)
  }

  function ask(redis: Redis): void {
    const askedAt = clock.monotonicMs()
    owedSince.set(redis, askedAt)
    // What is connected and not ready yet owes the answer to what ioredis asks first.
    if (redis.status === 'ready') redis.ping().then(answered(redis, askedAt), heard(redis))
    else redis.once('ready', heard(redis))
  }

  function check(redis: Redis): void {
    const isConnected = redis.status === 'ready' || redis.status === 'connect'
    // While it is away there is nobody to ask, and ioredis tries again by itself.
    if (!isConnected) owedSince.delete(redis)
    else if (!owedSince.has(redis)) ask(redis)
    else if (silenceOf(redis) >= reconnectMs) {
      owedSince.delete(redis)
      redis.disconnect(true)
    }
  }

  const stop = clock.every(BEAT_MS, () => {
    const now = clock.monotonicMs()
    const blockedMs = now - beatAt - BEAT_MS
    beatAt = now
    if (blockedMs >= lockMs * LOCK_SHARE) onBlocked(blockedMs)
    // What was not heard while nobody listened cannot be held against Redis.
    if (blockedMs >= BEAT_MS) for (const redis of owedSince.keys()) owedSince.set(redis, now)
    for (const redis of connections) check(redis)
  })

  return {
    get isAlive() {
      return connections.every((redis) => redis.status === 'ready' && silenceOf(redis) < SILENT_MS)
    },
    get roundTripMs() {
      return tookMs.size === 0 ? undefined : Math.max(...tookMs.values())
    },
    stop,
  }
}
