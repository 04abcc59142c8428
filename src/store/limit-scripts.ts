// Lua that hands out permits: token buckets on Redis' time, several taken at once and all or nothing, lanes with shares.
// All of it is one script over one relay's keys, so that no two workers are ever given the same permit.

import { beyondMemoryLua } from '../redis.js'

/** Lua for `now`, Redis' time in milliseconds. */
export const nowLua = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/** Lua that counts permits of the last 24 hours in steps of an hour; no window of 24 hours sees more than was counted. */
export const quotaLua = `
local HOUR_MS, DAY_HOURS = 3600000, 24
-- What counts today, and when some of it will no longer.
local function quota_used(key)
  local this, used, oldest = math.floor(now / HOUR_MS), 0, nil
  local counts = redis.call('HGETALL', key)
  for i = 1, #counts, 2 do
    local hour, count = tonumber(counts[i]), tonumber(counts[i + 1])
    if hour < this - DAY_HOURS then
      redis.call('HDEL', key, counts[i])
    else
      used = used + count
      if count > 0 and (not oldest or hour < oldest) then oldest = hour end
    end
  end
  return math.max(0, used), ((oldest or this) + DAY_HOURS + 1) * HOUR_MS - now
end
local function quota_add(key, count)
  if count == 0 then return end
  redis.call('HINCRBY', key, math.floor(now / HOUR_MS), count)
  redis.call('PEXPIRE', key, (DAY_HOURS + 1) * HOUR_MS)
end
`

// A bucket: t tokens at a, c credit by lane, u by lane what workers want and did not get (worker, count, until, in turn),
// g what was granted and could still come back (when, count, in turn). What of a grant the bucket would have lost since by
// being full cannot: t and the sum of g are never more than it holds, so that no late return lets more out than the limit.
const bucketLua = `
local LOOK_AGAIN_MS, LONGEST_WAIT_MS, RETURNABLE_MS, KEPT_MS, EPSILON = 300, 1500, 1000, 3600000, 1e-6

local function keep_returnable(bucket)
  local g, excess, first = bucket.g, bucket.t - bucket.capacity, 1
  for i = 2, #g, 2 do excess = excess + g[i] end
  while g[first] and (excess > 0 or g[first] <= now - RETURNABLE_MS) do
    if g[first] > now - RETURNABLE_MS and g[first + 1] > excess then
      g[first + 1] = g[first + 1] - excess
      break
    end
    excess, first = excess - g[first + 1], first + 2
  end
  if first > 1 then bucket.g = { unpack(g, first) } end
end

local function open_bucket(name, rate, capacity)
  local packed = redis.call('HGET', KEYS[2], name)
  -- One that is not there may have been lost: it is not full.
  local was = packed and cmsgpack.unpack(packed) or { t = 1, a = now, c = {}, u = {}, g = {} }
  local seconds = math.max(0, now - was.a) / 1000
  local bucket = { name = name, rate = rate, capacity = capacity, c = {}, u = {}, g = was.g, wanted = {}, mine = {} }
  bucket.t = math.min(capacity, was.t + seconds * rate)
  for lane, share in pairs(ask.shares) do
    local most = math.max(1, share * capacity)
    bucket.c[lane] = math.min(most, (was.c[lane] or most) + seconds * share * rate)
  end
  for lane, wants in pairs(was.u) do
    local others, wanted = {}, 0
    for i = 1, #wants, 3 do
      if wants[i + 2] > now and wants[i] ~= ARGV[2] then
        others[#others + 1], others[#others + 2], others[#others + 3] = wants[i], wants[i + 1], wants[i + 2]
        wanted = wanted + wants[i + 1]
      end
    end
    if wanted > 0 then bucket.u[lane], bucket.wanted[lane] = others, wanted end
  end
  keep_returnable(bucket)
  return bucket
end

local function give_back(bucket, lane, count, at)
  for i = 1, #bucket.g, 2 do
    if bucket.g[i] == at then
      local back = math.min(count, bucket.g[i + 1])
      bucket.g[i + 1] = bucket.g[i + 1] - back
      bucket.t = bucket.t + back
      if bucket.c[lane] then
        bucket.c[lane] = math.min(math.max(1, ask.shares[lane] * bucket.capacity), bucket.c[lane] + back)
      end
    end
  end
end

-- What other lanes want and are entitled to.
local function kept_for_others(bucket, lane)
  local kept = 0
  for other, wanted in pairs(bucket.wanted) do
    if other ~= lane then kept = kept + math.min(wanted, math.floor((bucket.c[other] or 0) + EPSILON)) end
  end
  return kept
end

-- A lane within its share is first come, first served; what is beyond leaves the others what they are entitled to.
local function open_to(bucket, lane)
  local entitled = math.min(bucket.t, bucket.c[lane] or 0)
  return math.floor(math.max(bucket.t - kept_for_others(bucket, lane), entitled) + EPSILON)
end

-- Workers of one lane that want more than there is share it, as long as nothing of it is lost until they ask.
local function fair_part(bucket, lane, open)
  local workers = 1 + #(bucket.u[lane] or {}) / 3
  local would_be_lost = math.ceil(bucket.t - (bucket.capacity - bucket.rate / 10))
  return math.max(math.ceil(open / workers), math.min(open, would_be_lost))
end

local function want_more(bucket, lane, count, till)
  if count <= 0 then return end
  local mine = bucket.mine[lane] or { 0, till }
  bucket.mine[lane] = { mine[1] + count, math.max(mine[2], till) }
  bucket.wanted[lane] = (bucket.wanted[lane] or 0) + count
end

local function want_less(bucket, lane, count)
  local mine = bucket.mine[lane]
  local less = mine and math.min(count, mine[1]) or 0
  if less == 0 then return end
  mine[1] = mine[1] - less
  bucket.wanted[lane] = bucket.wanted[lane] - less
end

local function spend(bucket, lane, count)
  want_less(bucket, lane, count)
  bucket.t = bucket.t - count
  if bucket.c[lane] then bucket.c[lane] = math.max(0, bucket.c[lane] - count) end
  local g = bucket.g
  if g[#g - 1] == now then
    g[#g] = g[#g] + count
  else
    g[#g + 1] = now
    g[#g + 1] = count
  end
end

local function wait_for(bucket, lane, count)
  return math.max(1, math.ceil(1000 * (count + kept_for_others(bucket, lane) - bucket.t) / bucket.rate))
end

local function store(bucket)
  for lane, mine in pairs(bucket.mine) do
    if mine[1] > 0 then
      local wants = bucket.u[lane] or {}
      wants[#wants + 1], wants[#wants + 2], wants[#wants + 3] = ARGV[2], mine[1], mine[2]
      bucket.u[lane] = wants
    end
  end
  local kept = { t = bucket.t, a = now, c = bucket.c, u = bucket.u, g = bucket.g }
  redis.call('HSET', KEYS[2], bucket.name, cmsgpack.pack(kept))
end
`

