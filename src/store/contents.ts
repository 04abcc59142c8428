// What Redis keeps of contents: the JSON under its SHA-256, and each file once however many contents and rows use it.
// How long they live stands in content-lives.

import type { ContentBundle } from '../content/content.js'
import { defineScript, type Keys, type Redis } from '../redis.js'
import { contentLivesLua, rowFilesLua } from './content-lives.js'

/** What the version before this one stored has a life of 30 days, begun anew when a worker reads it. */
const LIFE_SECONDS = 30 * 24 * 3600

// KEYS content. ARGV life in seconds, file key prefix.
const TOUCH = `
local function live_on(key)
  if (redis.call('HGET', key, 'held') or '0') ~= '0' then return end
  if redis.call('TTL', key) < tonumber(ARGV[1]) then redis.call('EXPIRE', key, ARGV[1]) end
end
live_on(KEYS[1])
for hash in string.gmatch(redis.call('HGET', KEYS[1], 'files') or '', '%S+') do live_on(ARGV[2] .. hash) end
return 1
`

// KEYS file. ARGV its bytes, unless it may be there. Answers whether it is.
const STAGE_FILE = `
${contentLivesLua}
if ARGV[1] then redis.call('HSETNX', KEYS[1], 'bytes', ARGV[1])
elseif redis.call('HEXISTS', KEYS[1], 'bytes') == 0 then return 0 end
stage(KEYS[1])
return 1
`

// KEYS content. ARGV json, file key prefix, file hashes… Answers whether all files are there.
const PUT = `
${contentLivesLua}
for i = 3, #ARGV do
  if redis.call('EXISTS', ARGV[2] .. ARGV[i]) == 0 then return 0 end
end
if redis.call('HSETNX', KEYS[1], 'json', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'files', table.concat(ARGV, ' ', 3))
end
stage(KEYS[1])
return 1
`

// KEYS file, files of rows, digests of chunks. ARGV hash, chunk number, its bytes, unless it may be there. Answers
// whether it is there now. A row whose chunk is stored has its files, or has needed them.
const HOLD_ROW_FILE = `
${contentLivesLua}
${rowFilesLua}
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1 then return 1 end
if ARGV[3] then redis.call('HSETNX', KEYS[1], 'bytes', ARGV[3])
elseif redis.call('HEXISTS', KEYS[1], 'bytes') == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
hold(KEYS[1], row_holder(KEYS[2]))
return 1
`

// KEYS files of rows. ARGV file key prefix, hashes… Of one row that needs them no more.
const RELEASE_ROW_FILES = `
${contentLivesLua}
${rowFilesLua}
for i = 2, #ARGV do release_row_file(KEYS[1], ARGV[1], ARGV[i]) end
return 1
`

export interface ContentStore {
  /** Stores a content for a caller that is about to name who holds it; whoever dies before that leaves it an hour. */
  put(bundle: ContentBundle): Promise<void>
  /** The JSON of a content; undefined when it is gone. */
  get(hash: string): Promise<string | undefined>
  file(hash: string): Promise<Buffer | undefined>
  /** Stores a file that a row brings, before the chunk of the row; does nothing where that chunk is stored. */
  putRowFile(batchId: string, chunk: number, file: { hash: string; content: Buffer }): Promise<void>
  /** A row needs its files no more; to be said once. */
  releaseRowFiles(batchId: string, hashes: readonly string[]): Promise<void>
}

export function createContentStore(redis: Redis, keys: Keys): ContentStore {
  const put = defineScript(redis, 'fluxmailPutContent', 1, PUT)
  const touch = defineScript(redis, 'fluxmailTouchContent', 1, TOUCH)
  const stageFile = defineScript(redis, 'fluxmailStageFile', 1, STAGE_FILE)
  const holdRowFile = defineScript(redis, 'fluxmailHoldRowFile', 3, HOLD_ROW_FILE)
  const releaseRows = defineScript(redis, 'fluxmailReleaseRowFiles', 1, RELEASE_ROW_FILES)
  const filePrefix = keys.file('')

  async function stageFiles(files: ReadonlyMap<string, Buffer>): Promise<void> {
    for (const [hash, content] of files) {
      if ((await stageFile([keys.file(hash)], [])) !== 1) await stageFile([keys.file(hash)], [content])
    }
  }

  return {
    async put({ hash, content, files }) {
      const byHash = new Map(files.map((file) => [file.hash, file.content]))
      const facts = [JSON.stringify(content), filePrefix, ...byHash.keys()]
      do await stageFiles(byHash)
      while ((await put([keys.content(hash)], facts)) !== 1)
    },
    async get(hash) {
      const json = await redis.hget(keys.content(hash), 'json')
      if (json === null) return undefined
      await touch([keys.content(hash)], [LIFE_SECONDS, filePrefix])
      return json
    },
    async file(hash) {
      return (await redis.hgetBuffer(keys.file(hash), 'bytes')) ?? undefined
    },
    async putRowFile(batchId, chunk, { hash, content }) {
      const named = [keys.file(hash), keys.batchFiles(batchId), keys.batchChunks(batchId)]
      if ((await holdRowFile(named, [hash, chunk])) !== 1) await holdRowFile(named, [hash, chunk, content])
    },
    async releaseRowFiles(batchId, hashes) {
      if (hashes.length > 0) await releaseRows([keys.batchFiles(batchId)], [filePrefix, ...hashes])
    },
  }
}
