// The counts of each lane: what is settled is exact, what the pending ones are doing is observed.

import type { Keys, Redis } from '../redis.js'
import type { LaneQueues } from './lane-queues.js'

export interface LaneStatus {
  readonly lane: string
  /** Exact: deliveries acknowledged, and how they ended. */
  readonly accepted: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly unknown: number
  readonly pending: number
  /** Further copies that may have been delivered, because an unknown was sent again. */
  readonly resent: number
  /** Observed: what the pending ones are doing. */
  readonly waiting: number
  readonly active: number
  readonly delayed: number
}

export async function readLaneStatus(redis: Redis, keys: Keys, queues: LaneQueues): Promise<LaneStatus[]> {
  return Promise.all(queues.lanes.map((lane) => laneStatus(redis, keys, queues, lane)))
}

async function laneStatus(redis: Redis, keys: Keys, queues: LaneQueues, lane: string): Promise<LaneStatus> {
  const [counts, jobs] = await Promise.all([redis.hgetall(keys.laneCounts(lane)), queues.count(lane)])
  const count = (field: string) => Number(counts[field] ?? 0)
  const ended = {
    sent: count('sent'),
    failed: count('failed'),
    skipped: count('skipped'),
    unknown: count('unknown'),
  }
  const accepted = count('accepted')
  const pending = accepted - ended.sent - ended.failed - ended.skipped - ended.unknown
  const waiting = jobs.waiting + count('packed')
  return { lane, accepted, ...ended, pending, resent: count('resent'), ...jobs, waiting }
}
