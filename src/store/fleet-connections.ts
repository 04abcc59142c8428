// Lua that shares out the connections of the fleet to one relay among the live workers that want some.
// Together they may never have more than the limit: what one has to give up is another's only once it was hung up.

// An entry: h what a worker has, w what it wants in all, i how many of these are idle, b what it may have opened until it
// is heard again, e until when that counts, m until when it may have no more than it had.
export const connectionsLua = `
local CONNECTIONS_MS, TURN_MS, RETURN_MS = 1300, 5000, 2500

-- Those that say nothing are over.
local function live_workers(key)
  local workers, stored = {}, redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    local entry = cmsgpack.unpack(stored[i + 1])
    if entry.e > now then workers[stored[i]] = entry else redis.call('HDEL', key, stored[i]) end
  end
  return workers
end

-- Gives each as much as the others as long as it wants more; answers what is left.
local function pour(left, ids, given, wanted)
  while left > 0 do
    local thirsty = {}
    for _, id in ipairs(ids) do if given[id] < wanted(id) then table.insert(thirsty, id) end end
    if #thirsty == 0 then break end
    local each = math.max(1, math.floor(left / #thirsty))
    for _, id in ipairs(thirsty) do
      local more = math.min(each, wanted(id) - given[id], left)
      given[id], left = given[id] + more, left - more
    end
  end
  return left
end

-- Where there is less than one for each, none is kept idle while another worker has a message for it.
local function wants_of(workers, limit)
  local wants, wanting = {}, 0
  for id, entry in pairs(workers) do
    wants[id] = entry.w
    if entry.w > 0 then wanting = wanting + 1 end
  end
  if wanting <= limit then return wants end
  for id, entry in pairs(workers) do wants[id] = math.max(0, entry.w - (entry.i or 0)) end
  return wants
end

local function in_turn(wants, limit)
  local ids, wanting = {}, 0
  for id, want in pairs(wants) do
    table.insert(ids, id)
    if want > 0 then wanting = wanting + 1 end
  end
  table.sort(ids)
  -- Where there is less than one for each, all have their turn.
  local first = wanting > limit and math.floor(now / TURN_MS) % #ids or 0
  for _ = 1, first do table.insert(ids, table.remove(ids, 1)) end
  return ids
end

-- What the worker may have. Whatever nobody wants stays with those that have it open.
local function allowed_to(worker, workers, limit)
  local wants = wants_of(workers, limit)
  local ids, given, others = in_turn(wants, limit), {}, 0
  for id, entry in pairs(workers) do
    given[id] = 0
    if id ~= worker then others = others + entry.b end
  end
  local left = pour(limit, ids, given, function(id) return wants[id] end)
  pour(left, ids, given, function(id) return math.max(wants[id], workers[id].h) end)
  return math.max(0, math.min(given[worker], limit - others))
end

-- Takes note of what a worker has, wants, and was told that it may have (known), and answers what it may; limit -1: any.
local function share_connections(key, worker, said)
  local workers = live_workers(key)
  if said.leaving then
    redis.call('HDEL', key, worker)
    return 0
  end
  local known = math.max(said.have, said.known)
  local was = workers[worker]
  local entry = { h = said.have, w = said.want, i = said.idle, b = known }
  entry.e, entry.m = now + CONNECTIONS_MS, was and was.m or 0
  -- Redis was away, or has lost what it had: what the others have open they may not have said yet.
  if not was and known > 0 then entry.m = now + RETURN_MS end
  workers[worker] = entry
  local allowed = said.limit < 0 and -1 or allowed_to(worker, workers, said.limit)
  if now < entry.m then allowed = math.min(allowed, known) end
  entry.b = math.max(entry.b, allowed)
  redis.call('HSET', key, worker, cmsgpack.pack(entry))
  redis.call('PEXPIRE', key, CONNECTIONS_MS)
  return allowed
end
`
