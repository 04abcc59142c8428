import { Redis } from 'ioredis'
import { afterAll, expect, test } from 'vitest'
import { MailQueue } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { activeResources, leaksSince } from '../helpers/leaks.js'
import { type MailFlow, openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { type OwnRedis, openOwnRedis } from '../helpers/own-redis.js'
import { openSlowProxy } from '../helpers/slow-proxy.js'

const atStart = activeResources()
// BullMQ looks for stalled jobs again 5 s after it was refused, and cannot be told not to.
afterAll(async () => void (await leaksSince(atStart, 6_000)))

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const CHUNK = 256

function expectOneCopyEach(flow: MailFlow, count: number): void {
  const copies = [...flow.sink.copies().values()]
  expect(copies).toHaveLength(count)
  expect(copies.filter((number) => number !== 1)).toEqual([])
}

/** Number of rows that wait, where all chunks are full. */
async function rowsOf(redis: OwnRedis, flow: MailFlow, batch: string): Promise<number> {
  return redis.ask(async (client) => CHUNK * (await client.hlen(`{${flow.name}}:v1:batch:${batch}:rows`)))
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
  async function* read() {
    for (const [index, row] of rows.entries()) {
      if (index === 12 * CHUNK) await redis.kill()
      yield row
    }
  }
  const enqueued = flow.queue.enqueueBatch(read(), content, { batchId: 'b' })
  await expect(enqueued).rejects.toMatchObject({ code: 'queue_unavailable' })
  expect(performance.now() - started).toBeLessThan(10_000)
  await redis.start()
  const half = await eventually('it answers', () => flow.queue.batch('b').status())
  const stored = await rowsOf(redis, flow, 'b')
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
  // Who connects while it is paused is told so after as long as the pause is.
  await flow.queue.status()
  const enqueued = flow.queue.enqueueBatch(rowsTo(4 * CHUNK), content)
  await redis.ask((client) => client.call('CLIENT', 'PAUSE', 3_000, 'ALL'))
  const batch = await enqueued
  await flow.sink.waitForMessages(CHUNK)
  await redis.ask((client) => client.call('CLIENT', 'PAUSE', 3_000, 'WRITE'))
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 4 * CHUNK, unknown: 0, pending: 0 })
  expectOneCopyEach(flow, 4 * CHUNK)
}, 120_000)

/** For how long a caller is kept that is told `queue_unavailable`. */
async function keptFor(call: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await expect(call()).rejects.toMatchObject({ code: 'queue_unavailable' })
  return performance.now() - started
}

test('a Redis that hangs keeps a producer for six seconds, the next one for three, and then takes mail again', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await using fresh = new MailQueue({ redis: redis.url, name: flow.name })
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  await flow.queue.enqueue(email)
  redis.freeze()
  const [first] = await Promise.all([
    keptFor(() => flow.queue.enqueue(email)),
    keptFor(() => flow.queue.enqueueBatch(rowsTo(1), content)),
    keptFor(() => fresh.enqueue(email)).then((ms) => expect(ms).toBeLessThan(4_000)),
  ])
  expect(first).toBeLessThan(7_000)
  for (let call = 0; call < 3; call += 1)
    expect(await keptFor(() => flow.queue.enqueue(email))).toBeLessThan(4_000)
  redis.thaw()
  await eventually('it takes mail again', () => flow.queue.enqueue(email))
  await eventually('so does the other', () => fresh.enqueue(email))
}, 120_000)

test('a Redis that is loading its data keeps a producer for three seconds', async () => {
  await using redis = await openOwnRedis()
  await using loading = await openOwnRedis()
  await redis.ask((client) =>
    client.eval("for i = 1, 4000 do redis.call('SET', 'junk' .. i, string.rep('x', 500)) end", 0),
  )
  // A replica loads what its primary sent; so many microseconds for each key.
  await loading.ask(async (client) => {
    await client.config('SET', 'key-load-delay', 3_000)
    await client.config('SET', 'loading-process-events-interval-bytes', 1_024)
    await client.replicaof('127.0.0.1', redis.port)
  })
  // It answers INFO meanwhile, and ioredis would wait for the end.
  const client = new Redis(loading.url, { enableReadyCheck: false })
  await eventually('it loads', async () => (await client.info('persistence')).includes('loading:1'))
  client.disconnect()
  await using queue = new MailQueue({ redis: loading.url })
  for (let call = 0; call < 2; call += 1) expect(await keptFor(() => queue.status())).toBeLessThan(4_000)
  await eventually('it has loaded', () => queue.status(), { withinMs: 30_000 })
}, 120_000)

