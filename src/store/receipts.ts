// The receipts of enqueues: what an idempotency key stands for. A key is reserved first, so that all callers agree on
// the ids of the deliveries, and its receipt is written in the transaction that adds the jobs: without them there is none.

import { defineScript, type Keys, type Redis, type ScriptCall } from '../redis.js'
import { contentLivesLua } from './content-lives.js'

/** How long an idempotency key is remembered unless told otherwise: a day. */
export const receiptTtlSeconds = 86_400
/** Without a key a receipt only has to outlive the repeat of a command whose answer was lost. */
export const unkeyedReceiptTtlSeconds = 120

/** What stands under a key before its jobs are there begins with this. */
const RESERVED = '!'

// KEYS receipt. ARGV reservation, ttl. Answers what stands there, and writes the reservation where nothing does.
const RESERVE = `
local standing = redis.call('GET', KEYS[1])
if standing then return standing end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return false
`

// KEYS content, receipt, lane counts, a key that is there when the jobs are.
// ARGV receipt, its ttl, file key prefix, how a reservation begins, then the id of each delivery.
// It runs in one transaction with the jobs and after them. Who comes second holds nothing.
const COMMIT = `
${contentLivesLua}
if redis.call('EXISTS', KEYS[4]) == 0 then return redis.error_reply('MISSING the jobs of the email') end
local standing = redis.call('GET', KEYS[2])
if standing and string.sub(standing, 1, 1) ~= ARGV[4] then
  unstage_content(KEYS[1], ARGV[3])
  return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
redis.call('HINCRBY', KEYS[3], 'accepted', #ARGV - 4)
for i = 5, #ARGV do hold_content(KEYS[1], ARGV[3], ARGV[i]) end
unstage_content(KEYS[1], ARGV[3])
return 1
`

/** What makes one email another one under the same key, and the ids of its deliveries. */
export interface Reservation {
  readonly fingerprint: string
  readonly deliveries: readonly { readonly id: string; readonly recipient: string }[]
}

export interface StoredReceipt extends Reservation {
  readonly messageId: string
}

/** What stands under a key. */
export type Standing = StoredReceipt | (Reservation & { readonly messageId?: undefined })

export interface NewReceipt {
  readonly digest: string
  readonly receipt: StoredReceipt
  readonly ttlSeconds: number
  readonly lane: string
  readonly contentHash: string
  /** The key of the last job. */
  readonly witness: string
}

export interface ReceiptStore {
  /** What stands under a key, or undefined when it now stands for `fresh`. */
  reserve(digest: string, fresh: Reservation, ttlSeconds: number): Promise<Standing | undefined>
  read(digest: string): Promise<Standing | undefined>
  /** What writes a receipt and counts its deliveries, once, in the transaction that adds their jobs. */
  commit(receipt: NewReceipt): ScriptCall
}

const COMMIT_NAME = 'fluxmailCommitReceipt'

export function createReceiptStore(redis: Redis, keys: Keys): ReceiptStore {
  const reserve = defineScript(redis, 'fluxmailReserveReceipt', 1, RESERVE)
  defineScript(redis, COMMIT_NAME, 4, COMMIT)
  return {
    async reserve(digest, fresh, ttlSeconds) {
      const reservation = `${RESERVED}${JSON.stringify(fresh)}`
      return parse(await reserve([keys.receipt(digest)], [reservation, ttlSeconds]))
    },
    read: async (digest) => parse(await redis.get(keys.receipt(digest))),
    commit({ digest, receipt, ttlSeconds, lane, contentHash, witness }) {
      const named = [keys.content(contentHash), keys.receipt(digest), keys.laneCounts(lane), witness]
      const facts = [JSON.stringify(receipt), ttlSeconds, keys.file(''), RESERVED]
      return { name: COMMIT_NAME, args: [...named, ...facts, ...receipt.deliveries.map(({ id }) => id)] }
    },
  }
}

function parse(stored: unknown): Standing | undefined {
  if (typeof stored !== 'string') return undefined
  return JSON.parse(stored.startsWith(RESERVED) ? stored.slice(RESERVED.length) : stored)
}
