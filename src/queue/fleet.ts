// What is the same whichever worker is asked: what waits in the lanes and since when, the batches, the limits, Redis, and
// how many workers there are. For the metrics; it only reads, and costs Redis a few milliseconds at the most.

import type { Clock } from '../clock.js'
import type { Keys, Redis } from '../redis.js'
import { type BatchCensus, createBatchCensus, mergedCensus } from '../store/batch-census.js'
import { forgottenUnknowns } from '../store/ledger.js'
import { createLimitStates, type LimitStates } from '../store/limit-states.js'
import { type RedisFacts, readRedisFacts } from '../store/redis-facts.js'
import { readWorkers } from '../store/workers.js'
import { within } from '../within.js'
import { limitStatusOf, type RelayLimitStatus } from './limit-status.js'

export interface Fleet {
  readonly workers: number
  readonly lanes: readonly LaneJobs[]
  readonly relays: readonly RelayLimitStatus[]
  readonly batches: BatchCensus
  /** By shard. */
  readonly redis: readonly RedisFacts[]
}

export interface LaneJobs {
  readonly lane: string
  /** `packed`: rows in chunks, which are no jobs yet. */
  readonly jobs: Readonly<Record<'waiting' | 'packed' | 'active' | 'delayed', number>>
  /** How long the oldest of those whose turn it may be has been there; 0 where there is none. */
  readonly oldestSeconds: number
  /** Of all that were accepted, those that stand as unknown and can still be resolved. */
  readonly unknown: number
}

/** Where a shard is. */
interface Place {
  readonly ledgerRedis: Redis
  readonly keys: Keys
}

export interface FleetOptions {
  readonly clock: Clock
  readonly lanes: readonly string[]
  readonly relays: readonly string[]
  readonly shards: {
    /** It has what all share. */
    readonly first: Place
    readonly all: readonly Place[]
    of(lane: string): Place
  }
}

interface FleetParts extends FleetOptions {
  readonly states: LimitStates
  readonly censuses: readonly (() => Promise<BatchCensus>)[]
}

/** Of so many batches whose turn it may be, the oldest is looked for. */
const LAST_BATCH = '49'
/** How long Redis has to say all of it. */
const ANSWER_MS = 1_000

/** Reads it; undefined where Redis does not say so in time. It never rejects. */
export function createFleetReader(options: FleetOptions): () => Promise<Fleet | undefined> {
  const { shards, clock } = options
  const { ledgerRedis, keys } = shards.first
  const censuses = shards.all.map((shard) => createBatchCensus(shard.ledgerRedis, shard.keys))
  const parts = { ...options, states: createLimitStates(ledgerRedis, keys), censuses }
  return async () => {
    const read = readFleet(parts).catch(() => undefined)
    return (await within(read, ANSWER_MS, clock))?.value
  }
}

async function readFleet({ shards, states, censuses, lanes, relays }: FleetParts): Promise<Fleet> {
  const [workers, laneJobs, limits, batches, redis] = await Promise.all([
    readWorkers(shards.first.ledgerRedis, shards.first.keys),
    Promise.all(lanes.map((lane) => readLane(shards.of(lane), lane))),
    Promise.all(relays.map((relay) => readRelay(states, relay))),
    Promise.all(censuses.map((census) => census())),
    Promise.all(shards.all.map(({ ledgerRedis }) => readRedisFacts(ledgerRedis))),
  ])
  return {
    workers: workers.length,
    lanes: laneJobs,
    relays: limits.filter((status) => status !== undefined),
    batches: mergedCensus(batches),
    redis,
  }
}

async function readRelay(states: LimitStates, relay: string): Promise<RelayLimitStatus | undefined> {
  const reading = await states.read(relay)
  return reading && limitStatusOf(relay, reading)
}

async function readLane({ ledgerRedis: redis, keys }: Place, lane: string): Promise<LaneJobs> {
  const job = (name: string) => `${keys.bullPrefix}:${lane}:${name}`
  const [waiting, active, delayed, [packed, unknown, forgotten], next, batches, [seconds = 0]] =
    await Promise.all([
      redis.llen(job('wait')),
      redis.llen(job('active')),
      redis.zcard(job('delayed')),
      redis.hmget(keys.laneCounts(lane), 'packed', 'unknown', forgottenUnknowns),
      // Jobs are taken from the end.
      redis.lindex(job('wait'), -1),
      redis.zrange(keys.turns(lane), 0, LAST_BATCH),
      redis.time(),
    ])
  const begun = await Promise.all([
    ...(next === null ? [] : [redis.hget(job(next), 'timestamp')]),
    ...batches.map((id) => redis.hget(keys.batch(id), 'createdAt')),
  ])
  const times = begun.flatMap((at) => (at === null ? [] : [Number(at) / 1000]))
  const oldestSeconds = times.length === 0 ? 0 : Math.max(0, Number(seconds) - Math.min(...times))
  const jobs = { waiting, packed: Number(packed ?? 0), active, delayed }
  // An answer that comes after its job is gone takes it out of the one and not of the other.
  return { lane, jobs, oldestSeconds, unknown: Math.max(0, Number(unknown ?? 0) - Number(forgotten ?? 0)) }
}
