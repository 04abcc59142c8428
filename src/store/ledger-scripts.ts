// The Lua of the ledger. A mark is one string: `w:token until others` while an attempt is on the wire, `d:others`
// between attempts of which one may have been accepted, `v:outcome code tokens` once the delivery is settled.
// `others` and `tokens` name the attempts that a relay may have accepted, so that every further copy is counted.

import { beyondMemoryLua } from '../redis.js'
import { countRateLua, finishBatchLua, noteFailedLua } from './batch-end.js'
import { releaseContentLua } from './content-lives.js'
import { announceOutcomeLua } from './outcome-stream.js'
import { suppressBounceLua, suppressedLua } from './suppressions.js'

/** A verdict stands until its job is finished, also where no worker runs for months: only then it may be forgotten. */
const VERDICT_TTL_SECONDS = 366 * 24 * 3600

/** Failures of a batch that are kept word for word; all of them are counted. */
const maxBatchErrors = 1000

const marks = `
local function bit_is_set(batch, ordinal)
  return ordinal >= 0 and redis.call('GETBIT', batch .. ':settled', ordinal) == 1
end
-- A row without its bit has not ended: the verdict is that of a deleted batch that had the same id.
local function standing_mark(mark, batch, ordinal)
  if not mark or ordinal < 0 or string.sub(mark, 1, 2) ~= 'v:' then return mark end
  return (bit_is_set(batch, ordinal) or redis.call('EXISTS', batch) == 0) and mark
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
  if list == '' or list == token then return '', 0 end
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

// A batch that was cancelled is not paused any more. No ask changes that, so that it is read once for all of them.
const stoppedBatch = `
local stops = {}
local function batch_stopped(batch, ordinal)
  if ordinal < 0 then return nil end
  local found = stops[batch]
  if not found then
    found = redis.call('HMGET', batch, 'cancelled', 'paused')
    stops[batch] = found
  end
  if found[1] then return 'cancelled', found[1] end
  if found[2] then return 'paused', found[2] end
