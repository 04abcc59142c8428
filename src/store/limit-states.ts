// The limits of a relay as all workers share them, to be read and changed by whoever is no worker.
// A change is made to the version that was read, or made again to the newer one.

import { type LimitState, limitNow, relayBucket } from '../limits/limit.js'
import { defineScript, type Keys, type Redis, unavailable } from '../redis.js'
import { READ_ALL } from './limit-beat.js'
import { createLimitVersions, parseLimitState } from './limit-versions.js'

/** What is known of a relay's limits at one instant. */
export interface LimitReading {
  readonly state: LimitState
  /** Redis' time, in milliseconds. */
  readonly now: number
  /** What the fleet spends a second, by provider, and under `relayBucket` in all: the mean of the last two whole seconds. */
  readonly rates: Readonly<Record<string, number>>
  /** The same by lane. */
  readonly laneRates: Readonly<Record<string, number>>
  /** Permits in each bucket now. One that nobody has used for an hour is not there, nor one without a limit. */
  readonly tokens: Readonly<Record<string, number>>
  /** Permits taken in this hour and the 24 before it. */
  readonly quotaUsed: number
  /** When the oldest of them no longer count, Redis' time. */
  readonly quotaFreesAt: number
  /** Open connections by worker; one that has said nothing for 2 s is not there. */
  readonly connections: Readonly<Record<string, number>>
}

export type LimitStateChange = (state: LimitState, now: number) => LimitState | undefined

export interface LimitStates {
  /** Names of the relays that a worker had within the last day, in order. */
  relays(): Promise<string[]>
  /** Undefined when no worker has had this relay. */
  read(relay: string): Promise<LimitReading | undefined>
  /** Makes a change; undefined when no worker has had this relay, or when `change` gave undefined. */
  change(relay: string, change: LimitStateChange): Promise<LimitState | undefined>
}

type Answer = [number, string, string, number, number, string[], string[], string[], string[]]

/** All of it throws FluxMailError `queue_unavailable` when Redis does not answer. */
export function createLimitStates(redis: Redis, keys: Keys): LimitStates {
  const versions = createLimitVersions(redis, keys)
  const readAll = defineScript(redis, 'fluxmailReadAllLimits', 5, READ_ALL)
  return {
    async relays() {
      const names = await redis.zrange(keys.relays, 0, '-1').catch(refuse)
      return names.toSorted()
    },
    async read(relay) {
      const answer = await readAll(keysOfRelay(keys, relay), []).catch(refuse)
      return readingOf(answer as Answer)
    },
    async change(relay, change) {
      const edit = (state: LimitState | undefined, now: number) => state && change(state, now)
      const { changed, state } = await versions.change(relay, edit).catch(refuse)
      return changed ? state : undefined
    },
  }
}

function keysOfRelay(keys: Keys, relay: string): string[] {
  return [keys.limits, keys.connections, keys.spent, keys.quota, keys.buckets].map((key) => key(relay))
}

function readingOf([now, , json, quotaUsed, nextHoursMs, providers, lanes, workers, buckets]: Answer):
  | LimitReading
  | undefined {
  const state = parseLimitState(json)
  if (state === undefined) return undefined
  return {
    state,
    now,
    rates: withTotal(numbersOf(providers)),
    laneRates: numbersOf(lanes),
    tokens: tokensOf(buckets, state, now),
    quotaUsed,
    quotaFreesAt: now + nextHoursMs,
    connections: numbersOf(workers),
  }
}

function tokensOf(buckets: readonly string[], state: LimitState, now: number): Record<string, number> {
  const tokens = pairsOf(buckets).map(([bucket, value]): [string, number] => {
    const [had = 0, at = now] = value.split(' ').map(Number)
    const { perSecond, capacity } = limitNow(state, bucket, now)
    return [bucket, Math.min(capacity, had + (Math.max(0, now - at) / 1000) * perSecond)]
  })
  return Object.fromEntries(tokens.filter(([, count]) => count < Number.POSITIVE_INFINITY))
}

/** Rates by provider, and their sum as that of the relay. */
export function withTotal(byProvider: Readonly<Record<string, number>>): Record<string, number> {
  const total = Object.values(byProvider).reduce((sum, rate) => sum + rate, 0)
  return { ...byProvider, [relayBucket]: total }
}

/** Of a list of names, each followed by its value. */
export function numbersOf(list: readonly string[]): Record<string, number> {
  return Object.fromEntries(pairsOf(list).map(([name, value]) => [name, Number(value)]))
}

function pairsOf(list: readonly string[]): [string, string][] {
  return list.flatMap((name, index) =>
    index % 2 === 0 ? [[name, list[index + 1] ?? ''] as [string, string]] : [],
  )
}

function refuse(cause: unknown): never {
  throw unavailable(cause)
}
