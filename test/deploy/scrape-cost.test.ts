import type { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import type { DeliveryWorker } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { exposed } from '../telemetry/exposed.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const SCRAPES = 20

/** What all commands since the start took of Redis, in milliseconds. */
async function busyMs(redis: Redis): Promise<number> {
  const spent = [...(await redis.info('commandstats')).matchAll(/usec=(\d+)/g)]
  return spent.reduce((sum, [, usec]) => sum + Number(usec), 0) / 1_000
}

/** What one scrape takes of Redis: the least of some, since others use this machine; and how long the slowest lasts. */
async function costOf(worker: DeliveryWorker, redis: Redis): Promise<{ leastMs: number; slowestMs: number }> {
  let [leastMs, slowestMs] = [Number.POSITIVE_INFINITY, 0]
  for (let scrape = 0; scrape < SCRAPES; scrape += 1) {
    const [before, askedAt] = [await busyMs(redis), performance.now()]
    await worker.metrics.expose()
    slowestMs = Math.max(slowestMs, performance.now() - askedAt)
    leastMs = Math.min(leastMs, (await busyMs(redis)) - before)
  }
  return { leastMs, slowestMs }
}

test('a scrape costs Redis some milliseconds, with a hundred batches and with a thousand', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  const worker = await flow.work()
  const sendAt = new Date(Date.now() + 3_600_000)
  let stored = 0
  for (const batches of [100, 1_000]) {
    for (; stored < batches; stored += 1)
      await flow.queue.enqueueBatch([{ to: 'a@example.com' }], content, { sendAt })
    const cost = await redis.ask((client) => costOf(worker, client))
    expect(await exposed(worker, 'fluxmail_batches{lane="bulk",state="scheduled"}')).toBe(batches)
    expect(cost.leastMs).toBeLessThan(batches === 100 ? 5 : 25)
    expect(cost.slowestMs).toBeLessThan(1_000)
  }
}, 120_000)

test('a Redis that does not answer costs a scrape no more than a second, and what nobody knows has no value', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  const worker = await flow.work()
  await eventually(
    'Redis has answered',
    async () => Number(await exposed(worker, 'fluxmail_redis_round_trip_seconds')) > 0,
  )
  expect(await exposed(worker, 'fluxmail_redis_up')).toBe(1)
  expect(await exposed(worker, 'fluxmail_redis_append_only{shard="0"}')).toBe(1)
  redis.freeze()
  const askedAt = performance.now()
  const text = await worker.metrics.expose()
  expect(performance.now() - askedAt).toBeLessThan(1_500)
  expect(text).not.toMatch(/^fluxmail_(jobs|batches|unknown|workers|redis_memory_bytes)\b/m)
  expect(text).toMatch(/^fluxmail_build_info\{.*role="worker"\} 1$/m)
  await eventually('it is found to be away', async () => (await exposed(worker, 'fluxmail_redis_up')) === 0)
  expect(await exposed(worker, 'fluxmail_redis_round_trip_seconds')).toBeUndefined()
  redis.thaw()
  await eventually('it is back', async () => (await exposed(worker, 'fluxmail_redis_up')) === 1)
  expect(await exposed(worker, 'fluxmail_workers')).toBe(1)
})
