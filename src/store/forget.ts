// Erasing one address from what Redis keeps, each place in a script that looks whether it is still as it was read.
// Counts stay exact: a row that is erased is a delivery that was skipped.

import { createHash } from 'node:crypto'
import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'
import { finishBatchLua } from './batch-end.js'

// KEYS batch, rows, settled bits, lane counts, outcomes, how long outcomes are kept. ARGV id, chunk number, digest of
// the chunk as it was read, the chunk without the rows or '', lane, code, then their ordinals. Answers how many of them
// had not been settled, or -1 when the chunk is another one by now.
const ERASE_ROWS = `
${beyondMemoryLua}
${finishBatchLua}
local id, number, digest, rest, lane, code = unpack(ARGV, 1, 6)
if redis.sha1hex(redis.call('HGET', KEYS[2], number) or '') ~= digest then return -1 end
if rest == '' then redis.call('HDEL', KEYS[2], number) else redis.call('HSET', KEYS[2], number, rest) end
local kept = redis.call('GET', KEYS[6])
local createdAt = redis.call('HGET', KEYS[1], 'createdAt') or ''
local ended = 0
for i = 7, #ARGV do
  if redis.call('SETBIT', KEYS[3], ARGV[i], 1) == 0 then
    ended = ended + 1
    if kept then
      redis.call('XADD', KEYS[5], '*', 'i', id .. '.' .. ARGV[i], 'o', 'skipped', 'a', '', 'l', lane, 'q', createdAt, 'c', code, 'r', '', 'b', '1')
    end
  end
end
for _, key in ipairs({ KEYS[1], KEYS[4] }) do
  redis.call('HINCRBY', key, 'packed', 6 - #ARGV)
  redis.call('HINCRBY', key, 'skipped', ended)
end
local time = redis.call('TIME')
finish_batch(KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000))
return ended
`

// KEYS outcomes. ARGV id of an entry. Somebody who has not acknowledged it finds it again at the end, without address.
const ERASE_OUTCOME = `
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local ms, seq = string.match(ARGV[1], '(%d+)-(%d+)')
local function is_needed_by(group)
  local facts = {}
  for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
  if #redis.call('XPENDING', KEYS[1], facts.name, ARGV[1], ARGV[1], 1) > 0 then
    redis.call('XACK', KEYS[1], facts.name, ARGV[1])
    return true
  end
  local lastMs, lastSeq = string.match(facts['last-delivered-id'], '(%d+)-(%d+)')
  if lastMs ~= ms then return tonumber(ms) > tonumber(lastMs) end
  return tonumber(seq) > tonumber(lastSeq)
end
local isNeeded = false
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do isNeeded = is_needed_by(group) or isNeeded end
redis.call('XDEL', KEYS[1], ARGV[1])
if not isNeeded then return 1 end
local fields = entry[2]
for i = 1, #fields, 2 do if fields[i] == 'a' or fields[i] == 'r' then fields[i + 1] = '' end end
redis.call('XADD', KEYS[1], '*', unpack(fields))
return 1
`

// KEYS string. ARGV what was read, what it becomes.
const REPLACE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
`

// KEYS circuit. ARGV what was read, what it becomes.
const REPLACE_CIRCUIT = `
if redis.call('HGET', KEYS[1], 'circuit') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'circuit', ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'version', 1)
`

// KEYS suppressed, bounced. ARGV the field, the field in its place.
const RENAME_FIELD = `
redis.call('SREM', KEYS[2], ARGV[1])
local standing = redis.call('HGET', KEYS[1], ARGV[1])
if not standing then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], standing)
return redis.call('HDEL', KEYS[1], ARGV[1])
`

export interface ChunkToErase {
  readonly batchId: string
  readonly lane: string
  readonly number: number
  /** As it was read. */
  readonly packed: Buffer
  /** Without the rows; undefined where it has no others. */
  readonly rest: Buffer | undefined
  readonly ordinals: readonly number[]
}

export interface ForgetStore {
  /** Takes rows out of a chunk and counts them as skipped; false when the chunk is another one by now. */
  eraseRows(chunk: ChunkToErase, code: string): Promise<boolean>
  eraseOutcome(id: string): Promise<boolean>
  /** Replaces a string that is still as it was read. */
  replace(key: string, standing: string, next: string): Promise<boolean>
  replaceCircuit(key: string, standing: string, next: string): Promise<boolean>
  /** Moves a suppression to another field. */
  moveSuppression(from: string, to: string): Promise<boolean>
}

export function createForgetStore(redis: Redis, keys: Keys): ForgetStore {
  const eraseRows = defineScript(redis, 'fluxmailEraseRows', 6, ERASE_ROWS)
  const eraseOutcome = defineScript(redis, 'fluxmailEraseOutcome', 1, ERASE_OUTCOME)
  const replace = defineScript(redis, 'fluxmailReplaceString', 1, REPLACE)
  const replaceCircuit = defineScript(redis, 'fluxmailReplaceCircuit', 1, REPLACE_CIRCUIT)
  const rename = defineScript(redis, 'fluxmailMoveSuppression', 2, RENAME_FIELD)
  return {
    async eraseRows({ batchId, lane, number, packed, rest, ordinals }, code) {
      const batch = [keys.batch(batchId), keys.batchRows(batchId), keys.batchSettled(batchId)]
      const named = [...batch, keys.laneCounts(lane), keys.outcomes, keys.outcomesKept]
      const digest = createHash('sha1').update(packed).digest('hex')
      const answer = await eraseRows(named, [batchId, number, digest, rest ?? '', lane, code, ...ordinals])
      return Number(answer) >= 0
    },
    eraseOutcome: async (id) => (await eraseOutcome([keys.outcomes], [id])) === 1,
    replace: async (key, standing, next) => (await replace([key], [standing, next])) === 1,
    replaceCircuit: async (key, standing, next) => Number(await replaceCircuit([key], [standing, next])) > 0,
    moveSuppression: async (from, to) => (await rename([keys.suppressed, keys.bounced], [from, to])) === 1,
  }
}
