// The receipts under idempotency keys: what a key stands for, and whether its jobs are all there.

import type { Keys, Redis } from '../redis.js'

/** How long an idempotency key is remembered: a day. */
export const receiptTtlSeconds = 86_400
/** Without a key a receipt only has to outlive the repeat of a command whose answer was lost. */
export const unkeyedReceiptTtlSeconds = 120

export interface ReceiptStore {
  /** The key of a receipt in Redis. */
  keyOf(digest: string): string
  /** Writes over a receipt and leaves it its time to live. */
  replace(digest: string, json: string): Promise<void>
}

export function createReceiptStore(redis: Redis, keys: Keys): ReceiptStore {
  return {
    keyOf: keys.receipt,
    async replace(digest, json) {
      await redis.set(keys.receipt(digest), json, 'KEEPTTL')
    },
  }
}
