import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { type OwnRedis, openOwnRedis } from '../helpers/own-redis.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const CHUNK = 250

function expectOneCopyEach(flow: MailFlow, count: number): void {
  const copies = [...flow.sink.copies().values()]
  expect(copies).toHaveLength(count)
  expect(copies.filter((number) => number !== 1)).toEqual([])
}

/** Number of jobs in the bulk lane, whatever they are doing. */
async function jobsOf(redis: OwnRedis, flow: MailFlow, batch: string): Promise<number> {
  return redis.ask(async (client) => (await client.keys(`{${flow.name}}:bulk:${batch}.*`)).length)
}

test('Redis killed -9 while a batch drains: every outcome is kept until it is back, and nothing is sent twice', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({ latencyMs: 5 }, redis.url)
  const worker = await flow.work({ lockMs: 2_000, logLevel: 'silent' })
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'b' })
  for (const at of [100, 300]) {
    await flow.sink.waitForMessages(at)
    await redis.kill()
    await eventually('it is not ready', () => !worker.isReady)
    const onTheWire = flow.sink.messages.length
    await redis.start()
    expect(flow.sink.messages.length - onTheWire).toBeLessThanOrEqual(20)
    await eventually('it is ready again by itself', () => worker.isReady)
  }
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 600, unknown: 0, failed: 0, pending: 0 })
  expectOneCopyEach(flow, 600)
}, 120_000)

test('outcomes of what was on the wire when Redis was killed are recorded once it is back', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await flow.work({ lockMs: 2_000, logLevel: 'silent' })
  const rows = rowsTo(5, (index) => `slow-1-r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  await flow.sink.waitForMessages(5)
  await redis.kill()
  // The replies to the final dots come a second after the messages, while nobody can write them down.
  const answeredAt = Math.max(...flow.sink.messages.map(({ receivedAt }) => receivedAt)) + 1_000
  await eventually('the relay has answered', () => Date.now() > answeredAt + 250)
  await redis.start()
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 5, unknown: 0, pending: 0 })
  expectOneCopyEach(flow, 5)
}, 120_000)

test('Redis killed -9 while a batch is enqueued: the producer hears of it, chunks are there whole or not at all, and the same call completes it', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  const rows = rowsTo(20 * CHUNK)
  const started = performance.now()
  const enqueued = flow.queue.enqueueBatch(rows, content, { batchId: 'b' }).catch((error: unknown) => error)
  await eventually('some chunks are there', async () => (await jobsOf(redis, flow, 'b')) > 2 * CHUNK, {
    everyMs: 1,
  })
  await redis.kill()
  expect(await enqueued).toMatchObject({ code: 'queue_unavailable' })
  expect(performance.now() - started).toBeLessThan(10_000)
  await redis.start()
  const half = await eventually('it answers', () => flow.queue.batch('b').status())
  const stored = await jobsOf(redis, flow, 'b')
  expect(stored).toBeGreaterThan(0)
  expect(stored).toBeLessThan(rows.length)
  expect(stored % CHUNK).toBe(0)
  expect(half).toMatchObject({ total: stored, pending: stored, sealed: false })
  await flow.work({ logLevel: 'silent' })
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total: rows.length, sent: rows.length })
  expect((await flow.queue.status())[1]).toMatchObject({ accepted: rows.length, sent: rows.length })
  expectOneCopyEach(flow, rows.length)
}, 120_000)

test('while Redis is away a producer fails at once, again and again', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await flow.queue.status()
  await redis.kill()
  for (let call = 0; call < 3; call += 1) {
    const started = performance.now()
    const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
    await expect(flow.queue.enqueue(email)).rejects.toMatchObject({ code: 'queue_unavailable' })
    await expect(flow.queue.enqueueBatch(rowsTo(1), content)).rejects.toMatchObject({
      code: 'queue_unavailable',
    })
    expect(performance.now() - started).toBeLessThan(5_000)
  }
  await redis.start()
  await eventually('it takes mail again', () => flow.queue.enqueueBatch(rowsTo(1), content))
}, 120_000)

test('a Redis that is frozen while a batch drains is noticed, and nothing is lost or sent twice', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({ latencyMs: 5 }, redis.url)
  const worker = await flow.work({ lockMs: 3_000, logLevel: 'silent' })
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  await flow.sink.waitForMessages(100)
  redis.freeze()
  await eventually('it is not ready', () => !worker.isReady, { withinMs: 15_000 })
  const whileFrozen = flow.sink.messages.length
  redis.thaw()
  await eventually('it is ready again by itself', () => worker.isReady)
  expect(whileFrozen).toBeLessThan(600)
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 600, unknown: 0, pending: 0 })
  expectOneCopyEach(flow, 600)
}, 120_000)

test('a Redis that is paused while a batch is enqueued and drained only makes it later', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({ latencyMs: 2 }, redis.url)
  await flow.work({ lockMs: 2_000, logLevel: 'silent' })
  const enqueued = flow.queue.enqueueBatch(rowsTo(4 * CHUNK), content)
  await redis.ask((client) => client.call('CLIENT', 'PAUSE', 3_000, 'ALL'))
  const batch = await enqueued
  await flow.sink.waitForMessages(CHUNK)
  await redis.ask((client) => client.call('CLIENT', 'PAUSE', 3_000, 'WRITE'))
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 4 * CHUNK, unknown: 0, pending: 0 })
  expectOneCopyEach(flow, 4 * CHUNK)
}, 120_000)
