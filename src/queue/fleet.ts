// What is the same whichever worker is asked: what waits in the lanes and since when, the limits, and how many workers
// there are. For the metrics; it only reads.

import type { Clock } from '../clock.js'
import type { Keys, Redis } from '../redis.js'
import { createLimitStates, type LimitStates } from '../store/limit-states.js'
import { readWorkers } from '../store/workers.js'
import { within } from '../within.js'
import { limitStatusOf, type RelayLimitStatus } from './limit-status.js'

export interface Fleet {
  readonly workers: number
  readonly lanes: readonly LaneJobs[]
  readonly relays: readonly RelayLimitStatus[]
}

export interface LaneJobs {
  readonly lane: string
  /** `packed`: rows in chunks, which are no jobs yet. */
  readonly jobs: Readonly<Record<'waiting' | 'packed' | 'active' | 'delayed', number>>
  /** How long the oldest of those whose turn it may be has been there; 0 where there is none. */
  readonly oldestSeconds: number
}

interface FleetPlace {
  readonly redis: Redis
  readonly keys: Keys
  readonly states: LimitStates
  readonly lanes: readonly string[]
  readonly relays: readonly string[]
  laneAt(lane: string): LanePlace
}

/** Where a lane is. */
interface LanePlace {
  readonly redis: Redis
  readonly keys: Keys
}

/** Of so many batches whose turn it may be, the oldest is looked for. */
const LAST_BATCH = '49'
/** How long Redis has to say all of it. */
const ANSWER_MS = 1_000

/** Reads it; undefined where Redis does not say so in time. It never rejects. */
export function createFleetReader(
  redis: Redis,
  keys: Keys,
  clock: Clock,
  config: Readonly<Record<'lanes' | 'relays', object>>,
  laneAt: (lane: string) => LanePlace = () => ({ redis, keys }),
): () => Promise<Fleet | undefined> {
  const [lanes, relays] = [Object.keys(config.lanes), Object.keys(config.relays)]
  const place = { redis, keys, states: createLimitStates(redis, keys), lanes, relays, laneAt }
  return async () => {
    const read = readFleet(place).catch(() => undefined)
    return (await within(read, ANSWER_MS, clock))?.value
  }
}

async function readFleet({ redis, keys, states, lanes, relays, laneAt }: FleetPlace): Promise<Fleet> {
  const [workers, laneJobs, limits] = await Promise.all([
    readWorkers(redis, keys),
    Promise.all(lanes.map((lane) => readLane(laneAt(lane), lane))),
    Promise.all(
      relays.map(async (relay) => {
        const reading = await states.read(relay)
        return reading && limitStatusOf(relay, reading)
      }),
    ),
  ])
  return {
    workers: workers.length,
    lanes: laneJobs,
    relays: limits.filter((status) => status !== undefined),
  }
}

async function readLane({ redis, keys }: LanePlace, lane: string): Promise<LaneJobs> {
  const job = (name: string) => `${keys.bullPrefix}:${lane}:${name}`
  const [waiting, active, delayed, packed, next, batches, [seconds = 0]] = await Promise.all([
    redis.llen(job('wait')),
    redis.llen(job('active')),
    redis.zcard(job('delayed')),
    redis.hget(keys.laneCounts(lane), 'packed'),
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
  return { lane, jobs: { waiting, packed: Number(packed ?? 0), active, delayed }, oldestSeconds }
}
