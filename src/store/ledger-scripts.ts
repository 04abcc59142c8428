// The Lua of the ledger. A mark is one string: `w:token until others` while an attempt is on the wire, `d:others`
// between attempts of which one may have been accepted, `v:outcome code tokens` once the delivery is settled.
// `others` and `tokens` name the attempts that a relay may have accepted, so that every further copy is counted.

import { beyondMemoryLua } from '../redis.js'
import { countRateLua, finishBatchLua, noteFailedLua } from './batch-end.js'
import { releaseContentLua } from './content-lives.js'
import { announceOutcomeLua } from './outcome-stream.js'
import { suppressBounceLua, suppressedLua } from './suppressions.js'

const settledBit = `
local function bit_is_set(key, ordinal) return ordinal >= 0 and redis.call('GETBIT', key, ordinal) == 1 end
`

const nowMs = `
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`

const standingMark = `
-- A row without its bit has not ended: the verdict is that of a deleted batch that had the same id.
local function mark_of(key, bits, ordinal, batch)
  local mark = redis.call('GET', key)
  if not mark or ordinal < 0 or string.sub(mark, 1, 2) ~= 'v:' then return mark end
  return (redis.call('GETBIT', bits, ordinal) == 1 or redis.call('EXISTS', batch) == 0) and mark
end
`

const tokens = `
-- A slot of BullMQ keeps its lock token from job to job; behind it stands the number of the attempt.
local function lock_of(token) return string.match(token, '^[^#]*') end
local function tokens_of(mark)
  if not mark then return '' end
  if string.sub(mark, 1, 2) == 'd:' then return string.sub(mark, 3) end
  local first, _, rest = string.match(mark, '^%a:(%S+) ?(%S*) ?(%S*)$')
  if string.sub(mark, 1, 2) == 'v:' then return rest or '' end
  return rest == '' and first or first .. ',' .. rest
end
local function without(list, token)
  local kept = {}
  for each in string.gmatch(list, '[^,]+') do if each ~= token then kept[#kept + 1] = each end end
  return table.concat(kept, ','), #kept
end
-- What is known now of one attempt, while another is on the wire, is one doubt less.
local function settle_doubt(key, mark, token)
  local first, alive = string.match(mark, '^w:(%S+) (%d+)')
  local others = without(without(tokens_of(mark), token), first)
  redis.call('SET', key, 'w:' .. first .. ' ' .. alive .. (others == '' and '' or ' ' .. others))
end
local function is_mine(mark, token) return string.sub(mark, 1, #token + 3) == 'w:' .. token .. ' ' end
`

// A batch that was cancelled is not paused any more.
const stoppedBatch = `
local function batch_stopped(batch, ordinal)
  if ordinal < 0 then return nil end
  local found = redis.call('HMGET', batch, 'cancelled', 'paused')
  if found[1] then return 'cancelled', found[1] end
  if found[2] then return 'paused', found[2] end
end
`

// KEYS mark, batch, suppressed. ARGV ordinal or -1, address or '', domain. Answers how the delivery
// stands, and if something bars it, what, and as JSON why. Of a mark it says for how long its attempt may still live.
export const CLAIM = `
${settledBit}
${standingMark}
${nowMs}
${stoppedBatch}
${suppressedLua}
local ordinal = tonumber(ARGV[1])
local mark = mark_of(KEYS[1], KEYS[2] .. ':settled', ordinal, KEYS[2])
if not mark and bit_is_set(KEYS[2] .. ':settled', ordinal) then return { 'v:settled' } end
local standing = mark or ''
if string.sub(standing, 1, 2) == 'v:' then return { standing } end
if string.sub(standing, 1, 2) == 'w:' then
  standing = 'w:' .. string.format('%.0f', tonumber(string.match(mark, '^%S+ (%d+)') or '0') - now_ms())
end
local barrier, why = batch_stopped(KEYS[2], ordinal)
if not barrier then
  local found = suppression_of(KEYS[3], now_ms(), ARGV[2], ARGV[3])
  if found then barrier, why = 'suppressed', cjson.encode(found) end
end
return { standing, barrier, why }
`

