// What Redis keeps of contents: the JSON under its SHA-256, and each file once however many contents use it.
// A content goes when its last delivery has been sent; a time to live is the net under that.

import type { ContentBundle } from '../content/content.js'
import { defineScript, type Keys, type Redis } from '../redis.js'

/** What nobody has touched for so long is gone: 30 days. */
export const contentTtlSeconds = 30 * 24 * 3600

// A longer life, such as that of an email scheduled for next year, stays. (EXPIRE has NX and GT from Redis 7 on only.)
export const liveOnLua = `
local function live_on(key, ttl)
  if redis.call('TTL', key) < tonumber(ttl) then redis.call('EXPIRE', key, ttl) end
end
`

// KEYS content. ARGV ttl, file key prefix. Renews the lives of a content and of its files.
const TOUCH = `
${liveOnLua}
live_on(KEYS[1], ARGV[1])
for hash in string.gmatch(redis.call('HGET', KEYS[1], 'files') or '', '%S+') do live_on(ARGV[2] .. hash, ARGV[1]) end
return 1
`

// Adds references, and the content itself when it is new. Files must be there already.
// KEYS content. ARGV json, references, ttl, file key prefix, file hashes…
const PUT = `
${liveOnLua}
for i = 5, #ARGV do
  if redis.call('EXISTS', ARGV[4] .. ARGV[i]) == 0 then return redis.error_reply('MISSING ' .. ARGV[i]) end
end
if redis.call('HSETNX', KEYS[1], 'json', ARGV[1]) == 1 then
  for i = 5, #ARGV do redis.call('HINCRBY', ARGV[4] .. ARGV[i], 'refs', 1) end
  redis.call('HSET', KEYS[1], 'files', table.concat(ARGV, ' ', 5))
end
redis.call('HINCRBY', KEYS[1], 'refs', ARGV[2])
live_on(KEYS[1], ARGV[3])
for i = 5, #ARGV do live_on(ARGV[4] .. ARGV[i], ARGV[3]) end
return 1
`

/** Lua that drops one reference of the content under `contentKey`; it stands inside the script that settles. */
export const releaseContentLua = `
local function release_content(contentKey, filePrefix)
  if redis.call('EXISTS', contentKey) == 0 then return end
  if redis.call('HINCRBY', contentKey, 'refs', -1) > 0 then return end
  for hash in string.gmatch(redis.call('HGET', contentKey, 'files') or '', '%S+') do
    if redis.call('EXISTS', filePrefix .. hash) == 1 and redis.call('HINCRBY', filePrefix .. hash, 'refs', -1) <= 0 then
      redis.call('UNLINK', filePrefix .. hash)
    end
  end
  redis.call('UNLINK', contentKey)
end
`

export interface ContentStore {
  /** Stores a content that `references` more holders need for `lifetimeSeconds`. */
  put(bundle: ContentBundle, references: number, lifetimeSeconds: number): Promise<void>
  /** The JSON of a content, its time to live renewed; undefined when it is gone. */
  get(hash: string): Promise<string | undefined>
  file(hash: string): Promise<Buffer | undefined>
}

export function createContentStore(redis: Redis, keys: Keys): ContentStore {
  const put = defineScript(redis, 'fluxmailPutContent', 1, PUT)
  const touch = defineScript(redis, 'fluxmailTouchContent', 1, TOUCH)
  const filePrefix = keys.file('')

  async function putFiles(bundle: ContentBundle): Promise<string[]> {
    const files = new Map(bundle.files.map((file) => [file.hash, file.content]))
    for (const [hash, content] of files) {
      const key = keys.file(hash)
      if ((await redis.exists(key)) > 0) continue
      await redis.hset(key, 'bytes', content)
      await redis.expire(key, contentTtlSeconds)
    }
    return [...files.keys()]
  }

  return {
    async put(bundle, references, lifetimeSeconds) {
      const facts = [JSON.stringify(bundle.content), references, lifetimeSeconds, filePrefix]
      await put([keys.content(bundle.hash)], [...facts, ...(await putFiles(bundle))])
    },
    async get(hash) {
      const json = await redis.hget(keys.content(hash), 'json')
      if (json === null) return undefined
      await touch([keys.content(hash)], [contentTtlSeconds, filePrefix])
      return json
    },
    async file(hash) {
      return (await redis.hgetBuffer(keys.file(hash), 'bytes')) ?? undefined
    },
  }
}
