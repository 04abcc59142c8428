// The calls of one worker about limits, and the time of the fleet as their answers tell it.
// A call for permits that is not answered in time is not made again until it is: nothing piles up while Redis is away.

import type { Clock } from '../clock.js'
import { defineScript, type Keys, type Redis, unavailable } from '../redis.js'
import { within } from '../within.js'
import type { Granted, LimitAsk } from './limit-asks.js'
import { BEAT } from './limit-beat.js'
import { TAKE } from './limit-scripts.js'
import { numbersOf, withTotal } from './limit-states.js'
import { createLimitVersions, type LimitVersions, limitsKeptSeconds } from './limit-versions.js'
import type { SpentReport } from './spent-counts.js'

/** Redis' time, in milliseconds. */
export interface FleetTime {
  now(): number
  hear(now: number): void
}

/** What a worker tells of its connections. */
export type ConnectionReport =
  | {
      readonly have: number
      readonly want: number
      /** Of those that it wants. */
      readonly idle: number
      /** What it may open to until it hears the answer. */
      readonly known: number
      /** -1: any. */
      readonly limit: number
    }
  | { readonly leaving: true }

/** What holds is another version; without JSON Redis has none. */
export interface Newer {
  readonly version: string
  readonly json: string
}

export interface BeatAnswer extends Newer {
  /** Connections that the worker may have. */
  readonly allowed: number
  readonly rates: Readonly<Record<string, number>>
}

export interface LimitCalls {
  readonly versions: LimitVersions
  /** `late` hears what was granted when nobody waited any more. @throws FluxMailError `queue_unavailable` */
  take(
    relay: string,
    version: string,
    ask: LimitAsk,
    late: (granted: Granted) => void,
  ): Promise<{ readonly granted: Granted } | { readonly newer: Newer }>
  beat(
    relay: string,
    version: string,
    said: SpentReport & { readonly connections: ConnectionReport },
  ): Promise<BeatAnswer>
}

const ANSWER_MS = 1_000
/** With any other the command would wait for Redis to be back. */
const taking: ReadonlySet<string> = new Set(['wait', 'ready'])

export interface LimitCallsOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly workerId: string
}

export function createLimitCalls(
  { redis, keys, clock, workerId }: LimitCallsOptions,
  time: FleetTime,
): LimitCalls {
  const takePermits = defineScript(redis, 'fluxmailTakePermits', 3, TAKE)
  const beatLimits = defineScript(redis, 'fluxmailLimitBeat', 4, BEAT)
  const overdue = new Set<string>()
  const awaitLate = (relay: string, asked: Promise<unknown>, late: (granted: Granted) => void) => {
    overdue.add(relay)
    const settled = () => void overdue.delete(relay)
    asked.then((answer) => late(grantedOf(answer) ?? nothing)).then(settled, settled)
  }
  return {
    versions: createLimitVersions(redis, keys),
    async take(relay, version, ask, late) {
      if (overdue.has(relay) || !taking.has(redis.status)) throw unavailable(new Error('it is away'))
      const scriptKeys = [keys.limits, keys.buckets, keys.quota].map((key) => key(relay))
      const asked = takePermits(scriptKeys, [version, workerId, JSON.stringify(ask)])
      const answer = await within(asked, ANSWER_MS, clock).catch(refuse)
      if (answer === undefined) {
        awaitLate(relay, asked, late)
        throw unavailable(new Error(`no answer within ${ANSWER_MS} ms`))
      }
      const granted = grantedOf(answer.value)
      const [, now, newer, json] = answer.value as [string, number, string, string]
      time.hear(now)
      return granted ? { granted } : { newer: { version: newer, json } }
    },
    async beat(relay, version, said) {
      const scriptKeys = [keys.limits, keys.connections, keys.spent, keys.quota].map((key) => key(relay))
      const args = [version, workerId, limitsKeptSeconds, JSON.stringify(said)]
      const answer = await beatLimits(scriptKeys, args)
      const [now, newer, json, allowed, rates] = answer as [number, string, string, number, string[]]
      time.hear(now)
      return {
        version: newer,
        json,
        allowed: allowed < 0 ? Number.POSITIVE_INFINITY : allowed,
        rates: withTotal(numbersOf(rates)),
      }
    },
  }
}

const nothing: Granted = [0, [], [], []]

function grantedOf(answer: unknown): Granted | undefined {
  const [kind, ...rest] = answer as [string, ...unknown[]]
  return kind === 'taken' ? (rest as unknown as Granted) : undefined
}

function refuse(error: unknown): never {
  throw unavailable(error)
}
