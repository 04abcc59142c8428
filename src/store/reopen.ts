// Makes a delivery that ended as failed or unknown pending again: its count, its settled bit and its verdict are taken
// back in one script, which runs in one transaction with BullMQ's own move. One that was sent is never reopened.

import { defineScript, type Keys, type Redis, type ScriptCall } from '../redis.js'
import { holdContentLua } from './content-lives.js'
import type { Entry } from './ledger.js'
import { uncountLua } from './uncount.js'

// KEYS mark, lane counts, batch, settled bits, failures, errors, ordinals that failed, replays, content, job,
// failed jobs, jobs on their way back, batches whose contents are kept. ARGV id, ordinal or -1, when it ended, '1' if unknown ones too, its outcome and
// code as its job has them, new data, the replay as JSON, replays kept, file key prefix.
// BullMQ's move looks among the jobs on their way back: where this refuses, it finds nothing there and does nothing.
const REOPEN = `
${holdContentLua}
${uncountLua}
local id, ordinal, endedAt, unknownToo, outcome, code, data, replay, kept, files = unpack(ARGV)
ordinal = tonumber(ordinal)
if not redis.call('ZSCORE', KEYS[11], id) then
  return redis.call('ZSCORE', KEYS[12], id) and 'reopened' or 'pending'
end
if redis.call('HGET', KEYS[10], 'finishedOn') ~= endedAt then return 'pending' end
local mark = redis.call('GET', KEYS[1])
local standing, standingCode, copies = verdict_of(mark)
if mark and not standing then return 'pending' end
if standing then outcome, code = standing, standingCode
elseif outcome == 'unknown' then return 'forgotten'
elseif ordinal >= 0 and redis.call('GETBIT', KEYS[4], ordinal) == 0 then return 'pending' end
if outcome ~= 'failed' and outcome ~= 'unknown' then return outcome end
if outcome == 'unknown' and unknownToo ~= '1' then return 'unknown' end
if ordinal >= 0 then
  if redis.call('EXISTS', KEYS[3]) == 0 then return 'batch_gone' end
  if redis.call('HEXISTS', KEYS[3], 'cancelled') == 1 then return 'cancelled' end
end
if redis.call('EXISTS', KEYS[9]) == 0 then return 'content_missing' end

uncount(KEYS[2], KEYS[3], KEYS[5], KEYS[6], ordinal, id, outcome, code, copies or '')
-- Attempts that a relay may have accepted stay known: what follows is then a copy, and never certainly a failure.
if outcome == 'unknown' and copies ~= '' then redis.call('SET', KEYS[1], 'd:' .. copies)
elseif mark then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[10], 'data', data)
-- How often a worker died with it.
redis.call('HDEL', KEYS[10], 'stc')
redis.call('ZREM', KEYS[11], id)
redis.call('ZADD', KEYS[12], endedAt, id)
if ordinal < 0 then return 'reopened' end

local shared = redis.call('HGET', KEYS[3], 'contentHash') or ''
if string.sub(KEYS[9], -#shared) == shared then
  local batch = string.match(id, '^[^.]+')
  redis.call('SADD', KEYS[13], batch)
  hold_content(KEYS[9], files, batch)
end
redis.call('SETBIT', KEYS[4], ordinal, 0)
redis.call('ZREM', KEYS[7], ordinal)
redis.call('HDEL', KEYS[3], 'finishedAt')
local asked = cjson.decode(replay)
local length = redis.call('LLEN', KEYS[8])
for back = 1, math.min(8, length) do
  local noted = cjson.decode(redis.call('LINDEX', KEYS[8], -back))
  if noted.id == asked.id then
    noted.count = noted.count + 1
    redis.call('LSET', KEYS[8], -back, cjson.encode(noted))
    return 'reopened'
  end
end
asked.count = 1
redis.call('RPUSH', KEYS[8], cjson.encode(asked))
redis.call('LTRIM', KEYS[8], -kept, -1)
return 'reopened'
`

