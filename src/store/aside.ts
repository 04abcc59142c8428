// Jobs that wait for permits out of the way of the others: from BullMQ's wait list they go into its delayed set, each
// with an appointment, and come back in front when their gate lets them through. BullMQ has to find all as it would
// have left it itself, but for events, which nobody reads; what is noted beside it only says who waits where.

import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'

/** An appointment is not later than this; who would get a later one gets any time within as long again. */
const SOON_MS = 30_000
/** Nobody comes by appointment before; who can pass by then is called back, and waits in front. */
const LEAST_MS = 1_000
/** Of those who would come later, no more come back in a second than 1000 by this, however many there are. */
const FAR_APART_MS = 2
/** Longer than anybody's appointment: where no worker comes any more, nobody clears away what is noted. */
const KEPT_SECONDS = 86_400
/** Any number of multiples of it are spread evenly between whole numbers. */
const SPREAD = 0.618034

// KEYS wait, delayed, marker, meta, set aside, gates. ARGV beginning of job keys, now, gate, gap in ms, why as JSON,
// most of them, most looked at, how many were taken, ids of those, then of others that belong to them. Answers when
// those that were taken are due, then how many were set aside.
const SET_ASIDE = `
${beyondMemoryLua}
local prefix, now, gate, gap, why = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local most, looked, taken = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local soon = now + ${SOON_MS}
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
local last = redis.call('ZREVRANGEBYSCORE', KEYS[5], soon, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
local at = math.max(now + ${LEAST_MS}, tonumber(last or 0))
local far = redis.call('ZCOUNT', KEYS[5], soon + 1, '+inf')
local function appointment()
  if at + gap <= soon then
    at = at + gap
    return math.ceil(at)
  end
  far = far + 1
  return soon + 1 + math.floor(far * ${SPREAD} % 1 * math.max(${SOON_MS}, far * ${FAR_APART_MS}))
end

local dues, others = {}, {}
for i = 9, 8 + taken do
  local due = appointment()
  dues[#dues + 1] = due
  redis.call('ZADD', KEYS[5], due, ARGV[i])
end
for i = 9 + taken, #ARGV do others[ARGV[i]] = true end
redis.call('SADD', KEYS[6], gate)
local function noted_for_a_while()
  for _, key in ipairs({ KEYS[5], KEYS[6] }) do redis.call('EXPIRE', key, ${KEPT_SECONDS}) end
  return dues
end

-- Without a provider it is that of a whole route.
local suffix = string.sub(gate, 1, 1) == '*' and string.sub(gate, 2)
local function is_wanted(id)
  local name = redis.call('HGET', prefix .. id, 'name')
  if not name then return false end
  if others[id] then return true end
  if suffix then return string.sub(name, -#suffix) == suffix end
  return name == gate
end
local ids = redis.call('LRANGE', KEYS[1], -looked, -1)
local kept, aside, places = {}, {}, {}
for i = #ids, 1, -1 do
  if #aside == most then break end
  if is_wanted(ids[i]) then
    aside[#aside + 1] = ids[i]
    places[i] = true
  end
end
for i, id in ipairs(ids) do if not places[i] then kept[#kept + 1] = id end end
dues[#dues + 1] = #aside
if #aside == 0 then return noted_for_a_while() end

-- Of two fields of one name the last one counts. How it was held before is taken away, so that it does not add up.
local reason = ',"w":' .. why .. '}'
local since = ',"s":' .. string.format('%.0f', now)
local function held(data)
  if string.sub(data, -1) ~= '}' or string.sub(data, -#reason) == reason then return data end
  local rest = string.sub(data, 1, -2)
  if string.find(rest, '"w":', -250, true) then rest = string.gsub(rest, ',"w":"[^"\\\\]*"$', '') end
  -- A variable may have that name as well.
  local isRead, job = true, {}
  if string.find(rest, '"s":', 1, true) then isRead, job = pcall(cjson.decode, data) end
  if not isRead then return data end
  return rest .. (job.s and '' or since) .. reason
end
local delayed, noted = {}, {}
for i, id in ipairs(aside) do
  local key, due = prefix .. id, appointment()
  local data, made, begun = unpack(redis.call('HMGET', key, 'data', 'timestamp', 'processedOn'))
  -- Whoever reads it adds it to the same time.
  local delay = due - tonumber(begun or made or now)
  if others[id] then redis.call('HSET', key, 'name', gate) end
  redis.call('HSET', key, 'delay', delay, 'data', held(data or ''))
  delayed[i * 2 - 1], delayed[i * 2] = due * 4096 + i % 4096, id
  noted[i * 2 - 1], noted[i * 2] = due, id
end
redis.call('ZADD', KEYS[2], unpack(delayed))
redis.call('ZADD', KEYS[5], unpack(noted))
-- Jobs are taken from the end.
redis.call('LTRIM', KEYS[1], 0, -#ids - 1)
if #kept > 0 then redis.call('RPUSH', KEYS[1], unpack(kept)) end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
redis.call('ZADD', KEYS[3], tonumber(first) / 4096, '1')
return noted_for_a_while()
`

