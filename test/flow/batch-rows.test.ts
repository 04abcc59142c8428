import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { MailQueue } from '../../src/index.js'
import { createLaneQueues } from '../../src/queue/lane-queues.js'
import { createUnpacker } from '../../src/queue/unpack.js'
import { createRedis, keysOf } from '../../src/redis.js'
import { createChunkStore } from '../../src/store/chunks.js'
import { createTurns, type Turns } from '../../src/store/turns.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello {{ name }}', text: 'Hello', sender: 'news@example.com' }

/** What an unpacker works with, under the same keys as the flow. */
function openParts({ redisUrl, name }: MailFlow) {
  const redis = createRedis(redisUrl, 'worker')
  const keys = keysOf(name)
  const queues = createLaneQueues(redis, keys, ['bulk'])
  return {
    redis,
    keys,
    queues,
    gates: { look: async () => new Set<string>() },
    providerOf: () => 'other',
    turns: createTurns(redis, keys),
    chunks: createChunkStore(redis, keys),
    async [Symbol.asyncDispose]() {
      await queues.close()
      redis.disconnect()
    },
  }
}

test('only some hundreds of rows are jobs while they wait, and all of them count as waiting', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(3_000), content)
  const jobs = () => redis.llen(`{${flow.name}}:bulk:wait`)
  expect(await jobs()).toBe(0)
  expect((await flow.queue.status())[1]).toMatchObject({ accepted: 3_000, pending: 3_000, waiting: 3_000 })
  await flow.work({ maxPerWorkerPerSecond: 10 })
  await flow.sink.waitForMessages(5)
  const most = await eventually('rows are jobs', jobs)
  expect(most).toBeLessThan(500)
  const { waiting = 0, active = 0, delayed = 0, pending } = (await flow.queue.status())[1] ?? {}
  expect(waiting + active + delayed).toBeGreaterThan(2_900)
  expect(pending).toBeGreaterThan(2_900)
  expect(await batch.status()).toMatchObject({ total: 3_000, sealed: true })
})

test('a row that waits in its chunk is known by its id, and can be cancelled', async () => {
  await using flow = await openMailFlow()
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  const id = `${batch.id}.300`
  expect(await flow.queue.delivery(id)).toMatchObject({
    id,
    lane: 'bulk',
    batchId: batch.id,
    recipient: 'r300@example.com',
    state: 'waiting',
    attempts: 0,
  })
  await expect(flow.queue.delivery(`${batch.id}.600`)).rejects.toMatchObject({ code: 'delivery_not_found' })
  expect(await flow.queue.cancel(id)).toBe(true)
  expect(await flow.queue.cancel(id)).toBe(false)
  expect(await flow.queue.delivery(id)).toMatchObject({ state: 'skipped', lastReason: 'cancelled' })
  await flow.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ total: 600, sent: 599, skipped: 1 })
  expect(flow.sink.copies().has('r300@example.com')).toBe(false)
})

test('a batch with sendAt makes no jobs before its time, and all of them then', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const sendAt = new Date(Date.now() + 1_000)
  const batch = await flow.queue.enqueueBatch(rowsTo(300), content, { sendAt })
  expect(await flow.queue.delivery(`${batch.id}.7`)).toMatchObject({
    state: 'scheduled',
    nextAttemptAt: sendAt,
  })
  await eventually('it is put aside', () => redis.zscore(`{${flow.name}}:v1:later:bulk`, batch.id))
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 300 })
  for (const { receivedAt } of flow.sink.messages) expect(receivedAt).toBeGreaterThanOrEqual(sendAt.getTime())
})

test('a batch whose window is shut is put aside until it opens', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  // 9 to 5, on a Sunday and by a clock that shows it.
  const sunday = Date.parse('2026-11-22T12:00:00Z')
  const clock = { ...systemClock, now: () => sunday }
  const sendWindow = { days: ['mon'] as const, from: '09:00', to: '17:00', timeZone: 'UTC' }
  const batch = await flow.queue.enqueueBatch(rowsTo(3), content, { sendWindow })
  await using parts = openParts(flow)
  const unpacker = createUnpacker({ ...parts, lane: 'bulk', clock, onError: () => undefined })
  const at = await eventually('it is put aside', () => redis.zscore(`{${flow.name}}:v1:later:bulk`, batch.id))
  await unpacker.stop()
  expect(new Date(Number(at))).toEqual(new Date('2026-11-23T09:00:00Z'))
})

test('who waits for a batch that nobody enqueues any more hears of it, and it goes on when it is enqueued again', async () => {
  await using flow = await openMailFlow()
  function* breaking() {
    yield* rowsTo(600)
    throw new Error('the file ended')
  }
  await expect(flow.queue.enqueueBatch(breaking(), content, { batchId: 'b' })).rejects.toThrow('ended')
  const batch = flow.queue.batch('b')
  const incomplete = { code: 'batch_incomplete', details: { batchId: 'b' } }
  await expect(batch.wait({ intervalMs: 20 })).rejects.toMatchObject(incomplete)
  const seen: number[] = []
  const follow = async () => {
    for await (const { total } of batch.progress()) seen.push(total)
  }
  await expect(follow()).rejects.toMatchObject(incomplete)
  expect(seen).toEqual([512])
  expect(await batch.status()).toMatchObject({ total: 512, sealed: false, importing: false })
  await flow.work()
  await flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'b' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ total: 600, sent: 600 })
})

