import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { ageMs } from '../../src/delivery/backoff.js'
import type { Outcome } from '../../src/delivery/outcome.js'
import { factsOf } from '../../src/queue/delivery-record.js'
import { deliveryOf, type Payload, payloadOf } from '../../src/queue/payload.js'
import { settle } from '../../src/queue/settle.js'
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

const reason = { code: 'x', message: 'x' }
const held: Outcome = { kind: 'held', reason, holdMs: 1 }
const deferred: Outcome = { kind: 'deferred', reason }
const retry = { delaysMs: [10], jitter: 0, maxAgeMs: 60_000 }

test('an outage is no age, however its waiting and its attempts to connect are spread', async () => {
  const payload = payloadOf({ contentHash: '0'.repeat(64), recipient: { address: 'a@example.com' } })
  const job = await queue.add('d', payload, { jobId: 'b.0' })
  const read = (now: number) => deliveryOf(factsOf(job, 'bulk'), now)
  const end = async (outcome: Outcome, startedAt: number, now: number) => {
    job.processedOn = startedAt
    // The job is not active here, so that its move is refused; what is kept with it is what counts.
    const context = { now, chance: 0.5, retry, keep: (kept: Payload) => job.updateData(kept) }
    await settle(job, 'token', { delivery: read(startedAt), outcome }, context).catch(() => undefined)
  }
  await end(held, 0, 500)
  expect(read(900).heldMs).toBe(0)
  await end(deferred, 1_000, 1_010)
  expect(ageMs(read(2_010), 2_010)).toBe(1_000)
  // The relay goes away: two attempts to connect of 30 s each, and 5 s of waiting between them.
  await end(held, 3_010, 33_010)
  await end(held, 38_010, 68_010)
  expect(ageMs(read(73_010), 73_010)).toBe(2_000)
  await end(deferred, 73_010, 73_020)
  expect(ageMs(read(74_010), 74_010)).toBe(3_000)
})
