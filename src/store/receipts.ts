// The receipts under idempotency keys: whether the jobs of one were all added, and its deliveries counted, once.

import { defineScript, type Keys, type Redis } from '../redis.js'

/** How long an idempotency key is remembered: a day. */
export const receiptTtlSeconds = 86_400

// KEYS receipt, lane counts. ARGV receipt as it stood, receipt as it is now, deliveries.
const ACCEPT = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
redis.call('HINCRBY', KEYS[2], 'accepted', ARGV[3])
return 1
`

export interface ReceiptStore {
  /** The key of a receipt in Redis. */
  keyOf(digest: string): string
  /** Counts deliveries whose jobs are all there. */
  accept(lane: string, deliveries: number): Promise<void>
  /** The same for a receipt that `before` stands for, and once however many callers have added its jobs. */
  acceptOnce(lane: string, deliveries: number, digest: string, before: string, after: string): Promise<void>
}

export function createReceiptStore(redis: Redis, keys: Keys): ReceiptStore {
  const acceptOnce = defineScript(redis, 'fluxmailAcceptReceipt', 2, ACCEPT)
  return {
    keyOf: keys.receipt,
    async accept(lane, deliveries) {
      await redis.hincrby(keys.laneCounts(lane), 'accepted', deliveries)
    },
    async acceptOnce(lane, deliveries, digest, before, after) {
      await acceptOnce([keys.receipt(digest), keys.laneCounts(lane)], [before, after, deliveries])
    },
  }
}
