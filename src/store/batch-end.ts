// Lua of what follows from the end of a row, inside the scripts that settle: when its batch was finished, how fast it
// goes, and which of its rows failed.

/** Of the last minute and a little more, so much is counted together. */
export const rateBucketMs = 5_000
const bucketsKept = 13
const rateTtlSeconds = 120

/** Notes when a batch whose rows are all there was finished, once, until something of it is pending again. */
export const finishBatchLua = `
local function finish_batch(batch, now)
  local rows, total, sent, failed, skipped, unknown = unpack(redis.call('HMGET', batch, 'rows', 'total', 'sent', 'failed', 'skipped', 'unknown'))
  if not rows then return end
  local settled = (sent or 0) + (failed or 0) + (skipped or 0) + (unknown or 0)
  if settled >= tonumber(total or '0') then redis.call('HSETNX', batch, 'finishedAt', string.format('%.0f', now)) end
end
`

/** Counts settled rows under the bucket of now; `first` says since when anything is counted. */
export const countRateLua = `
local function count_rate(key, now, rows)
  local bucket = math.floor(now / ${rateBucketMs})
  if redis.call('HINCRBY', key, bucket, rows) > rows then return end
  redis.call('HSETNX', key, 'first', string.format('%.0f', now))
  for _, other in ipairs(redis.call('HKEYS', key)) do
    if other ~= 'first' and tonumber(other) < bucket - ${bucketsKept} then redis.call('HDEL', key, other) end
  end
  redis.call('EXPIRE', key, ${rateTtlSeconds})
end
`

/** Keeps the ordinals that failed or are unknown; only one that had a verdict before can have to go again. */
export const noteFailedLua = `
local function note_failed(key, now, ordinal, outcome, hadVerdict)
  if outcome == 'failed' or outcome == 'unknown' then redis.call('ZADD', key, string.format('%.0f', now), ordinal)
  elseif hadVerdict then redis.call('ZREM', key, ordinal) end
end
`