end
`

// What the asks of one call count is added up, and written once: at the end, or before an ask that has to see it.
const owedCounts = `
local answers, asked, owed = {}, 0, {}
local function refusal(why) return { err = type(why) == 'table' and why.err or 'ERR ' .. tostring(why) } end
local function owe(key, field, by, rows)
  local debt = owed[key]
  if not debt then
    debt = { counts = {}, by = {}, rows = 0 }
    owed[key] = debt
  end
  debt.counts[field] = (debt.counts[field] or 0) + by
  debt.rows = debt.rows + rows
  debt.by[#debt.by + 1] = asked
end
local function pay_one(key, debt)
  for field, by in pairs(debt.counts) do redis.call('HINCRBY', key, field, by) end
  if debt.rows == 0 then return end
  count_rate(key .. ':rate', now, debt.rows)
  finish_batch(key, now)
end
local function pay()
  local due = owed
  owed = {}
  for key, debt in pairs(due) do
    local isPaid, why = pcall(pay_one, key, debt)
    if not isPaid then for _, each in ipairs(debt.by) do answers[each] = refusal(why) end end
  end
end
`

// How the delivery stands, and if something bars it, what, and as JSON why. Of a mark it says for how long its attempt
// may still live.
const claim = `
local isAnySuppressed
local function suppression(address, domain)
  if address == '' then return nil end
  if isAnySuppressed == nil then isAnySuppressed = redis.call('EXISTS', suppressed) == 1 end
  return isAnySuppressed and suppression_of(suppressed, now, address, domain) or nil
end
local function claim(id, batch, ordinal, address, domain)
  batch, ordinal = batches .. batch, tonumber(ordinal)
  local mark = standing_mark(redis.call('GET', marks .. id), batch, ordinal)
  if not mark and bit_is_set(batch, ordinal) then return 'v:settled' end
  local standing = mark or ''
  if string.sub(standing, 1, 2) == 'v:' then return standing end
  if string.sub(standing, 1, 2) == 'w:' then
    standing = 'w:' .. string.format('%.0f', tonumber(string.match(mark, '^%S+ (%d+)') or '0') - now)
  end
  local barrier, why = batch_stopped(batch, ordinal)
  if not barrier then
    local found = suppression(address, domain)
    if found then barrier, why = 'suppressed', cjson.encode(found) end
  end
  return barrier and { standing, barrier, why } or standing
end
`

// An attempt that has its mark goes on, also in a batch that was stopped since.
const mark = `
local function write_mark(id, lane, batch, ordinal, token, takeOver, life)
  batch, ordinal = batches .. batch, tonumber(ordinal)
  local found = redis.call('MGET', marks .. id, jobs .. lane .. ':' .. id .. ':lock')
  if found[2] ~= lock_of(token) then return 'superseded' end
  local mark = standing_mark(found[1], batch, ordinal)
  local isMine = mark and is_mine(mark, token)
  if mark then
    local kind = string.sub(mark, 1, 2)
    if kind == 'v:' then return 'settled' end
    if kind == 'w:' and takeOver ~= '1' and not isMine then return 'marked' end
  elseif bit_is_set(batch, ordinal) then return 'settled' end
  local stopped = not isMine and batch_stopped(batch, ordinal)
  if stopped then return stopped end
  local others = without(tokens_of(mark), token)
  local alive = string.format('%.0f', now + tonumber(life))
  redis.call('SET', marks .. id, 'w:' .. token .. ' ' .. alive .. (others == '' and '' or ' ' .. others))
  return 'ok'
end
`

// Answers `paused` or `cancelled` where the batch was stopped meanwhile.
const release = `
local function release_mark(id, batch, ordinal, token, mayBeAccepted)
  local key = marks .. id
  local stopped = batch_stopped(batches .. batch, tonumber(ordinal)) or 'released'
  local mark = redis.call('GET', key)
  if not mark or string.sub(mark, 1, 2) == 'v:' then return stopped end
  local others = without(tokens_of(mark), token)
  if string.sub(mark, 1, 2) == 'w:' and not is_mine(mark, token) then
    if mayBeAccepted ~= '1' then settle_doubt(key, mark, token) end
    return stopped
  end
  if mayBeAccepted == '1' then others = token .. (others == '' and '' or ',' .. others) end
  if others == '' then redis.call('DEL', key) else redis.call('SET', key, 'd:' .. others) end
  return stopped
end
`

const record = `
local outcomesKept
local function record(id, lane, batch, ordinal, token, content, recipient, enqueuedAt, said, reply, outcome, code, spare, reason, failure, doubt, bounced)
  local key, job, asksFor = marks .. id, jobs .. lane .. ':' .. id, outcome
  batch, ordinal = batches .. batch, tonumber(ordinal)
  local failures, errors = batch .. ':failures', batch .. ':errors'
  local mark = standing_mark(redis.call('GET', key), batch, ordinal)
  local standing = mark and string.match(mark, '^v:(%S+)')
  if standing then pay() end
  local list = tokens_of(mark)
  local others, doubts = without(list, token)
  local isNew = list == others
  -- What comes late may find its batch deleted, of which nothing is to come back.
  local hasBatch = ordinal >= 0 and not (standing and redis.call('EXISTS', batch) == 0)
  local function count(field, by, rows)
    owe(lanes .. lane, field, by, 0)
    if hasBatch then owe(batch, field, by, rows or 0) end
  end

  local moved = false
  if standing then
    moved = standing == 'unknown' and token ~= '' and (outcome == 'sent' or (outcome == 'failed' and doubts == 0))
    if not moved then
      if standing == 'sent' and outcome == 'sent' and token ~= '' and isNew then
        count('resent', 1)
        redis.call('SET', key, mark .. (list == '' and '' or ',') .. token, 'KEEPTTL')
      end
      return mark
    end
  elseif mark and string.sub(mark, 1, 2) == 'w:' then
    if spare == '1' then return 'w:0' end
    -- Another attempt has taken over: it will say what becomes of the delivery, unless this one was accepted.
    local isOver = token ~= '' and not is_mine(mark, token) and redis.call('GET', job .. ':lock') ~= lock_of(token)
    if isOver and outcome ~= 'sent' then
      if outcome == 'failed' then settle_doubt(key, mark, token) end
      return 'w:0'
    end
  elseif not mark and bit_is_set(batch, ordinal) then return 'v:settled'
  elseif not mark and ordinal < 0 then
    -- A finished job says that this was settled and the verdict forgotten; no job, that its end was long ago.
    local found = redis.call('HMGET', job, 'timestamp', 'finishedOn')
    if not found[1] or found[2] then return 'v:settled' end
  end

  -- An attempt before this one may have been accepted: then nobody can say that none was.
  if doubts > 0 and (outcome == 'failed' or outcome == 'skipped') then
    outcome, code, reason, failure, said = 'unknown', 'unknown', 'unknown', doubt, 'unknown'
  end
  local copies, resent = others, doubts - 1
  if token ~= '' and (asksFor == 'sent' or asksFor == 'unknown') then
    copies = token .. (others == '' and '' or ',' .. others)
    resent = doubts
  end
  if moved then resent = (outcome == 'sent' and isNew) and 1 or 0 end
  local verdict = 'v:' .. outcome .. ' ' .. code .. ' ' .. copies
  if moved then redis.call('SET', key, verdict, 'KEEPTTL') else redis.call('SET', key, verdict, 'EX', '${VERDICT_TTL_SECONDS}') end
  count(outcome, 1, moved and 0 or 1)
  if moved then count(standing, -1) end
  if resent > 0 then count('resent', resent) end
  if hasBatch then
    redis.call('SETBIT', batch .. ':settled', ordinal, 1)
    if moved then
      if redis.call('HINCRBY', failures, standing, -1) <= 0 then redis.call('HDEL', failures, standing) end
      for _, each in ipairs(redis.call('LRANGE', errors, 0, -1)) do
        if string.find(each, id, 1, true) and cjson.decode(each).id == id then redis.call('LREM', errors, 1, each) end
      end
    end
    if reason ~= '' then redis.call('HINCRBY', failures, reason, 1) end
    if failure ~= '' and redis.call('LLEN', errors) < ${maxBatchErrors} then redis.call('RPUSH', errors, failure) end
    note_failed(batch .. ':failed', now, ordinal, outcome, moved)
  elseif ordinal < 0 and (outcome == 'sent' or outcome == 'skipped') then
    release_content(contents .. content, files, id)
  end
  if outcome == 'failed' and bounced ~= '' then
    suppress_bounce(suppressed, now, bounced, said)
    isAnySuppressed = true
    if ARGV[2] == '1' then redis.call('SADD', suppressed .. ':bounced', bounced) end
  end
  if outcomesKept == nil then outcomesKept = redis.call('GET', outcomes .. ':kept') end
  announce(outcomes, outcomesKept, now, outcome, ordinal >= 0, said, id, recipient, lane, enqueuedAt, reply)
  return (moved and 'm:' or 'c:') .. outcome .. ' ' .. math.max(0, resent)
end
`

/** How many words an ask has behind the letter that says what it is; `record` and `sent` begin with the same. */
export const askWords = { claim: 5, mark: 7, release: 5, sent: 10, record: 17 } as const

export type AskKind = keyof typeof askWords

/** The letter of an ask. */
export const askLetters = {
  claim: 'c',
  mark: 'm',
  release: 'r',
  sent: 's',
  record: 'e',
} as const satisfies Record<AskKind, string>

// KEYS outcomes, suppressed, then what begins the names of marks, batches, lane counts, contents, files and jobs: a name
// that Redis is told costs more than one that it makes. ARGV '1' if anything may be written, '1' if there are other
// shards that have to hear of a bounce, then the asks, each its letter and words as the functions name them. Answers one
// for each, in their order; the error of one is its answer, and none of the others'.
export const LEDGER = `
if ARGV[1] == '1' then ${beyondMemoryLua} end
local outcomes, suppressed, marks, batches, lanes, contents, files, jobs = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
${marks}
${tokens}
${stoppedBatch}
${releaseContentLua}
${announceOutcomeLua}
${suppressedLua}
${suppressBounceLua}
${finishBatchLua}
${countRateLua}
${noteFailedLua}
${owedCounts}
${claim}
${mark}
${release}
${record}
local function sent(id, lane, batch, ordinal, token, content, recipient, enqueuedAt, said, reply)
  return record(id, lane, batch, ordinal, token, content, recipient, enqueuedAt, said, reply, 'sent', '-', '', '', '', '', '')
end
local kinds = {
  ${askLetters.claim} = { claim, ${askWords.claim} },
  ${askLetters.mark} = { write_mark, ${askWords.mark} },
  ${askLetters.release} = { release_mark, ${askWords.release} },
  ${askLetters.sent} = { sent, ${askWords.sent} },
  ${askLetters.record} = { record, ${askWords.record} },
}
local at, last = 3, #ARGV
while at <= last do
  local kind = kinds[ARGV[at]]
  local from = at + 1
  at = from + kind[2]
  asked = asked + 1
  local isAnswer, answer = pcall(kind[1], unpack(ARGV, from, at - 1))
  answers[asked] = isAnswer and answer or refusal(answer)
end
pay()
return answers
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
