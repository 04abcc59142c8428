import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { judgeExchange } from '../../src/delivery/judge.js'
import { factsOf } from '../../src/queue/delivery-record.js'
import { deliveryOf, payloadOf } from '../../src/queue/payload.js'
import { backoffStrategy, settle } from '../../src/queue/settle.js'
import { freshName } from '../helpers/fresh-name.js'

let redis: Redis
let queue: Queue

beforeAll(() => {
  redis = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null })
  queue = new Queue('bulk', { connection: redis, prefix: `{${freshName()}}` })
})
afterAll(async () => {
  await queue.close()
  redis.disconnect()
})

const retry = { delaysMs: [60_000], jitter: 0, maxAgeMs: 3_600_000 }
const replies = [
  ['451 4.7.1 Greylisted, try again in 5 minutes', 300_000],
  ['451 4.7.1 Greylisted, try again in 5 seconds', 60_000],
  ['451 4.7.1 Greylisted, try again later', 60_000],
] as const

test.each(replies)('after %s the next attempt comes in %i ms', async (response, delayMs) => {
  const data = payloadOf({ contentHash: '0'.repeat(64), recipient: { address: 'a@example.com' } })
  const job = await queue.add('d', data)
  const delivery = deliveryOf(factsOf(job, 'bulk'), 0)
  const outcome = judgeExchange({ kind: 'refused', stage: 'rcpt', response })
  const context = { now: 0, chance: 0.5, retry, keep: async () => undefined }
  const thrown = await settle(job, 'token', { delivery, outcome }, context).catch((error: Error) => error)
  expect(thrown).toBeInstanceOf(Error)
  expect(thrown instanceof Error && backoffStrategy(1, 'custom', thrown)).toBe(delayMs)
})
