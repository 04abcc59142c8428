// What a person, or the log of a relay, says of a delivery that nobody knew the end of. Counted once, in one script;
// what is not unknown is left as it is.

import { defineScript, type Keys, type Redis } from '../redis.js'
import { releaseContentLua } from './content-lives.js'
import { unknownSeconds } from './finished-verdicts.js'
import type { Entry } from './ledger.js'
import { announceOutcomeLua } from './outcome-stream.js'
import { uncountLua } from './uncount.js'

// KEYS mark, lane counts, batch, failures, errors, ordinals that failed, content, outcomes, how long outcomes are kept,
// job. ARGV the verdict, its code, ordinal or -1, error as JSON, errors kept, file key prefix, reason for
// its job, …, and from 13 on what the outcome stream needs: id, recipient, lane, enqueued at, code, reply.
const RESOLVE = `
${uncountLua}
${releaseContentLua}
${announceOutcomeLua}
local outcome, code, ordinal, failure, kept, files, reason, ttl = unpack(ARGV)
ordinal = tonumber(ordinal)
local mark = redis.call('GET', KEYS[1])
local standing, standingCode, copies = verdict_of(mark)
if standing ~= 'unknown' then return standing or (mark and 'pending' or '') end
-- A person who says that none was accepted speaks of every copy.
local doubted = outcome == 'failed' and copies or ''
uncount(KEYS[2], KEYS[3], KEYS[4], KEYS[5], ordinal, ARGV[13], standing, standingCode, doubted)
redis.call('SET', KEYS[1], 'v:' .. outcome .. ' ' .. code .. ' ' .. (outcome == 'sent' and copies or ''), 'EX', ttl)
redis.call('HINCRBY', KEYS[2], outcome, 1)
if ordinal >= 0 then
  redis.call('HINCRBY', KEYS[3], outcome, 1)
  if outcome == 'sent' then redis.call('ZREM', KEYS[6], ordinal)
  else
    redis.call('HINCRBY', KEYS[4], code, 1)
    if redis.call('LLEN', KEYS[5]) < tonumber(kept) then redis.call('RPUSH', KEYS[5], failure) end
  end
elseif outcome == 'sent' then release_content(KEYS[7], files, ARGV[13]) end
-- Its job says it too, for longer than the verdict is remembered.
if outcome == 'failed' and redis.call('EXISTS', KEYS[10]) == 1 then redis.call('HSET', KEYS[10], 'failedReason', reason) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
announce(KEYS[8], redis.call('GET', KEYS[9]), now, outcome, ordinal >= 0, ARGV[17], ARGV[13], ARGV[14], ARGV[15], ARGV[16], ARGV[18])
return 'resolved'
`

const ERRORS_KEPT = 1000
const notSentCode = 'resolved_not_sent'
const notSentMessage = 'it was said not to have been sent'

export interface Resolution {
  readonly entry: Entry
  readonly verdict: 'sent' | 'not_sent'
  readonly recipient: string
  readonly enqueuedAt: number
}

/** `resolved`, or how the delivery stands instead: `sent`, `failed`, `skipped`, `pending`, or '' when nobody knows. */
export type Resolved = 'resolved' | 'sent' | 'failed' | 'skipped' | 'pending' | ''

export function createResolver(redis: Redis, keys: Keys): (resolution: Resolution) => Promise<Resolved> {
  const resolve = defineScript(redis, 'fluxmailResolve', 10, RESOLVE)
  return async ({ entry, verdict, recipient, enqueuedAt }) => {
    const { id, lane, contentHash, batch } = entry
    const own = batch?.id ?? ''
    const named = [
      keys.mark(id),
      keys.laneCounts(lane),
      keys.batch(own),
      keys.batchFailures(own),
      keys.batchErrors(own),
      keys.batchFailed(own),
      keys.content(contentHash),
      keys.outcomes,
      keys.outcomesKept,
      `${keys.bullPrefix}:${lane}:${id}`,
    ]
    const isSent = verdict === 'sent'
    const code = isSent ? '-' : notSentCode
    const failure = {
      id,
      ordinal: batch?.ordinal,
      recipient,
      code,
      message: notSentMessage,
      outcome: 'failed',
    }
    const facts = [
      isSent ? 'sent' : 'failed',
      code,
      batch?.ordinal ?? -1,
      JSON.stringify(failure),
      ERRORS_KEPT,
    ]
    const kept = [keys.file(''), `${code} ${notSentMessage}`, unknownSeconds, '', '', '', '']
    const notice = [id, recipient, lane, enqueuedAt, isSent ? '' : code, '']
    return (await resolve(named, [...facts, ...kept, ...notice])) as Resolved
  }
}