// KEYS wait, delayed, marker, meta, set aside. ARGV beginning of job keys, now, how many may come. Answers how many
// came. What is not where it was put has moved on.
const CALL_BACK = `
local prefix = ARGV[1]
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[2])
local noted, called = redis.call('ZRANGE', KEYS[5], 0, ARGV[3] - 1, 'WITHSCORES'), {}
for i = 1, #noted, 2 do
  local id = noted[i]
  redis.call('ZREM', KEYS[5], id)
  local score = redis.call('ZSCORE', KEYS[2], id)
  if score and math.floor(tonumber(score) / 4096) == tonumber(noted[i + 1]) then
    redis.call('ZREM', KEYS[2], id)
    redis.call('HSET', prefix .. id, 'delay', 0)
    called[#called + 1] = id
  end
end
if #called == 0 then return 0 end
for i = #called, 1, -1 do redis.call('RPUSH', KEYS[1], called[i]) end
if not redis.call('HGET', KEYS[4], 'paused') then redis.call('ZADD', KEYS[3], 0, '0') end
return #called
`

// KEYS gates, delayed. ARGV beginning of the keys of what is set aside, now, how many are checked. Answers each gate and
// how many are set aside there; of the first of them, those that are not where they were put are taken out.
const COUNT = `
local answer = {}
for _, gate in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local key = ARGV[1] .. gate
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[2])
  local noted = ARGV[3] == '0' and {} or redis.call('ZRANGE', key, 0, ARGV[3] - 1, 'WITHSCORES')
  for i = 1, #noted, 2 do
    local score = redis.call('ZSCORE', KEYS[2], noted[i])
    if not score or math.floor(tonumber(score) / 4096) ~= tonumber(noted[i + 1]) then redis.call('ZREM', key, noted[i]) end
  end
  local many = redis.call('ZCARD', key)
  if many == 0 then redis.call('SREM', KEYS[1], gate) end
  answer[#answer + 1] = gate
  answer[#answer + 1] = many
end
return answer
`

// KEYS wait. ARGV beginning of job keys, name, most looked at. Answers ids and data of the jobs of that name.
const NAMED = `
local answer = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], -ARGV[3], -1)) do
  local name, data = unpack(redis.call('HMGET', ARGV[1] .. id, 'name', 'data'))
  if name == ARGV[2] and data then
    answer[#answer + 1] = id
    answer[#answer + 1] = data
  end
end
return answer
`

export interface SettingAside {
  readonly now: number
  /** By its name, as its jobs have it. */
  readonly gate: string
  /** What passes the gate in a second. */
  readonly perSecond: number
  /** Left with each job as its reason for waiting. */
  readonly why: string
  /** Jobs that a worker has and is about to delay. */
  readonly taken: readonly string[]
  /** Jobs that belong to them under another name; they are named anew. */
  readonly others: readonly string[]
}

export interface SetAside {
  /** When each of `taken` is due. */
  readonly dues: readonly number[]
  /** How many others were set aside. */
  readonly count: number
  /** Whether there may be more of them. */
  readonly hasMore: boolean
}

export interface AsideStore {
  /** Gives appointments to jobs that were taken and to those that wait next in the lane for the same gate. */
  setAside(lane: string, options: SettingAside): Promise<SetAside>
  /** Makes up to so many, at least one, of a gate wait in front of the lane; resolves to how many do now. */
  callBack(lane: string, gate: string, now: number, many: number): Promise<number>
  /** How many are set aside at each gate; of each so many are looked up whether they still are. */
  counts(lane: string, now: number, checked: number): Promise<ReadonlyMap<string, number>>
  /** Data of the jobs of a name among those that wait next. */
  named(lane: string, name: string): Promise<ReadonlyMap<string, string>>
}

/** Set aside by one call, and looked at for that. */
const MOST_AT_ONCE = 500
const MOST_LOOKED_AT = 1_000

export function createAsideStore(redis: Redis, keys: Keys): AsideStore {
  const setAside = defineScript(redis, 'fluxmailSetAside', 6, SET_ASIDE)
  const callBack = defineScript(redis, 'fluxmailCallBack', 5, CALL_BACK)
  const count = defineScript(redis, 'fluxmailCountAside', 2, COUNT)
  const named = defineScript(redis, 'fluxmailNamed', 1, NAMED)
  const part = (lane: string, name: string) => `${keys.bullPrefix}:${lane}:${name}`
  const queue = (lane: string) => ['wait', 'delayed', 'marker', 'meta'].map((name) => part(lane, name))
  return {
    async setAside(lane, { now, gate, perSecond, why, taken, others }) {
      const facts = [part(lane, ''), now, gate, 1000 / perSecond, JSON.stringify(why)]
      const limits = [MOST_AT_ONCE, MOST_LOOKED_AT, taken.length]
      const named = [...queue(lane), keys.aside(lane, gate), keys.gates(lane)]
      const dues = (await setAside(named, [...facts, ...limits, ...taken, ...others])) as number[]
      const count = dues.at(-1) ?? 0
      return { dues: dues.slice(0, -1), count, hasMore: count === MOST_AT_ONCE }
    },
    async callBack(lane, gate, now, many) {
      const facts = [part(lane, ''), now, Math.min(many, MOST_LOOKED_AT)]
      return Number(await callBack([...queue(lane), keys.aside(lane, gate)], facts))
    },
    async counts(lane, now, checked) {
      const facts = [keys.aside(lane, ''), now, checked]
      return pairs<number>(await count([keys.gates(lane), part(lane, 'delayed')], facts))
    },
    async named(lane, name) {
      return pairs<string>(await named([part(lane, 'wait')], [part(lane, ''), name, MOST_LOOKED_AT]))
    },
  }
}

function pairs<T>(answer: unknown): ReadonlyMap<string, T> {
  const flat = answer as (string | T)[]
  const map = new Map<string, T>()
  for (let index = 0; index + 1 < flat.length; index += 2) map.set(String(flat[index]), flat[index + 1] as T)
  return map
}