// KEYS mark, the lock of the job, batch. An attempt that has its mark goes on, also in a batch that was
// stopped since. ARGV ordinal or -1, token, '1' to take over an older mark, life in ms.
export const MARK = `
${beyondMemoryLua}
${settledBit}
${standingMark}
${nowMs}
${tokens}
${stoppedBatch}
if redis.call('GET', KEYS[2]) ~= lock_of(ARGV[2]) then return 'superseded' end
local mark = mark_of(KEYS[1], KEYS[3] .. ':settled', tonumber(ARGV[1]), KEYS[3])
if mark then
  local kind = string.sub(mark, 1, 2)
  if kind == 'v:' then return 'settled' end
  if kind == 'w:' and ARGV[3] ~= '1' and not is_mine(mark, ARGV[2]) then return 'marked' end
elseif bit_is_set(KEYS[3] .. ':settled', tonumber(ARGV[1])) then return 'settled' end
local stopped = not (mark and is_mine(mark, ARGV[2])) and batch_stopped(KEYS[3], tonumber(ARGV[1]))
if stopped then return stopped end
local others = without(tokens_of(mark), ARGV[2])
local alive = string.format('%.0f', now_ms() + tonumber(ARGV[4]))
redis.call('SET', KEYS[1], 'w:' .. ARGV[2] .. ' ' .. alive .. (others == '' and '' or ' ' .. others))
return 'ok'
`

// KEYS mark, batch. ARGV token, '1' if this attempt may have been accepted, ordinal or -1. Answers `paused` or
// `cancelled` where the batch was stopped meanwhile.
export const RELEASE = `
${beyondMemoryLua}
${tokens}
${stoppedBatch}
local stopped = batch_stopped(KEYS[2], tonumber(ARGV[3])) or 'released'
local mark = redis.call('GET', KEYS[1])
if not mark or string.sub(mark, 1, 2) == 'v:' then return stopped end
local others = without(tokens_of(mark), ARGV[1])
if string.sub(mark, 1, 2) == 'w:' and not is_mine(mark, ARGV[1]) then
  if ARGV[2] ~= '1' then settle_doubt(KEYS[1], mark, ARGV[1]) end
  return stopped
end
if ARGV[2] == '1' then others = ARGV[1] .. (others == '' and '' or ',' .. others) end
if others == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], 'd:' .. others) end
return stopped
`

