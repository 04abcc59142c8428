import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { afterAll, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { activeResources, leaksSince } from '../helpers/leaks.js'
import { type MailFlow, openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { type OwnRedis, openOwnRedis } from '../helpers/own-redis.js'
import { unpackRows } from '../helpers/unpacked.js'

const atStart = activeResources()
// BullMQ looks for stalled jobs again 5 s after it was refused, and cannot be told not to.
afterAll(async () => void (await leaksSince(atStart, 6_000)))

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

function expectOneCopyEach(flow: MailFlow, count: number): void {
  const copies = [...flow.sink.copies().values()]
  expect(copies).toHaveLength(count)
  expect(copies.filter((number) => number !== 1)).toEqual([])
}

async function used(client: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
}

const JUNK_BYTES = 30_000_000

/** Fills Redis with what is not ours, so that a tenth of it is more than a few buffers. */
function fill(redis: OwnRedis): Promise<unknown> {
  return redis.ask((client) => client.set('junk', 'x'.repeat(JUNK_BYTES)))
}

/** Sets the limit so that `share` of it is used. */
function limit(redis: OwnRedis, share: number): Promise<unknown> {
  return redis.ask(async (client) =>
    client.config('SET', 'maxmemory', Math.round((await used(client)) / share)),
  )
}

function unlimit(redis: OwnRedis): Promise<unknown> {
  return redis.ask((client) => client.config('SET', 'maxmemory', 0))
}

/** How often Redis has refused a command for want of memory. */
function refusals(redis: OwnRedis): Promise<number> {
  return redis.ask(async (client) =>
    Number(/errorstat_OOM:count=(\d+)/.exec(await client.info('errorstats'))?.[1] ?? 0),
  )
}

/** A logger that counts what an operator would have to read. */
function countingLogger() {
  const lines: string[] = []
  const keep = (_fields: object, message: string) => void lines.push(message)
  return { lines, logger: { debug() {}, info() {}, warn: keep, error: keep } }
}

test('at nine tenths of its memory nothing more is enqueued, workers go on, and then it is taken again', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await fill(redis)
  await flow.queue.enqueueBatch(rowsTo(500), content, { batchId: 'first' })
  await limit(redis, 0.92)
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const full = {
    code: 'queue_full',
    message: expect.stringMatching(/nearly full: it uses 3\d\.\d MB of 3\d/),
  }
  const refused = () =>
    flow.queue.enqueue(email).then(
      () => undefined,
      (error: unknown) => error,
    )
  expect(await eventually('it is seen', refused)).toMatchObject(full)
  await expect(flow.queue.enqueueBatch(rowsTo(3), content, { batchId: 'x' })).rejects.toMatchObject(full)
  const [{ accepted = -1 } = {}] = await flow.queue.status()
  await flow.work()
  expect(await flow.queue.batch('first').wait({ intervalMs: 20 })).toMatchObject({ sent: 500, pending: 0 })
  await redis.ask((client) => client.unlink('junk'))
  await eventually('it is taken', () => flow.queue.enqueueBatch(rowsTo(3), content, { batchId: 'x' }))
  expect((await flow.queue.status()).map((lane) => lane.accepted)).toEqual([accepted, 503])
}, 120_000)

test('a key that is refused for want of room takes none, and one that has its receipt is answered all the same', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await fill(redis)
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const enqueue = (idempotencyKey: string) => flow.queue.enqueue(email, { idempotencyKey })
  const receipt = await enqueue('before')
  await limit(redis, 0.92)
  const refused = (key: string) =>
    enqueue(key).then(
      () => undefined,
      ({ code }) => code,
    )
  expect(await eventually('it is seen', () => refused(`early ${performance.now()}`))).toBe('queue_full')
  const keys = () => redis.ask((client) => client.dbsize())
  const before = await keys()
  for (let n = 0; n < 50; n += 1) expect(await refused(`key ${n}`)).toBe('queue_full')
  expect(await keys()).toBe(before)
  expect(await enqueue('before')).toEqual({ ...receipt, repeated: true })
}, 60_000)

