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
const retry = { delaysMs: [1_000], jitter: 0, maxAgeMs: 60_000 }

let jobs = 0

/** A job whose attempts end as told, each begun and ended at some time. */
async function openJob() {
  const payload = payloadOf({ contentHash: '0'.repeat(64), recipient: { address: 'a@example.com' } })
  const job = await queue.add('d', payload, { jobId: `b.${jobs++}` })
  const read = (now: number) => deliveryOf(factsOf(job, 'bulk'), now)
  return {
    read,
    async end(outcome: Outcome, startedAt: number, now: number) {
      job.processedOn = startedAt
      // The job is not active here, so that its move is refused; what is kept with it is what counts.
      const context = { now, chance: 0.5, retry, keep: (kept: Payload) => job.updateData(kept) }
      await settle(job, 'token', { delivery: read(startedAt), outcome }, context).catch(() => undefined)
    },
  }
}

test('an outage is no age, however its waiting and its attempts to connect are spread', async () => {
  const { read, end } = await openJob()
  await end(held, 0, 500)
  expect(read(900).heldMs).toBe(0)
  await end(deferred, 1_000, 1_010)
  expect(ageMs(read(2_010), 2_010)).toBe(1_000)
  // The relay goes away: two attempts to connect of 30 s each, and 5 s of waiting between them.
  await end(held, 2_010, 32_010)
  await end(held, 37_010, 67_010)
  expect(ageMs(read(72_010), 72_010)).toBe(1_000)
  await end(deferred, 72_010, 72_020)
  expect(ageMs(read(73_020), 73_020)).toBe(2_010)
})

test('a retry whose turn comes days after its time, behind a batch that takes as long, is no older for it', async () => {
  const { read, end } = await openJob()
  const day = 24 * 3_600_000
  await end(deferred, 0, 10)
  expect(ageMs(read(3 * day), 3 * day)).toBe(1_000)
  await end(deferred, 3 * day, 3 * day + 10)
  await end(held, 6 * day, 6 * day + 10)
  expect(ageMs(read(7 * day), 7 * day)).toBe(2_010)
  // Taken before its time, as by somebody who does not want to wait, it has waited for nothing.
  await end(deferred, 7 * day, 7 * day)
  expect(ageMs(read(7 * day + 100), 7 * day + 100)).toBe(2_110)
})