// KEYS mark, lane counts, batch, content, job, outcomes, suppressed. What belongs to one of them is named after it: a
// name that Redis is told costs more than one that it makes.
// ARGV outcome, code, token or '', ordinal or -1, reason or '', error or '', error if in doubt, errors kept,
// file prefix, '1' to spare a mark, ttl of a verdict, then what the outcome stream needs:
// id, recipient, lane, enqueued at, code, reply; and at last the address to suppress if it failed, or '', and '1' if
// there are other shards that have to hear of it.
export const RECORD = `
${beyondMemoryLua}
${settledBit}
${standingMark}
${nowMs}
${tokens}
${releaseContentLua}
${announceOutcomeLua}
${suppressedLua}
${suppressBounceLua}
${finishBatchLua}
${countRateLua}
${noteFailedLua}
local asked, code, token, ordinal, reason, failure, doubt, kept, files, spare, ttl = unpack(ARGV, 1, 11)
ordinal = tonumber(ordinal)
local bits, failures, errors = KEYS[3] .. ':settled', KEYS[3] .. ':failures', KEYS[3] .. ':errors'
local outcome, said = asked, ARGV[16]
local mark = mark_of(KEYS[1], bits, ordinal, KEYS[3])
local standing = mark and string.match(mark, '^v:(%S+)')
local list = tokens_of(mark)
local others, doubts = without(list, token)
local isNew = list == others
-- What comes late may find its batch deleted, of which nothing is to come back.
local hasBatch = ordinal >= 0 and not (standing and redis.call('EXISTS', KEYS[3]) == 0)
local function count(field, by)
  redis.call('HINCRBY', KEYS[2], field, by)
  if hasBatch then redis.call('HINCRBY', KEYS[3], field, by) end
end

local moved = false
if standing then
  moved = standing == 'unknown' and token ~= '' and (outcome == 'sent' or (outcome == 'failed' and doubts == 0))
  if not moved then
    if standing == 'sent' and outcome == 'sent' and token ~= '' and isNew then
      count('resent', 1)
      redis.call('SET', KEYS[1], mark .. (list == '' and '' or ',') .. token, 'KEEPTTL')
    end
    return mark
  end
elseif mark and string.sub(mark, 1, 2) == 'w:' then
  if spare == '1' then return 'w:0' end
  -- Another attempt has taken over: it will say what becomes of the delivery, unless this one was accepted.
  local isOver = token ~= '' and not is_mine(mark, token) and redis.call('GET', KEYS[5] .. ':lock') ~= lock_of(token)
  if isOver and outcome ~= 'sent' then
    if outcome == 'failed' then settle_doubt(KEYS[1], mark, token) end
    return 'w:0'
  end
elseif not mark and bit_is_set(bits, ordinal) then return 'v:settled'
elseif not mark and ordinal < 0 then
  -- A finished job says that this was settled and the verdict forgotten; no job, that its end was long ago.
  local job = redis.call('HMGET', KEYS[5], 'timestamp', 'finishedOn')
  if not job[1] or job[2] then return 'v:settled' end
end

-- An attempt before this one may have been accepted: then nobody can say that none was.
if doubts > 0 and (outcome == 'failed' or outcome == 'skipped') then
  outcome, code, reason, failure, said = 'unknown', 'unknown', 'unknown', doubt, 'unknown'
end
local now = now_ms()
local copies, resent = others, doubts - 1
if token ~= '' and (asked == 'sent' or asked == 'unknown') then
  copies = token .. (others == '' and '' or ',' .. others)
  resent = doubts
end
if moved then resent = (outcome == 'sent' and isNew) and 1 or 0 end
local verdict = 'v:' .. outcome .. ' ' .. code .. ' ' .. copies
if moved then redis.call('SET', KEYS[1], verdict, 'KEEPTTL') else redis.call('SET', KEYS[1], verdict, 'EX', ttl) end
count(outcome, 1)
if moved then count(standing, -1) end
if resent > 0 then count('resent', resent) end
if hasBatch then
  redis.call('SETBIT', bits, ordinal, 1)
  if moved then
    if redis.call('HINCRBY', failures, standing, -1) <= 0 then redis.call('HDEL', failures, standing) end
    for _, each in ipairs(redis.call('LRANGE', errors, 0, -1)) do
      if cjson.decode(each).id == ARGV[12] then redis.call('LREM', errors, 1, each) end
    end
  end
  if reason ~= '' then redis.call('HINCRBY', failures, reason, 1) end
  if failure ~= '' and redis.call('LLEN', errors) < tonumber(kept) then redis.call('RPUSH', errors, failure) end
  note_failed(KEYS[3] .. ':failed', now, ordinal, outcome, moved)
  if not moved then
    count_rate(KEYS[3] .. ':rate', now)
    finish_batch(KEYS[3], now)
  end
elseif ordinal < 0 and (outcome == 'sent' or outcome == 'skipped') then
  release_content(KEYS[4], files, ARGV[12])
end
if outcome == 'failed' and ARGV[18] ~= '' then
  suppress_bounce(KEYS[7], now, ARGV[18], said)
  if ARGV[19] == '1' then redis.call('SADD', KEYS[7] .. ':bounced', ARGV[18]) end
end
announce(KEYS[6], KEYS[6] .. ':kept', now, outcome, ordinal >= 0, said)
return (moved and 'm:' or 'c:') .. outcome .. ' ' .. math.max(0, resent)
`

// KEYS what marks begin with, what jobs of the lane begin with. ARGV ids
// A replica that took its primary's place may not have that the job ended: it runs again, and has to find its mark.
export const FORGET_FINISHED = `
for _, id in ipairs(ARGV) do
  local job = KEYS[2] .. id
  if redis.call('EXISTS', job) == 0 or redis.call('HEXISTS', job, 'finishedOn') == 1 then
    redis.call('UNLINK', KEYS[1] .. id)
  end
end
return #ARGV
`