// KEYS mark, job. One that was reopened since has another mark, or a job that has not ended.
const FORGET = `
local mark = redis.call('GET', KEYS[1])
if not mark or string.sub(mark, 1, 9) ~= 'v:failed ' then return 0 end
if redis.call('HEXISTS', KEYS[2], 'finishedOn') == 0 then return 0 end
return redis.call('UNLINK', KEYS[1])
`

/** Forgets the verdict of a delivery that failed, once its job says it too, and unless it was reopened since. */
export function createForgetFailed(redis: Redis, keys: Keys, lane: string): (id: string) => Promise<void> {
  const forget = defineScript(redis, 'fluxmailForgetFailed', 2, FORGET)
  return async (id) => void (await forget([keys.mark(id), `${keys.bullPrefix}:${lane}:${id}`], []))
}

/** Why a delivery is not replayed, in its own word each. */
export const leftReasons = {
  sent: 'was sent',
  skipped: 'was cancelled or suppressed',
  pending: 'is pending',
  suppressed: 'goes to an address that is suppressed',
  unknown: 'may have been sent, and unknown ones were not asked for',
  forgotten: 'may have been sent, and too long ago for anybody to know',
  cancelled: 'belongs to a batch that was cancelled',
  batch_gone: 'belongs to a batch that was deleted',
  content_missing: 'has no content any more',
  expired: 'is past its expiresAt',
  unreadable: 'has a job that cannot be read',
} as const

export type LeftReason = keyof typeof leftReasons

/** One call of a replay, as the batches that it touched keep it. */
export interface ReplayNote {
  readonly id: string
  /** Milliseconds. */
  readonly at: number
  readonly why?: string
  /** What was asked for, in words. */
  readonly what: string
}

export interface Reopening {
  readonly entry: Entry
  /** When its job ended, as the job says. */
  readonly endedAt: number
  readonly outcome: 'failed' | 'unknown'
  readonly code: string
  readonly includeUnknown: boolean
  /** New data of the job. */
  readonly data: string
  readonly replay: ReplayNote
}

const REPLAYS_KEPT = 100
const NAME = 'fluxmailReopen'

export interface ReopenStore {
  /** What reopens a delivery, to stand before BullMQ's move out of `on its way back`. */
  call(reopening: Reopening): ScriptCall
  /** The replays that touched a batch, oldest first; of each how many deliveries it made pending again. */
  replays(batchId: string): Promise<(ReplayNote & { readonly count: number })[]>
}

/** Failed jobs of a lane, and those that are between being reopened and being moved. */
export function failedKeys(keys: Keys, lane: string) {
  return { failed: `${keys.bullPrefix}:${lane}:failed`, returning: `${keys.bullPrefix}:${lane}:returning` }
}

export function createReopenStore(redis: Redis, keys: Keys): ReopenStore {
  defineScript(redis, NAME, 13, REOPEN)
  return {
    call({ entry, endedAt, outcome, code, includeUnknown, data, replay }) {
      const { id, lane, contentHash, batch } = entry
      const { failed, returning } = failedKeys(keys, lane)
      const own = batch?.id ?? ''
      const named = [
        keys.mark(id),
        keys.laneCounts(lane),
        keys.batch(own),
        keys.batchSettled(own),
        keys.batchFailures(own),
        keys.batchErrors(own),
        keys.batchFailed(own),
        keys.batchReplays(own),
        keys.content(contentHash),
        `${keys.bullPrefix}:${lane}:${id}`,
        failed,
        returning,
        keys.holding,
      ]
      const facts = [id, batch?.ordinal ?? -1, endedAt, includeUnknown ? '1' : '', outcome, code, data]
      const kept = [JSON.stringify(replay), REPLAYS_KEPT, keys.file('')]
      return { name: NAME, args: [...named, ...facts, ...kept] }
    },
    async replays(batchId) {
      const notes = await redis.lrange(keys.batchReplays(batchId), 0, -1)
      return notes.map((json) => JSON.parse(json) as ReplayNote & { count: number })
    },
  }
}
