// The Lua that ends jobs and takes the next ones, many in one call. BullMQ's own does it for one, and looks for parents,
// duplicates, metrics and priorities that deliveries have not; it writes what BullMQ writes, but for events.

/** BullMQ writes an event for each job that it takes itself, and trims them where it finishes one. */
const EVENTS_KEPT = 100
/** Of finished jobs so many more than are kept stay until they are removed together. */
export const TRIM_AT_ONCE = 100

// KEYS wait, active, stalled, completed, meta, delayed, marker, events. ARGV prefix of jobs, now, life of a lock in ms,
// name of the worker or '', finished jobs kept, then for each job: id, token, when it finished, attempts, what it returned, '1'
// to take the next one. Answers for each: a negative number of BullMQ's, 0, a text of what went wrong, or the next job
// as BullMQ answers with it. Where anything but plain waiting jobs would be next it takes none, so that BullMQ looks.
export const FINISH = `
local prefix, now, lock_ms, name, kept = unpack(ARGV, 1, 5)
local ids, keys, locks = {}, {}, {}
for i = 6, #ARGV, 6 do
  local key = prefix .. ARGV[i]
  ids[#ids + 1], keys[#keys + 1], locks[#locks + 1] = ARGV[i], key, key .. ':lock'
end
local owners = redis.call('MGET', unpack(locks))
local all_exist = redis.call('EXISTS', unpack(keys)) == #keys
local finished, scored, released = {}, {}, {}

local function finish(n)
  local i = 6 * n
  local token, at, attempts, value = unpack(ARGV, i + 1, i + 4)
  if not all_exist and redis.call('EXISTS', keys[n]) == 0 then return -1 end
  if owners[n] ~= token then return owners[n] and -6 or -2 end
  if redis.call('LREM', KEYS[2], -1, ids[n]) < 1 then return -3 end
  redis.call('HSET', keys[n], 'returnvalue', value, 'finishedOn', at, 'atm', attempts)
  finished[#finished + 1], released[#released + 1] = ids[n], locks[n]
  scored[#scored + 1], scored[#scored + 2] = at, ids[n]
  return 0
end

local function take(token)
  local id = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
  if not id then return nil end
  if string.sub(id, 1, 2) == '0:' then
    redis.call('LREM', KEYS[2], 1, id)
    redis.call('RPUSH', KEYS[1], id)
    return nil
  end
  local key = prefix .. id
  redis.call('SET', key .. ':lock', token, 'PX', lock_ms)
  local job = redis.call('HGETALL', key)
  local starts = 1
  for i = 1, #job, 2 do
    if job[i] == 'ats' then starts = job[i + 1] + 1 end
  end
  -- Of a field that is there twice the last one counts.
  local fresh = { 'processedOn', now, 'ats', starts }
  if name ~= '' then fresh[5], fresh[6] = 'pb', name end
  redis.call('HSET', key, unpack(fresh))
  for _, part in ipairs(fresh) do job[#job + 1] = tostring(part) end
  return { job, id, 0, 0 }
end

-- Those whose time has come go to the others. Full, Redis lets a worker take no job of itself, but with this script.
local function promote()
  local due = redis.call('ZRANGEBYSCORE', KEYS[6], 0, (now + 1) * 0x1000 - 1, 'LIMIT', 0, 100)
  if #due == 0 then return true end
  for _, id in ipairs(due) do
    if (tonumber(redis.call('HGET', prefix .. id, 'priority') or 0) or 0) ~= 0 then return false end
  end
  redis.call('ZREM', KEYS[6], unpack(due))
  redis.call('LPUSH', KEYS[1], unpack(due))
  for _, id in ipairs(due) do redis.call('HSET', prefix .. id, 'delay', 0) end
  return true
end

local function is_plain()
  local meta = redis.call('HMGET', KEYS[5], 'paused', 'concurrency', 'max')
  return not (meta[1] or meta[2] or meta[3]) and promote()
end

-- Of a job whose key holds something else than a job, nobody else is to suffer; any other fault is everybody's.
local function alone(run, argument)
  local ok, answer = pcall(run, argument)
  if ok then return answer end
  local why = type(answer) == 'table' and answer.err or tostring(answer)
  if string.find(why, 'WRONGTYPE', 1, true) then return why end
  return nil, why
end

local answers, wanted = {}, {}
local fault
for n = 1, #ids do
  local answer, why = alone(finish, n)
  if why then
    fault = why
    break
  end
  answers[n] = answer
  if answer == 0 and ARGV[6 * n + 5] == '1' then wanted[#wanted + 1] = { n, ARGV[6 * n + 1] } end
end
-- What was begun is carried through, whatever the next one met.
if #finished > 0 then
  redis.call('DEL', unpack(released))
  redis.call('ZADD', KEYS[4], unpack(scored))
  redis.call('SREM', KEYS[3], unpack(finished))
end
if fault then return redis.error_reply(fault) end

local taken = false
if #wanted > 0 and is_plain() then
  for _, slot in ipairs(wanted) do
    local job = alone(take, slot[2])
    if type(job) ~= 'table' then break end
    answers[slot[1]] = job
    taken = true
  end
end
if taken then redis.call('ZADD', KEYS[7], 0, '0') end

if #finished > 0 then redis.call('XTRIM', KEYS[8], 'MAXLEN', '~', ${EVENTS_KEPT}) end
if redis.call('ZCARD', KEYS[4]) >= kept + ${TRIM_AT_ONCE} then
  local old = redis.call('ZRANGE', KEYS[4], 0, ${TRIM_AT_ONCE - 1})
  redis.call('ZREM', KEYS[4], unpack(old))
  local gone = {}
  for _, id in ipairs(old) do
    gone[#gone + 1] = prefix .. id
    gone[#gone + 1] = prefix .. id .. ':logs'
  end
  redis.call('UNLINK', unpack(gone))
end
return answers
`
