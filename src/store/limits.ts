// The limits of all relays for one worker: what holds now, permits from the buckets that the fleet shares, connections.
// Rules are in limits/limit.ts and in the scripts beside this file; while Redis is away the last known state holds.
// It never gives a permit that Redis did not grant.

import type { Clock } from '../clock.js'
import type { LimitNow, LimitState, RelayLimits } from '../limits/limit.js'
import type { Keys, Redis } from '../redis.js'
import { within } from '../within.js'
import type { Return, Taken, Want } from './limit-asks.js'
import { createLimitCalls, type FleetTime } from './limit-calls.js'
import { RelayLimitView } from './relay-limit-view.js'

export type { Return, Short, Taken, Want } from './limit-asks.js'

export interface LimitStore {
  /** Publishes what is configured, reads, and looks again every 500 ms. Never rejects; `failed` hears of trouble. */
  start(): Promise<void>
  /** Redis' time as it is known here, in milliseconds. */
  now(): number
  state(relay: string): LimitState
  /** What holds for a bucket now; `relayBucket` for the relay itself. */
  limit(relay: string, bucket: string): LimitNow
  /** Whether a permit needs a lease at all. */
  isLimited(relay: string, provider: string): boolean
  /**
   * One call of Redis. A permit is good for `limit(…).holdMs` (of the shorter one of its buckets) after this was
   * called, not after it answered. Without a limit all is granted, with no call.
   * @throws FluxMailError `queue_unavailable` at once while Redis is away, or when it has not answered within a second
   */
  take(relay: string, wants: readonly Want[], returns: readonly Return[]): Promise<Taken>
  /** Counts one permit as spent. Synchronous; told to Redis within half a second. */
  spent(relay: string, provider: string, lane: string): void
  /** What the fleet spends a second, the mean of the last two whole seconds that are known. */
  rate(relay: string, bucket: string): number
  /**
   * How many connections this worker has (open or opening), would like to have in all, and how many of these are idle;
   * 0 unless given. Free to call often.
   */
  wantConnections(relay: string, have: number, want: number, idle?: number): void
  /** How many it may have now: `Infinity` without a limit, 0 until Redis was asked. */
  connections(relay: string): number
  /** `listener` hears whenever that number becomes another one. */
  onConnections(listener: (relay: string, allowed: number) => void): void
  /** Changes the newest state; false when `change` gave undefined or Redis did not take it (`failed` hears of it). */
  change(relay: string, change: (state: LimitState, now: number) => LimitState | undefined): Promise<boolean>
  /** Gives back connections and tells what was spent, within half a second; permits go back by `take` before. */
  close(): Promise<void>
}

export interface LimitStoreOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly workerId: string
  /** The relays of this worker, with what is configured for them. */
  readonly relays: Readonly<Record<string, RelayLimits>>
  /** The guaranteed share of each lane. */
  readonly shares: Readonly<Record<string, number>>
  /** Hears of each call that Redis did not take. */
  failed(error: unknown): void
}

const POLL_MS = 500
const CLOSE_MS = 500

export function createLimitStore(options: LimitStoreOptions): LimitStore {
  const { redis, keys, clock, relays, shares } = options
  const time = createFleetTime(clock)
  const calls = createLimitCalls(options, time)
  const listeners: ((relay: string, allowed: number) => void)[] = []
  const tell = (relay: string, allowed: number) => {
    for (const listener of listeners) listener(relay, allowed)
  }
  const { failed } = options
  const views = new Map(
    Object.entries(relays).map(([relay, configured]) => [
      relay,
      new RelayLimitView({ relay, configured, shares, calls, time, tell, failed }),
    ]),
  )
  const viewOf = (relay: string) => {
    const view = views.get(relay)
    if (view === undefined) throw new TypeError(`there is no relay ${relay}`)
    return view
  }
  const all = (work: (view: RelayLimitView) => Promise<void>) => Promise.all([...views.values()].map(work))
  let stopPolling: () => void = () => undefined

  return {
    async start() {
      stopPolling = clock.every(POLL_MS, () => void all((view) => view.poll()))
      const seen = [...views.keys()].flatMap((relay) => [time.now(), relay])
      if (seen.length > 0) await redis.zadd(keys.relays, ...seen).catch(failed)
      await all((view) => view.keepUp())
    },
    now: () => time.now(),
    state: (relay) => viewOf(relay).state,
    limit: (relay, bucket) => viewOf(relay).limit(bucket),
    isLimited: (relay, provider) => viewOf(relay).isLimited(provider),
    take: async (relay, wants, returns) => viewOf(relay).take(wants, returns),
    spent: (relay, provider, lane) => viewOf(relay).spend(provider, lane),
    rate: (relay, bucket) => viewOf(relay).rate(bucket),
    wantConnections: (relay, have, want, idle = 0) => viewOf(relay).wantConnections(have, want, idle),
    connections: (relay) => viewOf(relay).connections(),
    onConnections: (listener) => void listeners.push(listener),
    change: async (relay, change) => viewOf(relay).change(change),
    async close() {
      stopPolling()
      await within(
        all((view) => view.leave()),
        CLOSE_MS,
        clock,
      )
    },
  }
}

function createFleetTime(clock: Clock): FleetTime {
  // What Redis' clock is ahead of the monotonic one of this process.
  let aheadMs = clock.now() - clock.monotonicMs()
  return {
    now: () => clock.monotonicMs() + aheadMs,
    hear(now) {
      aheadMs = now - clock.monotonicMs()
    },
  }
}
