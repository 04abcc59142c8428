// Stopping a batch and letting it go on: one field of its hash, which the scripts that claim, mark and unpack read.
// The field stands first, so that whoever dies in the middle leaves a batch that workers finish by themselves.

import { defineScript, type Keys, type Redis } from '../redis.js'
import { finishBatchLua, rateBucketMs } from './batch-end.js'
import { enterTurnsLua } from './turns.js'

// KEYS batch, turns, later. ARGV id, the stop as JSON.
const PAUSE = `
if redis.call('HEXISTS', KEYS[1], 'lane') == 0 then return 'missing' end
if redis.call('HEXISTS', KEYS[1], 'cancelled') == 1 then return 'cancelled' end
if redis.call('HSETNX', KEYS[1], 'paused', ARGV[2]) == 0 then return 'same' end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 'done'
`

// KEYS batch, turns. ARGV id. Where it waits for an instant, who looks at its turn sees that.
const RESUME = `
${enterTurnsLua}
if redis.call('HEXISTS', KEYS[1], 'lane') == 0 then return 'missing' end
if redis.call('HEXISTS', KEYS[1], 'cancelled') == 1 then return 'cancelled' end
if redis.call('HDEL', KEYS[1], 'paused') == 0 then return 'same' end
enter_turns(KEYS[2], ARGV[1])
return 'done'
`

// KEYS batch, turns, later. ARGV id, the stop as JSON. It has a turn from now on, whatever it waited for: whoever
// unpacks then takes its rows away.
const CANCEL = `
${enterTurnsLua}
if redis.call('HEXISTS', KEYS[1], 'lane') == 0 then return 'missing' end
local isNew = redis.call('HSETNX', KEYS[1], 'cancelled', ARGV[2])
redis.call('HDEL', KEYS[1], 'paused')
redis.call('ZREM', KEYS[3], ARGV[1])
enter_turns(KEYS[2], ARGV[1])
return isNew == 1 and 'done' or 'same'
`

// KEYS batch. Notes that it is finished if it is.
const FINISH = `
${finishBatchLua}
local time = redis.call('TIME')
finish_batch(KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000))
return 1
`

// KEYS batch, rate, of BullMQ: active, delayed. ARGV beginning of the ids, length of a bucket, most delayed looked at.
// Answers paused, cancelled, finished at, settled in the last minute, over how many ms, active, deferred.
const OBSERVE = `
local facts = redis.call('HMGET', KEYS[1], 'paused', 'cancelled', 'finishedAt')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local settled, since = 0, now
local buckets = redis.call('HGETALL', KEYS[2])
for i = 1, #buckets, 2 do
  if buckets[i] == 'first' then since = tonumber(buckets[i + 1])
  elseif (tonumber(buckets[i]) + 1) * ARGV[2] > now - 60000 then settled = settled + buckets[i + 1] end
end
local function count(ids)
  local found = 0
  for _, id in ipairs(ids) do if string.sub(id, 1, #ARGV[1]) == ARGV[1] then found = found + 1 end end
  return found
end
local active = count(redis.call('LRANGE', KEYS[3], 0, -1))
local delayed = count(redis.call('ZRANGE', KEYS[4], 0, ARGV[3] - 1))
return { facts[1] or '', facts[2] or '', facts[3] or '', settled, math.min(60000, math.max(0, now - since)), active, delayed }
`

/** Who stopped a batch, when and why, as it is stored. */
export interface StoredStop {
  /** Milliseconds. */
  readonly at: number
  readonly by: string
  readonly reason?: string | undefined
}

export interface BatchObservation {
  readonly paused: StoredStop | undefined
  readonly cancelled: StoredStop | undefined
  /** Milliseconds. */
  readonly finishedAt: number | undefined
  /** Deliveries settled in a second, over the last minute or since the first of them. */
  readonly ratePerSecond: number
  readonly active: number
  readonly delayed: number
}

/** `same`: it stood so before. `cancelled`: it can neither be paused nor resumed any more. */
export type Stopped = 'done' | 'same' | 'cancelled' | 'missing'