test('who enqueues rows that come slowly is known to be there', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const timers: (() => void)[] = []
  const every = (_ms: number, run: () => void) => {
    timers.push(run)
    return () => undefined
  }
  await using queue = new MailQueue({
    redis: flow.redisUrl,
    name: flow.name,
    clock: { ...systemClock, every },
  })
  const importer = `{${flow.name}}:v1:batch:b:importer`
  async function* slow() {
    yield { to: 'a@example.com' }
    // As if it had not been heard of for a long time.
    await redis.pexpire(importer, 100)
    for (const run of timers) run()
    await eventually('it is renewed', async () => (await redis.pttl(importer)) > 10_000)
    yield { to: 'b@example.com' }
  }
  const batch = await queue.enqueueBatch(slow(), content, { batchId: 'b' })
  expect(timers).toHaveLength(1)
  expect(await batch.status()).toMatchObject({ total: 2, sealed: true, importing: false })
})

test('what two workers unpack, one of them long after it was stopped, is sent once', async () => {
  await using flow = await openMailFlow()
  await using parts = openParts(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  let wake: () => void = () => undefined
  const awake = new Promise<void>((resolve) => {
    wake = resolve
  })
  // It stands still between reading a chunk and adding its jobs; the others find its lease gone.
  const turns: Turns = {
    ...parts.turns,
    look: async (options) => {
      const found = await parts.turns.look(options)
      await parts.redis.del(parts.keys.unpacking('bulk'))
      if (found.kind === 'chunk') await awake
      return found
    },
  }
  const errors: unknown[] = []
  const onError = (error: unknown) => errors.push(error)
  const stale = createUnpacker({ ...parts, turns, lane: 'bulk', clock: systemClock, onError })
  await eventually(
    'it has read a chunk',
    async () => (await parts.redis.exists(parts.keys.turns('bulk'))) === 1,
  )
  await Promise.all([flow.work(), flow.work()])
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 600 })
  // The jobs are gone, as they are when they were finished for a while.
  await parts.redis.del(...(await parts.redis.keys(`{${flow.name}}:bulk:${batch.id}.*`)))
  wake()
  await stale.stop()
  await eventually('what it added is taken', async () => {
    const { waiting, active } = (await flow.queue.status())[1] ?? {}
    return waiting === 0 && active === 0
  })
  expect(errors).toEqual([])
  expect(flow.sink.messages).toHaveLength(600)
  expect(await batch.status()).toMatchObject({ total: 600, sent: 600, pending: 0 })
  expect((await flow.queue.status())[1]).toMatchObject({ accepted: 600, sent: 600, waiting: 0 })
})

test('a worker that is closed lets another one unpack at once', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const lease = `{${flow.name}}:v1:unpacking:bulk`
  const first = await flow.work()
  const owner = await eventually('it has the lease', () => redis.get(lease))
  await flow.work()
  await first.close()
  expect(await redis.get(lease)).not.toBe(owner)
  const batch = await flow.queue.enqueueBatch(rowsTo(300), content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 300 })
})

test('500 recipients do not wait behind 50,000', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const large = await flow.queue.enqueueBatch(rowsTo(50_000), content)
  await eventually('it is under way', async () => (await large.status()).sent > 200)
  const small = await flow.queue.enqueueBatch(
    rowsTo(500, (index) => `s${index}@example.com`),
    content,
  )
  expect(await small.wait({ intervalMs: 20 })).toMatchObject({ sent: 500 })
  expect((await large.status()).pending).toBeGreaterThan(25_000)
})

test('a chunk that cannot be read fails, and stands in nobody’s way', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  const rows = `{${flow.name}}:v1:batch:${batch.id}:rows`
  const packed = await redis.hgetBuffer(rows, '0')
  await redis.hset(rows, '0', packed?.subarray(0, 40) ?? '')
  await flow.work({ logLevel: 'silent' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({
    sent: 344,
    failed: 256,
    failures: { invalid_payload: 256 },
  })
})

test('rows that come in after a batch was cancelled are skipped by whoever unpacks', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const stop = JSON.stringify({ at: 1, by: 'a test' })
  async function* rows() {
    yield* rowsTo(256)
    await eventually(
      'the first are acknowledged',
      async () => (await flow.queue.batch('b').status()).total === 256,
    )
    await redis.hset(`{${flow.name}}:v1:batch:b`, 'cancelled', stop)
    yield* rowsTo(300, (index) => `late${index}@example.com`)
  }
  const batch = await flow.queue.enqueueBatch(rows(), content, { batchId: 'b' })
  const { sent, skipped, total } = await batch.wait({ intervalMs: 20 })
  expect({ total, ended: sent + skipped }).toEqual({ total: 556, ended: 556 })
  expect(skipped).toBeGreaterThanOrEqual(300)
  expect([...flow.sink.copies().keys()].filter((address) => address.startsWith('late'))).toEqual([])
})

test('a batch that no worker can unpack is put off, and stands in nobody’s way', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const stuck = await flow.queue.enqueueBatch(rowsTo(5), content, { priority: 100 })
  const zone = { days: [1], from: '00:00', to: '24:00', timeZone: 'Nowhere/Land' }
  await redis.hset(keys.batch(stuck.id), 'sendWindow', JSON.stringify(zone))
  await flow.work()
  const batch = await flow.queue.enqueueBatch(rowsTo(5), content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 5 })
  expect(await stuck.status()).toMatchObject({ total: 5, pending: 5 })
  expect(await redis.zscore(keys.later('bulk'), stuck.id)).not.toBeNull()
})
