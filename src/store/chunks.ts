// Rows that wait: a chunk of them is one compressed value, stored, counted and given its turn by one script.
// From then on every guarantee covers them. A chunk goes when its rows are jobs, or settled without having been any.

import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'
import { finishBatchLua } from './batch-end.js'
import type { Importer } from './batches.js'
import { chunkBytes, chunkRows, type PackedRow, unpack } from './packed-rows.js'
import { enterTurnsLua } from './turns.js'

// KEYS batch, digests, rows, lane counts, importer, turns, later. ARGV id, chunk number, digest, rows, accepted,
// rejected, who stores, life of the importer in ms. Answers stored, done, other, or gap where a chunk before it is gone.
const STORE = `
${enterTurnsLua}
local id, number, digest, rows, accepted, rejected = unpack(ARGV, 1, 6)
local standing = redis.call('HGET', KEYS[2], number)
local sealed, paused, lane = unpack(redis.call('HMGET', KEYS[1], 'rows', 'paused', 'lane'))
if standing and standing ~= digest then return 'other' end
if not standing and sealed then return 'other' end
if not lane or (not standing and redis.call('HLEN', KEYS[2]) ~= tonumber(number)) then return 'gap' end
if not sealed then redis.call('SET', KEYS[5], ARGV[7], 'PX', ARGV[8]) end
if standing then return 'done' end
redis.call('HSET', KEYS[2], number, digest)
redis.call('HINCRBY', KEYS[1], 'total', accepted)
redis.call('HINCRBY', KEYS[1], 'rejected', rejected)
redis.call('HINCRBY', KEYS[4], 'accepted', accepted)
if accepted == '0' then return 'stored' end
redis.call('HSET', KEYS[3], number, rows)
redis.call('HINCRBY', KEYS[1], 'packed', accepted)
redis.call('HINCRBY', KEYS[4], 'packed', accepted)
if not paused and not redis.call('ZSCORE', KEYS[7], id) then enter_turns(KEYS[6], id) end
return 'stored'
`

// KEYS batch, rows, settled bits, lane counts, failures, outcomes, how long outcomes are kept.
// ARGV id, chunk number, lane, outcome, code, bytes of bits, '1' if addresses follow, then the address of each row.
// Settles every delivery of a chunk that is not settled, and takes the chunk away.
const SETTLE = `
${beyondMemoryLua}
${finishBatchLua}
local id, number, lane, outcome, code, width, isTold = unpack(ARGV, 1, 7)
local rows = redis.call('HGET', KEYS[2], number)
if not rows then return 0 end
local kept = redis.call('GET', KEYS[7])
if kept and isTold ~= '1' then return 'addresses' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = kept and string.format('%.0f', math.max(0, now - kept * 1000))
local createdAt = redis.call('HGET', KEYS[1], 'createdAt') or ''
local first = number * width
local settled = redis.call('GETRANGE', KEYS[3], first, first + width - 1)
local bytes, ended, deliveries = {}, 0, 0
for i = 1, tonumber(width) do
  local is, was = string.byte(rows, i), string.byte(settled, i) or 0
  bytes[i] = string.char(bit.bor(is, was))
  for place = 0, 7 do
    local mask = bit.rshift(128, place)
    if bit.band(is, mask) ~= 0 then
      deliveries = deliveries + 1
      if bit.band(was, mask) == 0 then
        ended = ended + 1
        local row = (i - 1) * 8 + place
        if kept then
          redis.call('XADD', KEYS[6], 'MINID', '~', oldest, '*', 'i',
            id .. '.' .. string.format('%.0f', first * 8 + row), 'o', outcome, 'a', ARGV[8 + row], 'l', lane, 'q', createdAt, 'c', code, 'r', '', 'b', '1')
        end
      end
    end
  end
end
redis.call('HDEL', KEYS[2], number)
redis.call('SETRANGE', KEYS[3], first, table.concat(bytes))
redis.call('HINCRBY', KEYS[1], 'packed', -deliveries)
redis.call('HINCRBY', KEYS[4], 'packed', -deliveries)
redis.call('HINCRBY', KEYS[1], outcome, ended)
redis.call('HINCRBY', KEYS[4], outcome, ended)
if outcome == 'failed' and ended > 0 then redis.call('HINCRBY', KEYS[5], code, ended) end
finish_batch(KEYS[1], now)
return ended
`

