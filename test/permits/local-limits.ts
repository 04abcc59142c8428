// Limits that nobody shares, for a test: buckets by the same rules, which answer after a moment.

import { type Clock, systemClock } from '../../src/clock.js'
import { type LimitNow, relayBucket, unlimited } from '../../src/limits/limit.js'
import type { StockLimits } from '../../src/permits/stock.js'
import type { Short, Want } from '../../src/store/limits.js'

export interface LocalLimits extends StockLimits {
  /** Each call: what was wanted, and what was given back. */
  readonly calls: { readonly wanted: number; readonly returned: number; readonly at: number }[]
  /** When a permit was spent, on the monotonic clock. */
  readonly spends: number[]
  /** Permits that were granted, less those that came back. */
  readonly out: number
  set(bucket: string, perSecond: number | undefined): void
  /** No message may go today. */
  endDay(isOver: boolean): void
}

interface Bucket extends LimitNow {
  tokens: number
  at: number
}

export function localLimits(
  rates: Readonly<Record<string, number>>,
  { clock = systemClock, delayMs = 1 }: { clock?: Clock; delayMs?: number } = {},
): LocalLimits {
  const buckets = new Map<string, Bucket>()
  const calls: { wanted: number; returned: number; at: number }[] = []
  const spends: number[] = []
  let isDayOver = false
  let out = 0

  const set = (bucket: string, perSecond: number | undefined) => {
    if (perSecond === undefined) return void buckets.delete(bucket)
    const capacity = Math.max(1, perSecond / 4)
    const limit = { ...unlimited, perSecond, capacity, holdMs: 250 }
    buckets.set(bucket, { ...limit, tokens: 1, at: clock.monotonicMs() })
  }
  for (const [bucket, perSecond] of Object.entries(rates)) set(bucket, perSecond)

  const refill = () => {
    const now = clock.monotonicMs()
    for (const bucket of buckets.values()) {
      const more = ((now - bucket.at) * bucket.perSecond) / 1000
      bucket.tokens = Math.min(bucket.capacity, bucket.tokens + more)
      bucket.at = now
    }
  }
  const grant = ({ provider, count }: Want): { granted: number; short: Short; waitMs: number } => {
    if (isDayOver) return { granted: 0, short: 'day', waitMs: 600_000 }
    const relay = buckets.get(relayBucket)
    const own = buckets.get(provider)
    const granted = Math.max(
      0,
      Math.min(count, Math.floor(relay?.tokens ?? count), Math.floor(own?.tokens ?? count)),
    )
    for (const bucket of [relay, own]) if (bucket) bucket.tokens -= granted
    out += granted
    if (granted === count) return { granted, short: 'none', waitMs: 0 }
    const short = own && own.tokens < 1 ? own : relay
    const waitMs = short ? Math.ceil(((1 - short.tokens) * 1000) / short.perSecond) : 0
    return { granted, short: short === own ? 'provider' : 'relay', waitMs }
  }

  return {
    calls,
    spends,
    get out() {
      return out
    },
    set,
    endDay: (isOver) => {
      isDayOver = isOver
    },
    limit: (_relay, bucket) => buckets.get(bucket) ?? unlimited,
    isLimited: (_relay, provider) => isDayOver || buckets.has(relayBucket) || buckets.has(provider),
    spent: () => void spends.push(clock.monotonicMs()),
    async take(_relay, wants, returns) {
      await clock.sleep(delayMs)
      refill()
      const at = clock.monotonicMs()
      const sum = (each: readonly Want[]) => each.reduce((total, { count }) => total + count, 0)
      calls.push({ wanted: sum(wants), returned: sum(returns), at })
      out -= sum(returns)
      for (const { provider, count } of returns) {
        for (const bucket of [buckets.get(relayBucket), buckets.get(provider)])
          if (bucket) bucket.tokens = Math.min(bucket.capacity, bucket.tokens + count)
      }
      const granted = wants.map(grant)
      return {
        at,
        grants: granted.map((each) => each.granted),
        waitMs: granted.map(({ waitMs }) => waitMs),
        short: granted.map(({ short }) => short),
      }
    },
  }
}
