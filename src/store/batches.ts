// What Redis keeps of a batch: what it is, the digest of each chunk of rows, its exact counts, its failures.
// A chunk is announced first, so that its rows are fixed, and counted in the same transaction that adds its jobs.

import { defineScript, type Keys, type Redis, type ScriptCall } from '../redis.js'

// KEYS batch. ARGV fingerprint, field, value, …  Creates the batch, or says whether it is the same one.
const OPEN = `
local standing = redis.call('HGET', KEYS[1], 'fingerprint')
if standing then return standing == ARGV[1] and 'same' or 'other' end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], unpack(ARGV, 2))
return 'new'
`

// KEYS batch, chunks. ARGV chunk number, digest. Answers pending, done or other.
const ANNOUNCE = `
local standing = redis.call('HGET', KEYS[2], ARGV[1])
if not standing then
  if redis.call('HGET', KEYS[1], 'rows') then return 'other' end
  redis.call('HSET', KEYS[2], ARGV[1], 'p' .. ARGV[2])
  return 'pending'
end
if string.sub(standing, 2) ~= ARGV[2] then return 'other' end
return string.sub(standing, 1, 1) == 'd' and 'done' or 'pending'
`

// KEYS batch, chunks, lane counts, a key that is there when the jobs are. ARGV chunk number, digest, accepted, rejected.
// It runs in one transaction with the jobs and after them. Redis takes nothing back: without them it must count nothing.
const COMMIT = `
if redis.call('EXISTS', KEYS[4]) == 0 then return redis.error_reply('MISSING the jobs of the chunk') end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= 'p' .. ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], 'd' .. ARGV[2])
redis.call('HINCRBY', KEYS[1], 'total', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'rejected', ARGV[4])
redis.call('HINCRBY', KEYS[3], 'accepted', ARGV[3])
return 1
`

// KEYS batch. ARGV rows, now. Says whether the batch now holds just these rows.
const SEAL = `
local rows = redis.call('HGET', KEYS[1], 'rows')
if rows then return rows == ARGV[1] and 1 or 0 end
redis.call('HSET', KEYS[1], 'rows', ARGV[1], 'sealedAt', ARGV[2])
return 1
`

export interface BatchRecord {
  readonly lane: string
  readonly contentHash: string
  readonly createdAt: number
  /** Rows read, rejected ones included; undefined until the last row was acknowledged. */
  readonly rows: number | undefined
  readonly total: number
  readonly rejected: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly unknown: number
  readonly resent: number
}

export interface NewBatch {
  readonly lane: string
  readonly contentHash: string
  readonly createdAt: number
  /** What must be equal for a second call with the same id to be the same batch. */
  readonly fingerprint: string
}

export interface BatchStore {
  open(id: string, batch: NewBatch): Promise<'new' | 'same' | 'other'>
  /** Fixes the rows of a chunk; `pending` until it is counted. */
  announce(chunk: Chunk): Promise<'pending' | 'done' | 'other'>
  /** What counts a chunk, once, in the transaction that adds its jobs; `witness` is the key of the last of them. */
  commit(chunk: Chunk, witness?: string): ScriptCall
  /** False when the batch was sealed before with another number of rows. */
  seal(id: string, rows: number, now: number): Promise<boolean>
  read(id: string): Promise<BatchRecord | undefined>
  /** Number of failures by reason. */
  failures(id: string): Promise<Record<string, number>>
  /** JSON of the first failures. */
  errors(id: string): Promise<string[]>
}

export interface Chunk {
  readonly batchId: string
  readonly lane: string
  readonly number: number
  /** Equal for the same rows. */
  readonly digest: string
  readonly accepted: number
  readonly rejected: number
}

const COMMIT_NAME = 'fluxmailCommitChunk'

export function createBatchStore(redis: Redis, keys: Keys): BatchStore {
  const open = defineScript(redis, 'fluxmailOpenBatch', 1, OPEN)
  const announce = defineScript(redis, 'fluxmailAnnounceChunk', 2, ANNOUNCE)
  defineScript(redis, COMMIT_NAME, 4, COMMIT)
  const seal = defineScript(redis, 'fluxmailSealBatch', 1, SEAL)
  return {
    async open(id, batch) {
      const { fingerprint, ...fields } = batch
      const answer = await open([keys.batch(id)], [fingerprint, ...Object.entries(fields).flat()])
      return answer as 'new' | 'same' | 'other'
    },
    async announce({ batchId, number, digest }) {
      const answer = await announce([keys.batch(batchId), keys.batchChunks(batchId)], [number, digest])
      return answer as 'pending' | 'done' | 'other'
    },
    commit({ batchId, lane, number, digest, accepted, rejected }, witness = keys.batch(batchId)) {
      const named = [keys.batch(batchId), keys.batchChunks(batchId), keys.laneCounts(lane), witness]
      return { name: COMMIT_NAME, args: [...named, number, digest, accepted, rejected] }
    },
    seal: async (id, rows, now) => (await seal([keys.batch(id)], [rows, now])) === 1,
    read: async (id) => parseRecord(await redis.hgetall(keys.batch(id))),
    async failures(id) {
      const counts = await redis.hgetall(keys.batchFailures(id))
      return Object.fromEntries(Object.entries(counts).map(([reason, count]) => [reason, Number(count)]))
    },
    errors: (id) => redis.lrange(keys.batchErrors(id), 0, -1),
  }
}

function parseRecord(fields: Record<string, string>): BatchRecord | undefined {
  const { lane, contentHash } = fields
  if (lane === undefined || contentHash === undefined) return undefined
  const count = (field: string) => Number(fields[field] ?? 0)
  return {
    lane,
    contentHash,
    createdAt: count('createdAt'),
    rows: fields.rows === undefined ? undefined : count('rows'),
    total: count('total'),
    rejected: count('rejected'),
    sent: count('sent'),
    failed: count('failed'),
    skipped: count('skipped'),
    unknown: count('unknown'),
    resent: count('resent'),
  }
}