test('a chunk that finds no room is not there at all, and the same call completes the batch', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await fill(redis)
  await flow.queue.enqueueBatch([{ to: 'first@example.com' }], content)
  // What nothing can compress, so that a chunk takes its room.
  const rows = rowsTo(4_000).map((row) => ({ ...row, token: randomBytes(300).toString('hex') }))
  // The limit comes while the batch is being stored, faster than the look at it.
  async function* read() {
    const setLimit = async (client: Redis) =>
      client.config('SET', 'maxmemory', (await used(client)) + 100_000)
    for (const [index, row] of rows.entries()) {
      if (index === 1_500) await redis.ask(setLimit)
      yield row
    }
  }
  const enqueued = flow.queue.enqueueBatch(read(), content, { batchId: 'b' })
  await expect(enqueued).rejects.toMatchObject({ code: 'queue_full' })
  const { total } = await flow.queue.batch('b').status()
  const chunks = await redis.ask((client) => client.hlen(`{${flow.name}}:v1:batch:b:rows`))
  expect(total).toBeGreaterThan(500)
  expect(total).toBeLessThan(4_000)
  expect(total).toBe(chunks * 256)
  await unlimit(redis)
  await flow.work()
  await eventually('it has room', () => flow.queue.enqueueBatch(rows, content, { batchId: 'b' }))
  expect(await flow.queue.batch('b').wait({ intervalMs: 20 })).toMatchObject({ total: 4_000, sent: 4_000 })
  expectOneCopyEach(flow, 4_001)
}, 120_000)

test('an idle worker on a full Redis asks and complains about once a second, says that it is not ready, and goes on by itself', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await fill(redis)
  const batch = await flow.queue.enqueueBatch(rowsTo(250), content)
  await unpackRows(flow)
  await limit(redis, 1.05)
  const { lines, logger } = countingLogger()
  const worker = await flow.work({ logger, lockMs: 2_000 })
  const [refusedBefore, cpuBefore, startedAt] = [await refusals(redis), process.cpuUsage(), performance.now()]
  await eventually('it is not ready', () => !worker.isReady, { withinMs: 15_000 })
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  expect(seconds).toBeGreaterThan(2)
  expect(((await refusals(redis)) - refusedBefore) / seconds).toBeLessThan(10)
  expect((user + system) / 1e6 / seconds).toBeLessThan(0.5)
  expect(lines.length).toBeLessThanOrEqual(Math.ceil(seconds) + 3)
  expect(flow.sink.messages).toHaveLength(0)
  await redis.ask((client) => client.unlink('junk'))
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 250, unknown: 0, pending: 0 })
  expect(worker.isReady).toBe(true)
  expectOneCopyEach(flow, 250)
}, 120_000)

test('a busy worker drains a Redis that is over its limit, each delivery marked and none sent twice', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({ latencyMs: 20 }, redis.url)
  await fill(redis)
  const { lines, logger } = countingLogger()
  await flow.work({ logger, lockMs: 2_000 })
  const rows = rowsTo(1_500, (index) =>
    index % 10 ? `r${index}@example.com` : `defer-1-r${index}@example.com`,
  )
  const batch = await flow.queue.enqueueBatch(rows, content)
  const packed = `{${flow.name}}:v1:counts:bulk`
  await eventually(
    'all rows are jobs',
    () => redis.ask(async (client) => (await client.hget(packed, 'packed')) === '0'),
    { withinMs: 60_000 },
  )
  expect((await batch.status()).pending).toBeGreaterThan(100)
  await limit(redis, 1.05)
  const startedAt = performance.now()
  const result = await batch.wait({ intervalMs: 20 })
  const seconds = (performance.now() - startedAt) / 1000
  expect(result).toMatchObject({ sent: 1_500, unknown: 0, failed: 0, pending: 0 })
  expect(lines.length).toBeLessThanOrEqual(Math.ceil(seconds) + 3)
  expectOneCopyEach(flow, 1_500)
}, 120_000)

test('rows that find no room for their jobs wait, and are sent once there is', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await fill(redis)
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  await limit(redis, 1.05)
  const { lines, logger } = countingLogger()
  await flow.work({ logger, lockMs: 2_000 })
  await eventually('it is said', () => lines.some((line) => line.includes('rows could not be unpacked')))
  expect(await batch.status()).toMatchObject({ total: 600, pending: 600 })
  await redis.ask((client) => client.unlink('junk'))
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 600, pending: 0 })
  expectOneCopyEach(flow, 600)
}, 120_000)
