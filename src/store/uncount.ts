// Lua that takes the count of a settled delivery back: in its lane, in its batch, among its batch's failures.
// It stands inside scripts that count the delivery anew or make it pending again, in the same step.

/**
 * Of a verdict `v:outcome code tokens` it reads the three; a code of a reply has its space again. `uncount` is told how
 * many attempts a relay may have accepted, since every one beyond the first had been counted as a further copy.
 */
export const uncountLua = `
local function verdict_of(mark)
  local outcome, code, copies = string.match(mark or '', '^v:(%S+) ?(%S*) ?(%S*)$')
  if not outcome then return nil end
  if string.match(code, '^%d%d%d_') then code = string.gsub(code, '_', ' ', 1) end
  return outcome, code, copies
end
local function uncount(counts, batch, failures, errors, ordinal, id, outcome, code, copies)
  local further = select(2, string.gsub(copies, '[^,]+', '')) - 1
  local function take(key)
    redis.call('HINCRBY', key, outcome, -1)
    if further > 0 then redis.call('HINCRBY', key, 'resent', -further) end
  end
  take(counts)
  if ordinal < 0 then return end
  take(batch)
  local reason = outcome == 'unknown' and 'unknown' or code
  if redis.call('HEXISTS', failures, reason) == 1 and redis.call('HINCRBY', failures, reason, -1) <= 0 then
    redis.call('HDEL', failures, reason)
  end
  for _, each in ipairs(redis.call('LRANGE', errors, 0, -1)) do
    if string.find(each, id, 1, true) and cjson.decode(each).id == id then redis.call('LREM', errors, 1, each) end
  end
end
`
