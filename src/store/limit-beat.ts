// Lua of what a worker tells the fleet twice a second, and is told: what it spent, its connections, and what is new.
// One call for each relay, so that a worker that has nothing to say costs next to nothing.

import { beyondMemoryLua } from '../redis.js'
import { connectionsLua } from './fleet-connections.js'
import { nowLua, quotaLua } from './limit-scripts.js'

/** How much later than its end a second counts as whole: all have told by then what they spent in it. */
const TOLD_MS = 600

/** Lua that reads what the fleet spent in the last two whole seconds, by provider and by lane. */
const ratesLua = `
local WHOLE_SECONDS, SPENT_KEPT_SECONDS = 2, 10
local function spent_rates(key)
  local last = math.floor((now - ${TOLD_MS}) / 1000) - 1
  local by_provider, by_lane, stored = {}, {}, redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    local second, lane, provider = string.match(stored[i], '^(%d+) (%S*) (.*)$')
    second = tonumber(second)
    if second < last - SPENT_KEPT_SECONDS then
      redis.call('HDEL', key, stored[i])
    elseif second <= last and second > last - WHOLE_SECONDS then
      local count = stored[i + 1] / WHOLE_SECONDS
      by_provider[provider] = (by_provider[provider] or 0) + count
      by_lane[lane] = (by_lane[lane] or 0) + count
    end
  end
  return by_provider, by_lane
end
local function as_list(by_name)
  local list = {}
  for name, value in pairs(by_name) do
    table.insert(list, name)
    table.insert(list, tostring(value))
  end
  return list
end
`

/**
 * KEYS limits, connections, spent, quota. ARGV the version that is known, worker, how many seconds the limits are kept,
 * and as JSON: `connections` (as fleet-connections.ts takes them), `spent` (second, lane, provider, count), and
 * `unleased`, how much of it no bucket was asked for.
 * Answers now, the version, the limits if they are newer, connections (-1: any), and what was spent by provider.
 */
export const BEAT = `
${beyondMemoryLua}
${nowLua}
${quotaLua}
${ratesLua}
${connectionsLua}
local said = cjson.decode(ARGV[4])
for _, spent in ipairs(said.spent) do
  redis.call('HINCRBY', KEYS[3], string.format('%d %s %s', spent[1], spent[2], spent[3]), spent[4])
end
if #said.spent > 0 then redis.call('EXPIRE', KEYS[3], SPENT_KEPT_SECONDS + WHOLE_SECONDS) end
quota_add(KEYS[4], said.unleased)
local version, limits = redis.call('HGET', KEYS[1], 'version') or '0', ''
if version ~= ARGV[1] then limits = redis.call('HGET', KEYS[1], 'limits') or '' end
redis.call('EXPIRE', KEYS[1], ARGV[3])
local allowed = share_connections(KEYS[2], ARGV[2], said.connections)
return { now, version, limits, allowed, as_list(spent_rates(KEYS[3])) }
`

/**
 * KEYS limits, connections, spent, quota, buckets. What is known of one relay, for whoever is no worker.
 * Answers now, the version, the limits, what is used of the quota and in how many ms some of it no longer counts, and as
 * lists: rates by provider, rates by lane, connections by worker, and tokens and since when (with a space between) by
 * bucket.
 */
export const READ_ALL = `
${beyondMemoryLua}
${nowLua}
${quotaLua}
${ratesLua}
${connectionsLua}
local version, limits = unpack(redis.call('HMGET', KEYS[1], 'version', 'limits'))
local by_provider, by_lane = spent_rates(KEYS[3])
local connections, tokens, stored = {}, {}, redis.call('HGETALL', KEYS[5])
for worker, entry in pairs(live_workers(KEYS[2])) do connections[worker] = entry.h end
for i = 1, #stored, 2 do
  local bucket = cmsgpack.unpack(stored[i + 1])
  tokens[stored[i]] = tostring(bucket.t) .. ' ' .. string.format('%.0f', bucket.a)
end
local used, next_hours_ms = quota_used(KEYS[4])
return {
  now, version or '0', limits or '', used, next_hours_ms,
  as_list(by_provider), as_list(by_lane), as_list(connections), as_list(tokens),
}
`
