// What Redis keeps of a batch: what it is, whether its rows are complete, its exact counts, its failures.
// Its rows are in chunks, and whose turn it is stands in turns.

import { defineScript, type Keys, type Redis } from '../redis.js'
import { finishBatchLua } from './batch-end.js'
import { contentLivesLua } from './content-lives.js'

// KEYS batch, all batches, importer, batches whose contents are kept, content. ARGV id, fingerprint, created at, who
// enqueues, life of the importer in ms, file key prefix, field, value, …  Creates the batch or goes on with it.
const OPEN = `
${contentLivesLua}
local standing, rows = unpack(redis.call('HMGET', KEYS[1], 'fingerprint', 'rows'))
if standing and standing ~= ARGV[2] then return 'other' end
if not rows then
  redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
  redis.call('SADD', KEYS[4], ARGV[1])
  hold_content(KEYS[5], ARGV[6], ARGV[1])
end
unstage_content(KEYS[5], ARGV[6])
if standing then return 'same' end
-- Those of a batch of this id that was deleted.
redis.call('UNLINK', KEYS[1] .. ':settled')
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[2], 'createdAt', ARGV[3], unpack(ARGV, 7))
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 'new'
`

// KEYS batch, importer, digests. ARGV rows, chunks, now. Says whether the batch now holds just these rows.
const SEAL = `
${finishBatchLua}
local rows = redis.call('HGET', KEYS[1], 'rows')
if rows then return rows == ARGV[1] and 'sealed' or 'other' end
local chunks = redis.call('HLEN', KEYS[3])
if chunks ~= tonumber(ARGV[2]) then return chunks > tonumber(ARGV[2]) and 'other' or 'gap' end
redis.call('HSET', KEYS[1], 'rows', ARGV[1], 'sealedAt', ARGV[3])
redis.call('DEL', KEYS[2])
finish_batch(KEYS[1], ARGV[3])
return 'sealed'
`

// KEYS importer. ARGV who enqueues, life in ms. Another one may have taken the batch up, which is as well.
const RENEW = `
local standing = redis.call('GET', KEYS[1])
if standing and standing ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`

// KEYS importer. ARGV who enqueues.
const LEAVE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`

// KEYS batch, importer. Both at once: a batch that is sealed has no importer any more. (A full Redis takes no MULTI.)
const READ = `
return { redis.call('HGETALL', KEYS[1]), redis.call('EXISTS', KEYS[2]) }
`

type Read = readonly [fields: readonly string[], importing: number]

export interface BatchRecord {
  readonly lane: string
  readonly contentHash: string
  readonly createdAt: number
  readonly route: string | undefined
  readonly priority: number | undefined
  /** No row is tried before it. */
  readonly sendAt: number | undefined
  readonly expiresAt: number | undefined
  /** JSON. */
  readonly sendWindow: string | undefined
  /** Rows read, rejected ones included; undefined until the last row was acknowledged. */
  readonly rows: number | undefined
  /** Whether somebody is there who enqueues its rows. */
  readonly importing: boolean
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
  readonly route?: string | undefined
  readonly priority?: number | undefined
  readonly sendAt?: number | undefined
  readonly expiresAt?: number | undefined
  /** JSON. */
  readonly sendWindow?: string | undefined
}

/** Who enqueues a batch, and for how long that is believed. */
export interface Importer {
  readonly token: string
  readonly lifeMs: number
}

export interface BatchStore {
  open(id: string, batch: NewBatch, importer: Importer): Promise<'new' | 'same' | 'other'>
  /** `other`: it was sealed before with another number of rows, or holds more. `gap`: Redis has lost chunks. */
  seal(id: string, rows: number, chunks: number, now: number): Promise<'sealed' | 'other' | 'gap'>
  renew(id: string, importer: Importer): Promise<void>
  /** Says that nobody enqueues its rows any more. */
  leave(id: string, importer: Importer): Promise<void>
  read(id: string): Promise<BatchRecord | undefined>
  /** Number of failures by reason. */
  failures(id: string): Promise<Record<string, number>>
  /** JSON of the first failures. */
  errors(id: string): Promise<string[]>
}

export function createBatchStore(redis: Redis, keys: Keys): BatchStore {
  const open = defineScript(redis, 'fluxmailOpenBatch', 5, OPEN)
  const seal = defineScript(redis, 'fluxmailSealBatch', 3, SEAL)
  const renew = defineScript(redis, 'fluxmailRenewImporter', 1, RENEW)
  const leave = defineScript(redis, 'fluxmailLeaveBatch', 1, LEAVE)
  const read = defineScript(redis, 'fluxmailReadBatch', 2, READ)
  return {
    async open(id, { fingerprint, createdAt, ...fields }, { token, lifeMs }) {
      const named = [keys.batch(id), keys.batches, keys.batchImporter(id), keys.holding]
      const facts = [id, fingerprint, createdAt, token, lifeMs, keys.file('')]
      const given = Object.entries(fields).flatMap(([field, value]) =>
        value === undefined ? [] : [field, value],
      )
      const answer = await open([...named, keys.content(fields.contentHash)], [...facts, ...given])
      return answer as 'new' | 'same' | 'other'
    },
    async seal(id, rows, chunks, now) {
      const named = [keys.batch(id), keys.batchImporter(id), keys.batchChunks(id)]
      return (await seal(named, [rows, chunks, now])) as 'sealed' | 'other' | 'gap'
    },
    async renew(id, { token, lifeMs }) {
      await renew([keys.batchImporter(id)], [token, lifeMs])
    },
    async leave(id, { token }) {
      await leave([keys.batchImporter(id)], [token])
    },
    async read(id) {
      const [fields, importing] = (await read([keys.batch(id), keys.batchImporter(id)], [])) as Read
      return parseRecord(fieldsOf(fields), importing === 1)
    },
    async failures(id) {
      const counts = await redis.hgetall(keys.batchFailures(id))
      return Object.fromEntries(Object.entries(counts).map(([reason, count]) => [reason, Number(count)]))
    },
    errors: (id) => redis.lrange(keys.batchErrors(id), 0, -1),
  }
}

function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {}
  for (let index = 0; index + 1 < flat.length; index += 2) fields[flat[index] ?? ''] = flat[index + 1] ?? ''
  return fields
}

function parseRecord(fields: Record<string, string>, importing: boolean): BatchRecord | undefined {
  const { lane, contentHash } = fields
  if (lane === undefined || contentHash === undefined) return undefined
  const count = (field: string) => Number(fields[field] ?? 0)
  const number = (field: string) => (fields[field] === undefined ? undefined : Number(fields[field]))
  return {
    lane,
    contentHash,
    createdAt: count('createdAt'),
    route: fields.route,
    priority: number('priority'),
    sendAt: number('sendAt'),
    expiresAt: number('expiresAt'),
    sendWindow: fields.sendWindow,
    rows: number('rows'),
    importing,
    total: count('total'),
    rejected: count('rejected'),
    sent: count('sent'),
    failed: count('failed'),
    skipped: count('skipped'),
    unknown: count('unknown'),
    resent: count('resent'),
  }
}
