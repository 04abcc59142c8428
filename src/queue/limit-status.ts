// The limits of one relay as a person or a program asks for them: configured, set, tuned, and what holds and goes now.
// Pure: what was read of it in, plain values out; what has no limit has no value, since JSON knows no infinity.

import { type LimitState, limitNow, relayBucket } from '../limits/limit.js'
import { stepPerDay, warmupAt } from '../limits/warmup.js'
import type { LimitReading } from '../store/limit-states.js'

export interface RelayLimitStatus {
  readonly relay: string
  /** Whether a relay that asks for less gets less. */
  readonly selfTuning: boolean
  /** The relay's own first, then those of its providers that have a limit or are being sent to. */
  readonly buckets: readonly BucketStatus[]
  readonly connections: ConnectionLimitStatus
  readonly day: DayLimitStatus
  readonly warmup?: WarmupStatus
  /** The guaranteed share of each lane, 0 to 1, and what it sends in a second now. */
  readonly lanes: readonly { readonly lane: string; readonly share: number; readonly sending: number }[]
}

/** A figure as it is configured, as it was set while running (`null`: no limit), and what holds now. */
export interface FigureStatus {
  readonly configured?: number
  readonly set?: number | null
  /** Missing where there is no limit. */
  readonly now?: number
}

export interface BucketStatus {
  /** Missing for the relay as a whole. */
  readonly provider?: string
  readonly ratePerSecond: FigureStatus
  readonly burst: Omit<FigureStatus, 'now'>
  readonly tuned?: TunedStatus
  /** What the whole fleet sends in a second: the mean of the last two. */
  readonly sending: number
  /** What could go at once; missing without a limit, or where nothing was sent for an hour. */
  readonly tokens?: number
}

/** What the relay asked for, while it still holds. */
export interface TunedStatus {
  readonly since: Date
  /** Messages a second that were too many. */
  readonly tooManyPerSecond: number
  /** What the relay said, without addresses. */
  readonly reply?: string
}

export interface ConnectionLimitStatus extends FigureStatus {
  /** Of all workers. */
  readonly open: number
  readonly byWorker: Readonly<Record<string, number>>
}

export interface DayLimitStatus extends FigureStatus {
  /** Messages of this hour and the 24 before it. */
  readonly used: number
  /** When the oldest of them no longer count. */
  readonly freesAt?: Date
}

export interface WarmupStatus {
  readonly from: number
  readonly to: number
  readonly days: number
  /** From 1; more than `days` once it is over. */
  readonly step: number
  /** Of this step; missing once it is over. */
  readonly perDay?: number
  /** When this step began; missing before the first message. */
  readonly since?: Date
}

export function limitStatusOf(relay: string, reading: LimitReading): RelayLimitStatus {
  const { state, now, laneRates, quotaUsed, quotaFreesAt, connections } = reading
  const { configured, shares } = state
  const own = state.set[relayBucket]
  const holds = limitNow(state, relayBucket, now)
  const lanes = [...new Set([...Object.keys(shares), ...Object.keys(laneRates)])].toSorted()
  return {
    relay,
    selfTuning: configured.selfTuning,
    buckets: bucketsIn(reading).map((bucket) => bucketStatus(bucket, reading)),
    connections: {
      ...figure(configured.maxConnections, own?.maxConnections, holds.connections),
      open: Object.values(connections).reduce((sum, count) => sum + count, 0),
      byWorker: connections,
    },
    day: {
      ...figure(configured.perDay, own?.perDay, holds.perDay),
      used: quotaUsed,
      ...(quotaUsed > 0 ? { freesAt: new Date(quotaFreesAt) } : {}),
    },
    ...warmupStatus(state, now),
    lanes: lanes.map((lane) => ({ lane, share: shares[lane] ?? 0, sending: laneRates[lane] ?? 0 })),
  }
}

function bucketsIn({ state, rates }: LimitReading): string[] {
  const { configured, set, tuned } = state
  const named = [configured.providers, set, tuned, rates].flatMap((each) => Object.keys(each))
  const providers = new Set(named.filter((bucket) => bucket !== relayBucket))
  return [relayBucket, ...[...providers].toSorted()]
}

function bucketStatus(bucket: string, { state, now, rates, tokens }: LimitReading): BucketStatus {
  const own = bucket === relayBucket ? state.configured : (state.configured.providers[bucket] ?? {})
  const change = state.set[bucket]
  const { perSecond } = limitNow(state, bucket, now)
  const there = perSecond < Number.POSITIVE_INFINITY ? tokens[bucket] : undefined
  return {
    ...(bucket === relayBucket ? {} : { provider: bucket }),
    ratePerSecond: figure(own.ratePerSecond, change?.ratePerSecond, perSecond),
    burst: figure(own.burst, change?.burst, Number.POSITIVE_INFINITY),
    ...tunedStatus(state, bucket, now),
    sending: rates[bucket] ?? 0,
    ...(there === undefined ? {} : { tokens: there }),
  }
}

/** Undefined once the limit is what it would be without. */
function tunedStatus(state: LimitState, bucket: string, now: number): { readonly tuned?: TunedStatus } {
  const cut = state.tuned[bucket]
  if (cut === undefined) return {}
  const { [bucket]: _, ...others } = state.tuned
  const untuned = limitNow({ ...state, tuned: others }, bucket, now)
  if (limitNow(state, bucket, now).perSecond >= untuned.perSecond) return {}
  const { at, perSecond, reply } = cut
  return {
    tuned: {
      since: new Date(at),
      tooManyPerSecond: perSecond,
      ...(reply === undefined ? {} : { reply }),
    },
  }
}

function warmupStatus({ configured, warmup }: LimitState, now: number): { readonly warmup?: WarmupStatus } {
  const rule = configured.warmup
  if (rule === undefined) return {}
  const present = warmup && warmupAt(rule, warmup, now)
  const step = present?.step ?? 0
  return {
    warmup: {
      ...rule,
      step: step + 1,
      ...(step < rule.days ? { perDay: stepPerDay(rule, step) } : {}),
      ...(present ? { since: new Date(present.startedAt) } : {}),
    },
  }
}

function figure(configured: number | undefined, set: number | null | undefined, now: number): FigureStatus {
  return {
    ...(configured === undefined ? {} : { configured }),
    ...(set === undefined ? {} : { set }),
    ...(now < Number.POSITIVE_INFINITY ? { now } : {}),
  }
}
