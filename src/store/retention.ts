// What goes when its time is over: jobs that are finished, contents that no batch needs, batches themselves.
// Each script looks again at what it takes away: nothing that something waiting needs may go.

import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'
import { contentLivesLua, rowFilesLua } from './content-lives.js'
import { type Entry, forgottenUnknowns } from './ledger.js'

// KEYS lease. ARGV token, life in ms.
const LEASE = `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`

// KEYS lease. ARGV token.
const GIVE_BACK = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`

// KEYS finished jobs, job, mark, content, ordinals that failed, files of rows, lane counts. ARGV id, finished at the
// latest, ordinal or -1, '1' if it failed, '1' to leave the mark to its time, file key prefix, hashes of the files of its
// row…
const DROP_JOB = `
${beyondMemoryLua}
${contentLivesLua}
${rowFilesLua}
local id, latest, ordinal, failed, keepMark, files = unpack(ARGV, 1, 6)
local finishedAt = redis.call('ZSCORE', KEYS[1], id)
if not finishedAt or tonumber(finishedAt) > tonumber(latest) then return 0 end
local why = redis.call('HGET', KEYS[2], 'failedReason') or ''
redis.call('ZREM', KEYS[1], id)
redis.call('UNLINK', KEYS[2])
-- What was sent or skipped let go of its content as it was counted; references are numbers, and know no second time.
if failed ~= '1' then return 1 end
local mark = redis.call('GET', KEYS[3]) or ''
-- Without its job nobody can say what became of it. Where its verdict is forgotten, one that was sent after all holds
-- nothing any more.
local function is_unknown()
  if string.sub(why, 1, 8) ~= 'unknown:' then return false end
  if mark ~= '' then return string.sub(mark, 1, 10) == 'v:unknown ' end
  if ordinal == '-1' then return redis.call('HEXISTS', KEYS[4], 'by:' .. id) == 1 end
  return redis.call('ZSCORE', KEYS[5], ordinal) ~= false
end
if is_unknown() then redis.call('HINCRBY', KEYS[7], '${forgottenUnknowns}', 1) end
if ordinal == '-1' and string.sub(mark, 1, 7) ~= 'v:sent ' then release_content(KEYS[4], files, id) end
if keepMark ~= '1' and string.sub(mark, 1, 2) ~= 'w:' then redis.call('UNLINK', KEYS[3]) end
if ordinal == '-1' then return 1 end
redis.call('ZREM', KEYS[5], ordinal)
for i = 7, #ARGV do release_row_file(KEYS[6], files, ARGV[i]) end
return 1
`

// What both scripts on batches ask.
const batchLua = `
${contentLivesLua}
local function pending_of(batch)
  local total, sent, failed, skipped, unknown = unpack(redis.call('HMGET', batch, 'total', 'sent', 'failed', 'skipped', 'unknown'))
  return (total or 0) - (sent or 0) - (failed or 0) - (skipped or 0) - (unknown or 0)
end
-- Since when nothing of it is pending and nobody enqueues it; nil while that is not so.
local function over_since(batch, importer, now)
  local sealed, cancelled, finishedAt = unpack(redis.call('HMGET', batch, 'rows', 'cancelled', 'finishedAt'))
  if pending_of(batch) > 0 or (not sealed and redis.call('EXISTS', importer) == 1) then
    redis.call('HDEL', batch, 'idleSince')
    return nil
  end
  if finishedAt then return tonumber(finishedAt), cancelled end
  redis.call('HSETNX', batch, 'idleSince', string.format('%.0f', now))
  return tonumber(redis.call('HGET', batch, 'idleSince')), cancelled
end
-- Some of the files that its rows brought. Answers whether there are none left.
local function release_files(key, filePrefix, by)
  local found = redis.call('HSCAN', key, 0, 'COUNT', 200)[2]
  for i = 1, #found, 2 do
    redis.call('HDEL', key, found[i])
    release(filePrefix .. found[i], by)
  end
  return redis.call('EXISTS', key) == 0
end
`

// KEYS batches whose contents are kept, batch, importer, ordinals that failed, files of rows. ARGV id, now, how long
// after its end in ms, content key prefix, file key prefix. Answers let, more, or why not.
const LET_GO = `
${beyondMemoryLua}
${batchLua}
local id, now, afterMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local content, sealed = unpack(redis.call('HMGET', KEYS[2], 'contentHash', 'rows'))
if not content then
  redis.call('SREM', KEYS[1], id)
  return 'gone'
end
local since, cancelled = over_since(KEYS[2], KEYS[3], now)
if not since then return 'pending' end
-- Who enqueues it may only have stood still.
if not sealed and not cancelled then return 'open' end
if not cancelled and redis.call('EXISTS', KEYS[4]) == 1 then return 'failed' end
if now - since < afterMs then return 'early' end
if not release_files(KEYS[5], ARGV[5], id) then return 'more' end
redis.call('SREM', KEYS[1], id)
release_content(ARGV[4] .. content, ARGV[5], id)
return 'let'
`

// KEYS as before, then turns, later, all batches, settled bits, then all else of the batch. ARGV id, now, content key
// prefix, file key prefix, '1' if one that nobody goes on with may go, life of the bits in seconds, how long after its
// end in ms, and how long where it has failures. Answers deleted, more, or why not.
const DELETE = `
${beyondMemoryLua}
${batchLua}
local id, now = ARGV[1], tonumber(ARGV[2])
local content, sealed, cancelled = unpack(redis.call('HMGET', KEYS[2], 'contentHash', 'rows', 'cancelled'))
if not content then
  redis.call('ZREM', KEYS[8], id)
  return 'missing'
