// The batches that are not over, for the metrics: how many there are of each state, and the newest of them one by one.
// One script that only reads, and looks at so many at the most: Redis serves nobody else meanwhile.

import { defineScript, type Keys, type Redis } from '../redis.js'
import { rateBucketMs } from './batch-end.js'

/**
 * What a batch that is not over does: rows are still stored, or nobody stores the rest of them; it waits for its time;
 * its rows go out; it is stopped; or it was cancelled and some of its rows are still to be skipped.
 */
export const batchStates = ['importing', 'incomplete', 'scheduled', 'running', 'paused', 'cancelled'] as const
export type BatchState = (typeof batchStates)[number]

export interface ActiveBatch {
  readonly id: string
  readonly lane: string
  readonly state: BatchState
  readonly createdAt: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly unknown: number
  readonly pending: number
  /** Until nothing is pending, at the rate of the last minute; missing where there is none, or while it is paused. */
  readonly etaSeconds?: number
}

export interface BatchCensus {
  readonly counts: readonly { readonly lane: string; readonly state: BatchState; readonly count: number }[]
  /** Newest first. */
  readonly newest: readonly ActiveBatch[]
}

/** So many are looked at; where more keep their contents, the newest of all. */
const MOST = 2_000
const NEWEST = 20
/** A batch that has only begun is not judged by its first moment. */
const LEAST_RATE_MS = 1_000

// KEYS batches whose contents are kept, among which are all that are not over, all batches. ARGV batch key prefix, most
// looked at, how many of the newest, length of a bucket. Answers lane and state, count, …, and of each of the newest when
// it was created, its id, lane, state, counts, settled in the last minute, and over how many ms.
const CENSUS = `
local ids
if redis.call('SCARD', KEYS[1]) <= tonumber(ARGV[2]) then ids = redis.call('SMEMBERS', KEYS[1])
else ids = redis.call('ZREVRANGE', KEYS[2], 0, ARGV[2] - 1) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local counts, active = {}, {}
for _, id in ipairs(ids) do
  local key = ARGV[1] .. id
  local lane, created, rows, total, sent, failed, skipped, unknown, sendAt, paused, cancelled = unpack(redis.call('HMGET', key,
    'lane', 'createdAt', 'rows', 'total', 'sent', 'failed', 'skipped', 'unknown', 'sendAt', 'paused', 'cancelled'))
  local pending = (total or 0) - (sent or 0) - (failed or 0) - (skipped or 0) - (unknown or 0)
  if lane and (pending > 0 or not rows) then
    local importing = not rows and redis.call('EXISTS', key .. ':importer') == 1
    local state = cancelled and 'cancelled' or paused and 'paused'
      or sendAt and tonumber(sendAt) > now and 'scheduled'
      or importing and 'importing' or not rows and 'incomplete' or 'running'
    if pending > 0 or importing or not cancelled then
      local counted = lane .. ' ' .. state
      counts[counted] = (counts[counted] or 0) + 1
      active[#active + 1] = { tonumber(created) or 0, id, lane, state, sent or 0, failed or 0, skipped or 0, unknown or 0, pending }
    end
  end
end

table.sort(active, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local newest = {}
for i = 1, math.min(#active, tonumber(ARGV[3])) do
  local settled, since = 0, now
  local buckets = redis.call('HGETALL', ARGV[1] .. active[i][2] .. ':rate')
  for b = 1, #buckets, 2 do
    if buckets[b] == 'first' then since = tonumber(buckets[b + 1])
    elseif (tonumber(buckets[b]) + 1) * ARGV[4] > now - 60000 then settled = settled + buckets[b + 1] end
  end
  newest[i] = active[i]
  newest[i][10], newest[i][11] = settled, math.min(60000, math.max(0, now - since))
end
local flat = {}
for counted, count in pairs(counts) do
  flat[#flat + 1] = counted
  flat[#flat + 1] = count
end
return { flat, newest }
`

type Answer = readonly [counts: readonly (string | number)[], newest: readonly (string | number)[][]]

export function createBatchCensus(redis: Redis, keys: Keys): () => Promise<BatchCensus> {
  const census = defineScript(redis, 'fluxmailBatchCensus', 2, CENSUS)
  return async () => {
    const facts = [keys.batch(''), MOST, NEWEST, rateBucketMs]
    const [counts, newest] = (await census([keys.holding, keys.batches], facts)) as Answer
    return { counts: countsOf(counts), newest: newest.map(activeBatchOf) }
  }
}

/** Those of several shards. */
export function mergedCensus(shards: readonly BatchCensus[]): BatchCensus {
  const newest = shards.flatMap((shard) => shard.newest).toSorted((a, b) => b.createdAt - a.createdAt)
  return { counts: shards.flatMap(({ counts }) => counts), newest: newest.slice(0, NEWEST) }
}

function countsOf(flat: readonly (string | number)[]): BatchCensus['counts'] {
  return flat.flatMap((counted, index) => {
    if (index % 2 === 1) return []
    const [lane = '', state = ''] = String(counted).split(' ')
    return [{ lane, state: state as BatchState, count: Number(flat[index + 1]) }]
  })
}

function activeBatchOf([createdAt, id, lane, state, ...rest]: readonly (string | number)[]): ActiveBatch {
  const [sent = 0, failed = 0, skipped = 0, unknown = 0, pending = 0, settled = 0, overMs = 0] =
    rest.map(Number)
  const perSecond = (settled * 1000) / Math.max(LEAST_RATE_MS, overMs)
  const hasEta = state !== 'paused' && pending > 0 && perSecond > 0
  return {
    ...{ id: String(id), lane: String(lane), state: state as BatchState, createdAt: Number(createdAt) },
    ...{ sent, failed, skipped, unknown, pending },
    ...(hasEta ? { etaSeconds: Math.ceil(pending / perSecond) } : {}),
  }
}
