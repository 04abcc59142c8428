// Lua of how long contents and files live: for as long as somebody is named in them that holds them, and an hour for a
// caller that is in the middle of enqueueing. Nothing else may let one go that something waiting needs.
// Holders are names, so that taking one and letting one go can be repeated.

/** A content without its jobs, as a caller that died leaves it, is gone after an hour. */
const stagedSeconds = 3600

const livesLua = `
local function seconds_now() return tonumber(redis.call('TIME')[1]) end
-- Until when a caller in the middle of enqueueing may need it.
local function staged_until(key)
  local staged, till = unpack(redis.call('HMGET', key, 'staged', 'until'))
  till = tonumber(till or '0')
  return tonumber(staged or '0') > 0 and till > seconds_now() and till or nil
end
-- The version before this one counted its holders as refs.
local function is_held(key)
  local held, refs = unpack(redis.call('HMGET', key, 'held', 'refs'))
  return tonumber(held or '0') > 0 or tonumber(refs or '0') > 0
end
local function let_go(key)
  if is_held(key) then return false end
  local till = staged_until(key)
  if till then redis.call('EXPIREAT', key, till) else redis.call('UNLINK', key) end
  return true
end
local function hold(key, by)
  if redis.call('EXISTS', key) == 0 then return false end
  if redis.call('HSETNX', key, 'by:' .. by, '1') == 1 then redis.call('HINCRBY', key, 'held', 1) end
  redis.call('PERSIST', key)
  return true
end
local function release(key, by)
  if redis.call('HDEL', key, 'by:' .. by) == 1 then redis.call('HINCRBY', key, 'held', -1)
  elseif redis.call('HEXISTS', key, 'refs') == 0 then return false
  else redis.call('HINCRBY', key, 'refs', -1) end
  return let_go(key)
end
local function files_of(key)
  local files = {}
  for hash in string.gmatch(redis.call('HGET', key, 'files') or '', '%S+') do files[#files + 1] = hash end
  return files
end
`

/** Lua of a caller that begins to enqueue, and of one that has ended. */
const stageContentLua = `
local function stage(key)
  local now = seconds_now()
  redis.call('HSET', key, 'staged', staged_until(key) and redis.call('HGET', key, 'staged') + 1 or 1, 'until', now + ${stagedSeconds})
  if (redis.call('HGET', key, 'held') or '0') == '0' and redis.call('TTL', key) < ${stagedSeconds} then
    redis.call('EXPIRE', key, ${stagedSeconds})
  end
end
local function unstage(key)
  if redis.call('HEXISTS', key, 'staged') == 0 then return end
  if redis.call('HINCRBY', key, 'staged', -1) <= 0 then redis.call('HDEL', key, 'staged', 'until') end
  let_go(key)
end
local function unstage_content(key, filePrefix)
  for _, hash in ipairs(files_of(key)) do unstage(filePrefix .. hash) end
  unstage(key)
end
`

/** Lua that keeps a content and its files for as long as `by` needs them: a delivery of an email, or a batch, by id. */
export const holdContentLua = `
${livesLua}
local function hold_content(key, filePrefix, by)
  if not hold(key, by) then return end
  local name = string.match(key, '[^:]+$')
  for _, hash in ipairs(files_of(key)) do hold(filePrefix .. hash, name) end
end
`

/** Lua that ends that; it stands inside the scripts that settle. What nobody holds any more is gone. */
export const releaseContentLua = `
${livesLua}
local function release_content(key, filePrefix, by)
  local files = files_of(key)
  if not release(key, by) then return end
  local name = string.match(key, '[^:]+$')
  for _, hash in ipairs(files) do release(filePrefix .. hash, name) end
end
`

/** All of it, for a script that needs more than one part. */
export const contentLivesLua = `
${holdContentLua}
${releaseContentLua.replace(livesLua, '')}
${stageContentLua}
`

/** Lua for the files of rows: how many rows of a batch need each, which the batch holds for them. */
export const rowFilesLua = `
local function row_holder(key) return string.match(key, '([^:]+):files$') end
local function release_row_file(key, filePrefix, hash)
  if redis.call('HEXISTS', key, hash) == 0 or redis.call('HINCRBY', key, hash, -1) > 0 then return end
  redis.call('HDEL', key, hash)
  release(filePrefix .. hash, row_holder(key))
end
`