end
local since = over_since(KEYS[2], KEYS[3], now)
if not since then return 'pending' end
if not sealed and not cancelled and ARGV[5] ~= '1' then return 'open' end
if now - since < tonumber(ARGV[redis.call('EXISTS', KEYS[4]) == 1 and 8 or 7]) then return 'early' end
if not release_files(KEYS[5], ARGV[4], id) then return 'more' end
redis.call('SREM', KEYS[1], id)
release_content(ARGV[3] .. content, ARGV[4], id)
redis.call('ZREM', KEYS[6], id)
redis.call('ZREM', KEYS[7], id)
redis.call('ZREM', KEYS[8], id)
-- A job that a lost worker still has finds here for a while that it is over.
redis.call('EXPIRE', KEYS[9], ARGV[6])
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], unpack(KEYS, 10))
return 'deleted'
`

/** Longer than a job of a lost worker takes to come back. */
const BITS_SECONDS = 24 * 3600

/** A finished job, and what it holds. */
export interface FinishedJob {
  readonly entry: Entry
  readonly set: 'completed' | 'failed'
  /** Whether its caller may still add it again, so that its verdict has to stand for its time. */
  readonly isOpen: boolean
  /** The files that its row brought. */
  readonly files: readonly string[]
}

export type LetGo = 'let' | 'more' | 'gone' | 'pending' | 'open' | 'failed' | 'early'
/** `open`: not all of its rows were acknowledged, and it was not cancelled. */
export type Deleted = 'deleted' | 'more' | 'missing' | 'pending' | 'open' | 'early'

/** When a batch may go, beside having ended: so long after that, in milliseconds. */
export interface BatchTerms {
  readonly afterMs: number
  readonly withFailuresMs: number
  /** Also one whose rows nobody enqueues any more. */
  readonly abandoned: boolean
}

export interface RetentionStore {
  /** Takes or renews the lease on clearing a lane. */
  lease(lane: string, token: string, ms: number): Promise<boolean>
  giveBack(lane: string, token: string): Promise<void>
  /** Removes a job with all that it holds, unless it finished after `latest` or is not finished any more. */
  dropJob(job: FinishedJob, latest: number): Promise<boolean>
  /** A page of the batches whose contents are kept. */
  holding(cursor: string): Promise<{ readonly ids: readonly string[]; readonly cursor: string }>
  /** Lets the content of a batch go, and files of its rows, once nothing can need them any more. */
  letGo(id: string, now: number, afterMs: number): Promise<LetGo>
  /** Deletes a batch that is over, some of its files at a time. */
  deleteBatch(id: string, lane: string, now: number, terms: BatchTerms): Promise<Deleted>
  /** Drops outcomes that are older than they are kept. */
  trimOutcomes(now: number): Promise<void>
}

export function createRetentionStore(redis: Redis, keys: Keys): RetentionStore {
  const lease = defineScript(redis, 'fluxmailLeaseSweep', 1, LEASE)
  const giveBack = defineScript(redis, 'fluxmailGiveSweepBack', 1, GIVE_BACK)
  const dropJob = defineScript(redis, 'fluxmailDropJob', 7, DROP_JOB)
  const letGo = defineScript(redis, 'fluxmailLetContentGo', 5, LET_GO)
  const remove = defineScript(redis, 'fluxmailDeleteBatch', 16, DELETE)
  const filePrefix = keys.file('')
  const endOf = (id: string) => [
    keys.holding,
    keys.batch(id),
    keys.batchImporter(id),
    keys.batchFailed(id),
    keys.batchFiles(id),
  ]
  const restOf = (id: string) => [
    keys.batchChunks(id),
    keys.batchRows(id),
    keys.batchFailures(id),
    keys.batchErrors(id),
    keys.batchRate(id),
    keys.batchReplays(id),
    keys.batchLeft(id),
  ]

  return {
    lease: async (lane, token, ms) => (await lease([keys.sweeping(lane)], [token, ms])) === 1,
    async giveBack(lane, token) {
      await giveBack([keys.sweeping(lane)], [token])
    },
    async dropJob({ entry, set, isOpen, files }, latest) {
      const { id, lane, contentHash, batch } = entry
      const own = batch?.id ?? ''
      const job = `${keys.bullPrefix}:${lane}:${id}`
      const named = [`${keys.bullPrefix}:${lane}:${set}`, job, keys.mark(id), keys.content(contentHash)]
      const facts = [id, latest, batch?.ordinal ?? -1, set === 'failed' ? '1' : '', isOpen ? '1' : '']
      const answer = await dropJob(
        [...named, keys.batchFailed(own), keys.batchFiles(own), keys.laneCounts(lane)],
        [...facts, filePrefix, ...files],
      )
      return answer === 1
    },
    async holding(from) {
      const [cursor, ids] = await redis.sscan(keys.holding, from, 'COUNT', 100)
      return { ids, cursor }
    },
    letGo: async (id, now, afterMs) =>
      (await letGo(endOf(id), [id, now, afterMs, keys.content(''), filePrefix])) as LetGo,
    async deleteBatch(id, lane, now, { afterMs, withFailuresMs, abandoned }) {
      const shared = [keys.turns(lane), keys.later(lane), keys.batches, keys.batchSettled(id)]
      const facts = [id, now, keys.content(''), filePrefix, abandoned ? '1' : '', BITS_SECONDS]
      const named = [...endOf(id), ...shared, ...restOf(id)]
      return (await remove(named, [...facts, afterMs, withFailuresMs])) as Deleted
    },
    async trimOutcomes(now) {
      const kept = await redis.get(keys.outcomesKept)
      if (kept !== null) await redis.xtrim(keys.outcomes, 'MINID', Math.max(0, now - Number(kept) * 1000))
    },
  }
}