/**
 * KEYS limits, buckets, quota. ARGV the version of the limits that is known, worker, and as JSON: `buckets` (name,
 * permits a second, capacity), `shares` by lane, `perDay` (-1: any), `wants` (lane, count, the numbers of its buckets:
 * of the relay and of the provider, 0 for none) and `returns` (the same, and when they were granted).
 * Answers `stale`, now, the version and the limits; or `taken`, now, and by want: permits, wait in ms, what is short.
 */
export const TAKE = `
${beyondMemoryLua}
${nowLua}
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return { 'stale', now, version, redis.call('HGET', KEYS[1], 'limits') or '' } end
local ask = cjson.decode(ARGV[3])
${quotaLua}
${bucketLua}
local buckets, granted = {}, 0
for i, bucket in ipairs(ask.buckets) do buckets[i] = open_bucket(bucket[1], bucket[2], bucket[3]) end
for _, back in ipairs(ask.returns) do
  local lane, count, relay, provider, at = unpack(back)
  if buckets[relay] then give_back(buckets[relay], lane, count, at) end
  if buckets[provider] then give_back(buckets[provider], lane, count, at) end
  granted = granted - count
end

local left, next_hours_ms = math.huge, 0
if ask.perDay >= 0 then
  local used
  used, next_hours_ms = quota_used(KEYS[3])
  left = math.max(0, ask.perDay - used - granted)
end

-- What the provider has no room for is not kept for it in the relay's bucket.
local function want_in_both(lane, count, relay, provider, till)
  if left < 1 then return end
  if provider then want_more(provider, lane, count, till) end
  local passes = provider and math.floor(math.max(0, provider.t + provider.rate / 10)) or count
  if relay then want_more(relay, lane, math.min(count, passes), till) end
end
local function drop_own_wants()
  for _, bucket in ipairs(buckets) do
    for lane in pairs(bucket.mine) do want_less(bucket, lane, math.huge) end
    bucket.mine = {}
  end
end

local grants, waits, shorts, of_lane, parts = {}, {}, {}, {}, {}
for i, want in ipairs(ask.wants) do
  local lane, count, relay, provider = unpack(want)
  grants[i] = 0
  of_lane[lane] = (of_lane[lane] or 0) + 1
  want_in_both(lane, count, buckets[relay], buckets[provider], now)
end
for i, bucket in ipairs(buckets) do
  parts[i] = {}
  for lane in pairs(of_lane) do parts[i][lane] = fair_part(bucket, lane, open_to(bucket, lane)) end
end
-- First each provider of a lane its part, then what is left to whoever wants more.
for round = 1, 2 do
  for i, want in ipairs(ask.wants) do
    local lane, count, relay, provider = unpack(want)
    local most = math.min(count - grants[i], left)
    for _, number in ipairs({ relay, provider }) do
      if buckets[number] then
        local part = parts[number][lane]
        if round == 1 and number == relay then part = math.ceil(part / of_lane[lane]) end
        most = math.max(0, math.min(most, part, open_to(buckets[number], lane)))
      end
    end
    if round == 1 then of_lane[lane] = of_lane[lane] - 1 end
    for _, number in ipairs({ relay, provider }) do
      if buckets[number] and most > 0 then
        spend(buckets[number], lane, most)
        parts[number][lane] = parts[number][lane] - most
      end
    end
    grants[i], left, granted = grants[i] + most, left - most, granted + most
  end
end
drop_own_wants()
for i, want in ipairs(ask.wants) do
  local lane, count, relay, provider = unpack(want)
  local rest, wait, longest = count - grants[i], 0, 0
  shorts[i] = 'none'
  if rest > 0 and left < 1 then
    wait, shorts[i] = next_hours_ms, 'day'
  elseif rest > 0 then
    for kind, number in pairs({ relay = relay, provider = provider }) do
      local bucket = buckets[number]
      if bucket then
        local wait_for_all = wait_for(bucket, lane, rest)
        wait = math.max(wait, math.min(LONGEST_WAIT_MS, wait_for(bucket, lane, 1)))
        if wait_for_all > longest then longest, shorts[i] = wait_for_all, kind end
      end
    end
    want_in_both(lane, rest, buckets[relay], buckets[provider], now + wait + LOOK_AGAIN_MS)
  end
  waits[i] = wait
end

quota_add(KEYS[3], granted)
for _, bucket in ipairs(buckets) do store(bucket) end
redis.call('PEXPIRE', KEYS[2], KEPT_MS)
return { 'taken', now, grants, waits, shorts }
`