export interface BatchControlStore {
  pause(id: string, lane: string, stop: StoredStop): Promise<Stopped>
  resume(id: string, lane: string): Promise<Stopped>
  cancel(id: string, lane: string, stop: StoredStop): Promise<Stopped>
  /** Notes when the batch was finished, if it is. */
  finish(id: string): Promise<void>
  observe(id: string, lane: string): Promise<BatchObservation>
  /** Pages of the deliveries of a batch that wait for a time, each with its reason for being held, '' where deferred. */
  delayed(id: string, lane: string): AsyncGenerator<{ readonly id: string; readonly heldFor: string }[]>
}

/** Of the jobs of a lane that wait for a time, so many are counted: those that come first. */
const DELAYED_COUNTED = 20_000
const PAGE = 1_000

export function createBatchControlStore(redis: Redis, keys: Keys): BatchControlStore {
  const pause = defineScript(redis, 'fluxmailPauseBatch', 3, PAUSE)
  const resume = defineScript(redis, 'fluxmailResumeBatch', 2, RESUME)
  const cancel = defineScript(redis, 'fluxmailCancelBatch', 3, CANCEL)
  const finish = defineScript(redis, 'fluxmailFinishBatch', 1, FINISH)
  const observe = defineScript(redis, 'fluxmailObserveBatch', 4, OBSERVE)
  const queueKey = (lane: string, part: string) => `${keys.bullPrefix}:${lane}:${part}`
  const turns = (id: string, lane: string) => [keys.batch(id), keys.turns(lane), keys.later(lane)]

  async function withReason(lane: string, ids: readonly string[]) {
    const pipeline = redis.pipeline()
    for (const id of ids) pipeline.hget(queueKey(lane, id), 'data')
    const answers = ids.length === 0 ? [] : ((await pipeline.exec()) ?? [])
    return ids.map((id, index) => ({ id, heldFor: heldForIn(answers[index]?.[1]) }))
  }

  return {
    pause: async (id, lane, stop) => (await pause(turns(id, lane), [id, JSON.stringify(stop)])) as Stopped,
    resume: async (id, lane) => (await resume([keys.batch(id), keys.turns(lane)], [id])) as Stopped,
    cancel: async (id, lane, stop) => (await cancel(turns(id, lane), [id, JSON.stringify(stop)])) as Stopped,
    finish: async (id) => void (await finish([keys.batch(id)], [])),
    async observe(id, lane) {
      const named = [keys.batch(id), keys.batchRate(id), queueKey(lane, 'active'), queueKey(lane, 'delayed')]
      return observationOf(await observe(named, [`${id}.`, rateBucketMs, DELAYED_COUNTED]))
    },
    async *delayed(id, lane) {
      let cursor = '0'
      do {
        const match = `${id}.*`
        const [next, flat] = await redis.zscan(
          queueKey(lane, 'delayed'),
          cursor,
          'MATCH',
          match,
          'COUNT',
          PAGE,
        )
        cursor = next
        yield await withReason(
          lane,
          flat.filter((_, index) => index % 2 === 0),
        )
      } while (cursor !== '0')
    },
  }
}

function heldForIn(data: unknown): string {
  try {
    return (JSON.parse(String(data)) as { w?: string }).w ?? ''
  } catch {
    // It cannot be read, which its worker will say.
    return ''
  }
}

/** A batch that has only begun is not judged by its first moment. */
const LEAST_RATE_MS = 1_000

function observationOf(answer: unknown): BatchObservation {
  const [paused, cancelled, finishedAt, settled, overMs, active, delayed] = answer as (string | number)[]
  return {
    paused: stopOf(paused),
    cancelled: stopOf(cancelled),
    finishedAt: finishedAt ? Number(finishedAt) : undefined,
    ratePerSecond: (Number(settled) * 1000) / Math.max(LEAST_RATE_MS, Number(overMs)),
    active: Number(active),
    delayed: Number(delayed),
  }
}

function stopOf(json: string | number | undefined): StoredStop | undefined {
  return json ? (JSON.parse(String(json)) as StoredStop) : undefined
}
