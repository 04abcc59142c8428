// What may go through a relay, and through it to one provider: as configured, as set while running, as tuned, and now.
// Pure; everything is a function of the state that all workers share and of Redis' time.

import { type Tuned, tunedConnections, tunedPerSecond } from './tuning.js'
import { type Warmup, type WarmupState, warmupPerDay } from './warmup.js'

/** What may go to one provider; every limit is that of the whole fleet. */
export interface ProviderLimit {
  readonly ratePerSecond?: number | undefined
  /** What may go at once after a pause; half a second's worth unless given, and at least 1. */
  readonly burst?: number | undefined
}

/** The limits of a relay, as somebody wrote them down. */
export interface RelayLimits extends ProviderLimit {
  readonly maxConnections?: number | undefined
  /** Messages within 24 hours. */
  readonly perDay?: number | undefined
  readonly warmup?: Warmup | undefined
  readonly selfTuning: boolean
  readonly providers: Readonly<Record<string, ProviderLimit>>
}

/** What was set while running: it goes before what is configured, and `null` takes a configured limit away. */
export interface LimitChange {
  readonly ratePerSecond?: number | null
  readonly burst?: number | null
  readonly maxConnections?: number | null
  readonly perDay?: number | null
}

/** What all workers share of one relay's limits. */
export interface LimitState {
  /** As the worker has it that was started last. */
  readonly configured: RelayLimits
  /** The guaranteed share of each lane, 0 to 1; together at most 1. */
  readonly shares: Readonly<Record<string, number>>
  /** By bucket. */
  readonly set: Readonly<Record<string, LimitChange>>
  /** By bucket. */
  readonly tuned: Readonly<Record<string, Tuned>>
  readonly warmup?: WarmupState
}

/** The bucket of the relay itself; those of its providers go by their names. */
export const relayBucket = ''

/** A limit at one instant. `Infinity` where there is none. */
export interface LimitNow {
  readonly perSecond: number
  /** Permits that the bucket holds at the most. */
  readonly capacity: number
  /** How long a permit may stay with a worker unspent; what it may so hold is taken off the capacity. */
  readonly holdMs: number
  /** Of the relay; no provider has its own. */
  readonly connections: number
  readonly perDay: number
}

const LONGEST_HOLD_MS = 250
const SHORTEST_HOLD_MS = 50

export const unlimited: LimitNow = {
  perSecond: Number.POSITIVE_INFINITY,
  capacity: Number.POSITIVE_INFINITY,
  holdMs: LONGEST_HOLD_MS,
  connections: Number.POSITIVE_INFINITY,
  perDay: Number.POSITIVE_INFINITY,
}

/** What holds for a bucket at `now`, Redis' time. */
export function limitNow(state: LimitState, bucket: string, now: number): LimitNow {
  const { configured, set, tuned, warmup } = state
  const isRelay = bucket === relayBucket
  const own: ProviderLimit = isRelay ? configured : (configured.providers[bucket] ?? {})
  const change = set[bucket]
  const ceiling = pick(change?.ratePerSecond, own.ratePerSecond)
  const cut = configured.selfTuning ? tuned[bucket] : undefined
  const perSecond = Math.min(ceiling, cut ? tunedPerSecond(cut, now) : Number.POSITIVE_INFINITY)
  const cutConnections = cut ? tunedConnections(cut, now) : Number.POSITIVE_INFINITY
  const ramp = configured.warmup ? warmupPerDay(configured.warmup, warmup, now) : Number.POSITIVE_INFINITY
  return {
    ...bucketOf(perSecond, pick(change?.burst, own.burst), ceiling),
    connections: isRelay
      ? Math.min(pick(change?.maxConnections, configured.maxConnections), cutConnections)
      : Number.POSITIVE_INFINITY,
    perDay: isRelay ? Math.min(pick(change?.perDay, configured.perDay), ramp) : Number.POSITIVE_INFINITY,
  }
}

/** In no second may more go than the rate and the burst, so what workers hold unspent is taken off the burst. */
function bucketOf(perSecond: number, burst: number, ceiling: number) {
  if (perSecond === Number.POSITIVE_INFINITY) return unlimited
  // A burst without a rate that it goes with, which was taken away while it ran, is none.
  const isOwn = Math.max(burst, ceiling) < Number.POSITIVE_INFINITY
  const most = Math.max(1, isOwn ? (burst * perSecond) / ceiling : perSecond / 2)
  // It has to hold what a tenth of a second brings, in which nobody asks, beside what is less than a whole permit.
  const spareMs = (1000 * (most - 1)) / perSecond - 100
  const holdMs = Math.max(SHORTEST_HOLD_MS, Math.min(LONGEST_HOLD_MS, (500 * most) / perSecond, spareMs))
  return { perSecond, capacity: Math.max(1, most - (perSecond * holdMs) / 1000), holdMs }
}

function pick(set: number | null | undefined, configured: number | undefined): number {
  if (set === null) return Number.POSITIVE_INFINITY
  return set ?? configured ?? Number.POSITIVE_INFINITY
}
