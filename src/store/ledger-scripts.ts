// The Lua of the ledger. A mark is one string: `w:token until others` while an attempt is on the wire, `d:others`
// between attempts of which one may have been accepted, `v:outcome code tokens` once the delivery is settled.
// `others` and `tokens` name the attempts that a relay may have accepted, so that every further copy is counted.

import { beyondMemoryLua } from '../redis.js'
import { releaseContentLua } from './contents.js'
import { announceOutcomeLua } from './outcome-stream.js'

const settledBit = `
local function bit_is_set(key, ordinal) return ordinal >= 0 and redis.call('GETBIT', key, ordinal) == 1 end
`

const nowMs = `
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
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

// KEYS mark, settled bits. ARGV ordinal or -1. Of a mark it says for how long its attempt may still be alive.
export const CLAIM = `
${settledBit}
${nowMs}
local mark = redis.call('GET', KEYS[1])
if not mark then return bit_is_set(KEYS[2], tonumber(ARGV[1])) and 'v:settled' or '' end
if string.sub(mark, 1, 2) ~= 'w:' then return mark end
return 'w:' .. (tonumber(string.match(mark, '^%S+ (%d+)') or '0') - now_ms())
`

// KEYS mark, settled bits, the lock of the job. ARGV ordinal or -1, token, '1' to take over an older mark, life in ms.
export const MARK = `
${beyondMemoryLua}
${settledBit}
${nowMs}
${tokens}
if redis.call('GET', KEYS[3]) ~= lock_of(ARGV[2]) then return 'superseded' end
local mark = redis.call('GET', KEYS[1])
if mark then
  local kind = string.sub(mark, 1, 2)
  if kind == 'v:' then return 'settled' end
  if kind == 'w:' and ARGV[3] ~= '1' and not is_mine(mark, ARGV[2]) then return 'marked' end
elseif bit_is_set(KEYS[2], tonumber(ARGV[1])) then return 'settled' end
local others = without(tokens_of(mark), ARGV[2])
local alive = string.format('%.0f', now_ms() + tonumber(ARGV[4]))
redis.call('SET', KEYS[1], 'w:' .. ARGV[2] .. ' ' .. alive .. (others == '' and '' or ' ' .. others))
return 'ok'
`

// KEYS mark. ARGV token, '1' if this attempt may have been accepted.
export const RELEASE = `
${beyondMemoryLua}
${tokens}
local mark = redis.call('GET', KEYS[1])
if not mark or string.sub(mark, 1, 2) == 'v:' then return 1 end
local others = without(tokens_of(mark), ARGV[1])
if string.sub(mark, 1, 2) == 'w:' and not is_mine(mark, ARGV[1]) then
  if ARGV[2] ~= '1' then settle_doubt(KEYS[1], mark, ARGV[1]) end
  return 1
end
if ARGV[2] == '1' then others = ARGV[1] .. (others == '' and '' or ',' .. others) end
if others == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], 'd:' .. others) end
return 1
`

// KEYS mark, lane counts, batch, settled bits, failures, errors, content, job, outcomes, how long outcomes are kept.
// ARGV outcome, code, token or '', ordinal or -1, reason or '', error or '', error if in doubt, errors kept,
// file prefix, '1' to spare a mark, ttl of a verdict, then what the outcome stream needs:
// id, recipient, lane, enqueued at, code, reply.
export const RECORD = `
${beyondMemoryLua}
${settledBit}
${nowMs}
${tokens}
${releaseContentLua}
${announceOutcomeLua}
local asked, code, token, ordinal, reason, failure, doubt, kept, files, spare, ttl = unpack(ARGV, 1, 11)
ordinal = tonumber(ordinal)
local outcome, said = asked, ARGV[16]
local mark = redis.call('GET', KEYS[1])
local standing = mark and string.match(mark, '^v:(%S+)')
local list = tokens_of(mark)
local others, doubts = without(list, token)
local isNew = list == others
local function count(field, by)
  redis.call('HINCRBY', KEYS[2], field, by)
  if ordinal >= 0 then redis.call('HINCRBY', KEYS[3], field, by) end
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
  local isOver = token ~= '' and not is_mine(mark, token) and redis.call('GET', KEYS[8] .. ':lock') ~= lock_of(token)
  if isOver and outcome ~= 'sent' then
    if outcome == 'failed' then settle_doubt(KEYS[1], mark, token) end
    return 'w:0'
  end
elseif not mark and bit_is_set(KEYS[4], ordinal) then return 'v:settled'
elseif not mark and ordinal < 0 then
  -- A finished job says that this was settled and the verdict forgotten; no job, that its end was long ago.
  local job = redis.call('HMGET', KEYS[8], 'timestamp', 'finishedOn')
  if not job[1] or job[2] then return 'v:settled' end
end

-- An attempt before this one may have been accepted: then nobody can say that none was.
if doubts > 0 and (outcome == 'failed' or outcome == 'skipped') then
  outcome, code, reason, failure, said = 'unknown', 'unknown', 'unknown', doubt, 'unknown'
end
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
if ordinal >= 0 then
  redis.call('SETBIT', KEYS[4], ordinal, 1)
  if moved then
    if redis.call('HINCRBY', KEYS[5], standing, -1) <= 0 then redis.call('HDEL', KEYS[5], standing) end
    for _, each in ipairs(redis.call('LRANGE', KEYS[6], 0, -1)) do
      if cjson.decode(each).id == ARGV[12] then redis.call('LREM', KEYS[6], 1, each) end
    end
  end
  if reason ~= '' then redis.call('HINCRBY', KEYS[5], reason, 1) end
  if failure ~= '' and redis.call('LLEN', KEYS[6]) < tonumber(kept) then redis.call('RPUSH', KEYS[6], failure) end
elseif outcome == 'sent' or outcome == 'skipped' then
  release_content(KEYS[7], files)
end
announce(KEYS[9], KEYS[10], now_ms(), outcome, ordinal >= 0, said)
return (moved and 'm:' or 'c:') .. outcome .. ' ' .. math.max(0, resent)
`