export interface NewChunk {
  readonly batchId: string
  readonly lane: string
  readonly number: number
  /** Equal for the same rows. */
  readonly digest: string
  readonly packed: Buffer
  readonly accepted: number
  readonly rejected: number
}

export interface ChunkStore {
  /**
   * Stores the next chunk of a batch, once. `other`: it was stored with other rows, or the batch is complete.
   * `gap`: Redis has lost chunks before this one.
   */
  store(chunk: NewChunk, importer: Importer): Promise<'stored' | 'done' | 'other' | 'gap'>
  /** A row while it waits in its chunk. */
  row(batchId: string, ordinal: number): Promise<PackedRow | undefined>
  /** The chunks of a batch that wait, lowest first. */
  numbers(batchId: string): Promise<number[]>
  /**
   * Settles the deliveries of a waiting chunk as skipped, for `code`, and takes the chunk away. Resolves to how many
   * there were that had not been settled; 0 when the chunk is gone.
   */
  skipChunk(batchId: string, lane: string, number: number, code: string): Promise<number>
  /** The same as failed, for a chunk that cannot be read. */
  failChunk(batchId: string, lane: string, number: number, code: string): Promise<number>
}

export function createChunkStore(redis: Redis, keys: Keys): ChunkStore {
  const store = defineScript(redis, 'fluxmailStoreChunk', 7, STORE)
  const settle = defineScript(redis, 'fluxmailSettleChunk', 7, SETTLE)

  async function read(batchId: string, number: number): Promise<(PackedRow | undefined)[]> {
    const packed = await redis.hgetBuffer(keys.batchRows(batchId), String(number))
    return packed === null ? [] : unpack(packed)
  }

  async function settleChunk(
    outcome: 'skipped' | 'failed',
    batchId: string,
    lane: string,
    number: number,
    code: string,
  ): Promise<number> {
    const batch = [keys.batch(batchId), keys.batchRows(batchId), keys.batchSettled(batchId)]
    const counts = [keys.laneCounts(lane), keys.batchFailures(batchId)]
    const named = [...batch, ...counts, keys.outcomes, keys.outcomesKept]
    const facts = [batchId, number, lane, outcome, code, chunkBytes]
    const answer = await settle(named, [...facts, ''])
    if (answer !== 'addresses') return Number(answer)
    // Somebody reads outcomes, and is told to whom nothing was sent, where that can be read.
    const rows = await read(batchId, number).catch(() => [])
    return Number(await settle(named, [...facts, '1', ...addressesOf(rows)]))
  }

  return {
    async store({ batchId, lane, number, digest, packed, accepted, rejected }, { token, lifeMs }) {
      const batch = [keys.batch(batchId), keys.batchChunks(batchId), keys.batchRows(batchId)]
      const turns = [keys.batchImporter(batchId), keys.turns(lane), keys.later(lane)]
      const facts = [batchId, number, digest, packed, accepted, rejected, token, lifeMs]
      const answer = await store([...batch, keys.laneCounts(lane), ...turns], facts)
      return answer as 'stored' | 'done' | 'other' | 'gap'
    },
    async row(batchId, ordinal) {
      const rows = await read(batchId, Math.floor(ordinal / chunkRows))
      return rows[ordinal % chunkRows]
    },
    async numbers(batchId) {
      const fields = await redis.hkeys(keys.batchRows(batchId))
      return fields.map(Number).sort((a, b) => a - b)
    },
    skipChunk: (...chunk) => settleChunk('skipped', ...chunk),
    failChunk: (...chunk) => settleChunk('failed', ...chunk),
  }
}

function addressesOf(rows: readonly (PackedRow | undefined)[]): string[] {
  return Array.from({ length: chunkRows }, (_, place) => rows[place]?.[0] ?? '')
}