test('a primary that was made a replica is left for the new one by workers and producers', async () => {
  await using old = await openOwnRedis()
  await using other = await openOwnRedis()
  await using proxy = await openSlowProxy(old.port)
  await using flow = await openMailFlow({}, `redis://127.0.0.1:${proxy.port}`)
  await flow.work({ lockMs: 2_000, logLevel: 'silent' })
  expect(await (await flow.queue.enqueueBatch(rowsTo(5), content)).wait({ intervalMs: 20 })).toMatchObject({
    sent: 5,
  })
  await other.ask((client) => client.replicaof('127.0.0.1', old.port))
  await eventually('it follows', () =>
    other.ask(async (client) => (await client.info('replication')).includes('master_link_status:up')),
  )
  proxy.turnTo(other.port)
  await other.ask((client) => client.replicaof('NO', 'ONE'))
  await old.ask((client) => client.replicaof('127.0.0.1', other.port))
  const batch = await eventually('it takes mail', () => flow.queue.enqueueBatch(rowsTo(20), content))
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 20, pending: 0 })
}, 120_000)

test('while Redis is away a worker says so once a second at the most, with how often it came', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({ latencyMs: 5 }, redis.url)
  const lines: { at: number; count?: number }[] = []
  const error = (fields: { count?: number }) => void lines.push({ at: performance.now(), ...fields })
  const worker = await flow.work({ lockMs: 2_000, logger: { debug() {}, info() {}, warn() {}, error } })
  await flow.queue.enqueueBatch(rowsTo(400), content)
  await flow.sink.waitForMessages(50)
  await redis.kill()
  await eventually('it was said four times', () => lines.length >= 4, { withinMs: 20_000 })
  for (const [index, { at }] of lines.entries())
    if (index > 0) expect(at - (lines[index - 1]?.at ?? 0)).toBeGreaterThan(990)
  expect(lines.some(({ count = 1 }) => count > 1)).toBe(true)
  await redis.start()
  await eventually('it is ready again by itself', () => worker.isReady)
}, 120_000)

interface Away {
  take(redis: OwnRedis): unknown
  bringBack(redis: OwnRedis): unknown
}
const ways: [string, Away][] = [
  ['was killed', { take: (redis) => redis.kill(), bringBack: (redis) => redis.start() }],
  ['hangs', { take: (redis) => redis.freeze(), bringBack: (redis) => redis.thaw() }],
]

test.each(ways)(
  'a worker with nothing on the wire waits for no deadline when Redis %s',
  async (_what, away) => {
    await using redis = await openOwnRedis()
    await using flow = await openMailFlow({}, redis.url)
    const worker = await flow.work({ logLevel: 'silent' })
    const batch = await flow.queue.enqueueBatch(rowsTo(20), content)
    await batch.wait({ intervalMs: 10 })
    await away.take(redis)
    await eventually('it is seen', () => !worker.isReady)
    const startedAt = performance.now()
    await worker.close()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  },
  60_000,
)

test.each(ways)(
  'a worker with mail on the wire closes soon after its deadline when Redis %s',
  async (_what, away) => {
    await using redis = await openOwnRedis()
    await using flow = await openMailFlow({ latencyMs: 5 }, redis.url)
    const worker = await flow.work({ logLevel: 'silent', lockMs: 2_000 })
    await flow.queue.enqueueBatch(rowsTo(500), content, { batchId: 'b' })
    await flow.sink.waitForMessages(50)
    await away.take(redis)
    const startedAt = performance.now()
    await worker.close({ deadlineMs: 500 })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    // What it could not write down is unknown to the next worker, and nothing is sent twice.
    await away.bringBack(redis)
    await flow.work({ lockMs: 2_000 })
    const { sent, unknown } = await flow.queue.batch('b').wait({ intervalMs: 20 })
    expect(sent + unknown).toBe(500)
    expect([...flow.sink.copies().values()].filter((copies) => copies > 1)).toEqual([])
  },
  60_000,
)
