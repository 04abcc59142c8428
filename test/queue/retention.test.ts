import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { Sweeper } from '../../src/queue/retention.js'
import { createRedis, keysOf, type Redis } from '../../src/redis.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, quickLanes, rowsTo } from '../helpers/mail-flow.js'
import { unpackRows } from '../helpers/unpacked.js'
import { exposed } from '../telemetry/exposed.js'

const content = {
  subject: 'Hello {{ name }}',
  text: 'Dear {{ name }}',
  sender: 'news@example.com',
  attachments: [{ filename: 'terms.txt', content: 'the terms' }],
}
const retention = { finishedSeconds: 60, failedSeconds: 600, batchSeconds: 300 }
const { transactional, bulk } = quickLanes
/** Who is refused once may be written to again, so that it can be replayed. */
const lanes = { transactional, bulk: { ...bulk, suppressOnBounce: false } } as typeof quickLanes
const daySeconds = 24 * 3600

/** Sweeps all there is, with a clock that is ahead by so many seconds. */
async function sweep(flow: MailFlow, aheadSeconds: number): Promise<void> {
  const redis = createRedis(flow.redisUrl, 'worker')
  onTestFinished(() => redis.disconnect())
  const clock = { ...systemClock, now: () => Date.now() + aheadSeconds * 1000 }
  const onError = (error: unknown) => {
    throw error
  }
  for (const lane of ['transactional', 'bulk']) {
    // A worker of this flow may have it.
    await redis.del(keysOf(flow.name).sweeping(lane))
    const sweeper = new Sweeper({ redis, keys: keysOf(flow.name), lane, retention, clock, onError })
    while (await sweeper.sweep());
    await redis.del(keysOf(flow.name).sweeping(lane))
  }
}

/** The keys of one flow that speak of a mail; what is left for a lane does not grow. */
async function mailKeys(flow: MailFlow, redis: Redis): Promise<string[]> {
  const lanes = '(transactional|bulk)'
  const constant = new RegExp(
    `^\\{[^}]+\\}:(${lanes}:(meta|id|events|marker|stalled-check|stalled|pc)|v1:(counts:${lanes}|workers|relays|(circuit|limits|buckets|connections|spent|quota):.*|replicated|unpacking:.*|sweeping:.*))$`,
  )
  return (await redis.keys(`{${flow.name}}*`)).filter((key) => !constant.test(key)).sort()
}

/** Waits until nothing is left of any mail but the bits that say for a day that rows are settled. */
async function nothingLeft(flow: MailFlow, redis: Redis): Promise<void> {
  const look = async () => {
    const left = (await mailKeys(flow, redis)).filter((key) => !key.endsWith(':settled'))
    if (left.length > 0) throw new Error(left.join(' '))
    return true
  }
  await eventually('nothing is left', look, { withinMs: 20_000 })
}

async function lives(flow: MailFlow, redis: Redis): Promise<number[]> {
  const keys = keysOf(flow.name)
  const found = [...(await redis.keys(`${keys.content('*')}`)), ...(await redis.keys(`${keys.file('*')}`))]
  return Promise.all(found.map((key) => redis.ttl(key)))
}

test('a batch that is paused for 400 days keeps all that its rows need, and is sent then', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const own = [{ filename: 'own.txt', content: 'a file of its own' }]
  const rows = rowsTo(600).map((row) => ({ ...row, attachments: own }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  await batch.pause()
  await sweep(flow, 400 * daySeconds)
  expect(await lives(flow, redis)).toEqual([-1, -1, -1])
  await flow.work()
  await batch.resume()
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total: 600, sent: 600, failed: 0 })
  expect(flow.sink.messages[0]?.bytes.toString()).toContain('own.txt')
})

test('an email and a batch for next year keep their contents, however late that is', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const sendAt = new Date(Date.now() + 365 * daySeconds * 1000)
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const receipt = await flow.queue.enqueue(email, { sendAt })
  const batch = await flow.queue.enqueueBatch(rowsTo(3), content, { sendAt })
  await sweep(flow, 364 * daySeconds)
  expect(await lives(flow, redis)).toEqual([-1, -1, -1])
  expect(await batch.status()).toMatchObject({ pending: 3, waiting: 3 })
  expect(await flow.queue.delivery(receipt.deliveries[0]?.id ?? '')).toMatchObject({ state: 'scheduled' })
})

test('failures outlive what was sent, can be replayed until their time is over, and then nothing is left', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work({ lanes })
  const to = (index: number) => (index === 0 ? 'reject-5.1.1@example.com' : `r${index}@example.com`)
  const rows = rowsTo(20, to).map((row) => ({
    ...row,
    attachments: [{ filename: 'own.txt', content: `file of ${row.to}` }],
  }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  const recipients = ['reject-5.1.1-x@example.com', 'ok@example.com']
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients })
  await flow.queue.enqueue(email, { idempotencyKey: 'k', idempotencyTtlSeconds: 1 })
  await batch.wait({ intervalMs: 20 })
  const status = () => flow.queue.status()
  await eventually('all is settled', async () => (await status()).every((lane) => lane.pending === 0))
  const keys = keysOf(flow.name)
  // The files of rows that were sent are gone at once; that of the one that failed waits with it.
  await eventually('files are gone', async () => (await redis.keys(keys.file('*'))).length === 2)

  await sweep(flow, retention.finishedSeconds + 5)
  expect(await redis.zcard(`${keys.bullPrefix}:bulk:completed`)).toBe(0)
  await sweep(flow, retention.batchSeconds + 5)
  expect(await flow.queue.failures().groups()).toMatchObject([{ count: 2 }])
  expect(await flow.queue.replay({ batch: batch.id }, { dryRun: true })).toMatchObject({ replayed: 1 })
  expect(await flow.queue.replay({ batch: batch.id })).toMatchObject({ replayed: 1, left: {} })
  const again = await batch.wait({ intervalMs: 20 })
  expect(again).toMatchObject({ sent: 19, failed: 1, failures: { '550 5.1.1': 1 } })

  const before = await status()
  await sweep(flow, retention.failedSeconds + 5)
  await eventually('the receipt is over', async () => (await redis.keys(keys.receipt('*'))).length === 0)
  await redis.del(keys.batchSettled(batch.id))
  // What a caller of the key might add again stays settled for two days, and goes by itself.
  const left = await mailKeys(flow, redis)
  expect(left.filter((key) => !key.includes(':mark:'))).toEqual([])
  for (const key of left) expect(await redis.ttl(key)).toBeGreaterThan(0)
  expect((await status()).map(({ sent, failed }) => [sent, failed])).toEqual(
    before.map(({ sent, failed }) => [sent, failed]),
  )
})

test('a content that its caller died on goes by itself, and a batch that nobody goes on with after its time', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  async function* broken() {
    yield* rowsTo(256)
    throw new Error('the caller is gone')
  }
  await flow.work()
  await expect(flow.queue.enqueueBatch(broken(), content, { batchId: 'b' })).rejects.toThrow('gone')
  await eventually('both are sent', async () => (await flow.queue.batch('b').status()).sent === 256)
  await eventually('nobody enqueues', async () => (await redis.exists(keys.batchImporter('b'))) === 0)
  await sweep(flow, 0)
  await sweep(flow, retention.batchSeconds - 5)
  expect(await flow.queue.batch('b').status()).toMatchObject({ sent: 256, sealed: false })
  await sweep(flow, retention.batchSeconds + 5)
  await expect(flow.queue.batch('b').status()).rejects.toMatchObject({ code: 'batch_not_found' })
  expect(await redis.keys(keys.content('*'))).toEqual([])
})

test('a worker sweeps by itself, in the short times that it is told', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work({ lanes, retention: { finishedSeconds: 1, failedSeconds: 2, batchSeconds: 2 } })
  const to = (index: number) => (index === 0 ? 'reject-5.7.1@example.com' : `r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rowsTo(5, to), content)
  await batch.wait({ intervalMs: 20 })
  await nothingLeft(flow, redis)
}, 60_000)

test('a batch is deleted once it is finished, and its id is that of a new one then', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const to = (index: number) => (index === 0 ? 'reject-5.7.1@example.com' : `r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rowsTo(300, to), content, { batchId: 'b' })
  await expect(batch.delete()).rejects.toMatchObject({ code: 'batch_not_finished' })
  await flow.work({ lanes })
  await batch.wait({ intervalMs: 20 })
  await eventually('no job is with a worker', async () => (await flow.queue.status())[1]?.active === 0)
  await batch.delete()
  await expect(batch.delete()).rejects.toMatchObject({ code: 'batch_not_found' })
  await nothingLeft(flow, redis)
  const before = flow.sink.messages.length
  const again = await flow.queue.enqueueBatch(rowsTo(300), content, { batchId: 'b' })
  expect(await again.wait({ intervalMs: 20 })).toMatchObject({ total: 300, sent: 300 })
  expect(flow.sink.messages).toHaveLength(before + 300)
})

test('a batch is not deleted while a worker has a job of it, also of a delivery that is settled', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(2), content, { batchId: 'b' })
  await batch.cancel()
  const active = `${keysOf(flow.name).bullPrefix}:bulk:active`
  await redis.lpush(active, 'b.1')
  await expect(batch.delete()).rejects.toMatchObject({ code: 'batch_not_finished' })
  await redis.del(active)
  await batch.delete()
})

test('what a lost worker left of a deleted batch costs a new batch of its id no row', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const old = await flow.queue.enqueueBatch(rowsTo(2), content, { batchId: 'b' })
  await old.cancel()
  await old.delete()
  await redis.set(keysOf(flow.name).mark('b.1'), 'v:sent - token')
  await flow.work()
  const batch = await flow.queue.enqueueBatch(rowsTo(3), content, { batchId: 'b' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ total: 3, sent: 3 })
  expect(flow.sink.messages).toHaveLength(3)
})

test('a row that is cancelled in its chunk is remembered by its bit, and no verdict of it for long', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const batch = await flow.queue.enqueueBatch(rowsTo(2), content)
  const id = `${batch.id}.1`
  expect(await flow.queue.cancel(id)).toBe(true)
  const life = await redis.ttl(keys.mark(id))
  expect(life).toBeGreaterThan(0)
  expect(life).toBeLessThanOrEqual(3600)
  await redis.del(keys.mark(id))
  expect(await flow.queue.delivery(id)).toMatchObject({ state: 'skipped', lastReason: 'cancelled' })
  expect(await batch.status()).toMatchObject({ skipped: 1, pending: 1 })
})

test('a batch whose importer stood still for long goes on, its content being kept until it is sealed', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  await flow.work()
  async function* slow() {
    yield* rowsTo(256)
    await eventually('they are sent', async () => (await flow.queue.batch('b').status()).sent === 256)
    await redis.del(keys.batchImporter('b'))
    await sweep(flow, 0)
    await sweep(flow, retention.finishedSeconds + 5)
    expect(await lives(flow, redis)).toEqual([-1, -1])
    yield* rowsTo(44)
  }
  const batch = await flow.queue.enqueueBatch(slow(), content, { batchId: 'b' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ total: 300, sent: 300 })
})

test('a cancelled batch is deleted with its jobs, where no worker runs', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(200), content)
  await unpackRows(flow)
  await batch.cancel()
  expect((await batch.status()).pending).toBe(200)
  await batch.delete()
  const left = async () => (await mailKeys(flow, redis)).filter((key) => !/:settled$/.test(key))
  expect(await left()).toEqual([])
  const bulk = (await flow.queue.status()).find(({ lane }) => lane === 'bulk')
  expect(bulk).toMatchObject({ accepted: 200, skipped: 200, pending: 0, waiting: 0 })
})

test.each([
  ['remembered', false],
  ['forgotten', true],
])(
  'of unknowns whose jobs go only those count as forgotten that nobody resolved, their verdicts being %s',
  async (_what, isForgotten) => {
    await using flow = await openMailFlow()
    await using redis = openRedis(flow)
    const keys = keysOf(flow.name)
    const worker = await flow.work({ lanes: { transactional: lanes.bulk, bulk: lanes.bulk } as typeof lanes })
    const recipients = ['sent', 'not', 'left'].map((name) => `lost-${name}@example.com`)
    const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients })
    const ids = (await flow.queue.enqueue(email)).deliveries.map(({ id }) => id)
    const batch = await flow.queue.enqueueBatch(
      recipients.map((to) => ({ to, name: 'A' })),
      content,
    )
    const unknown = async () => [
      await exposed(worker, 'fluxmail_unknown{lane="transactional"}'),
      await exposed(worker, 'fluxmail_unknown{lane="bulk"}'),
    ]
    await eventually('all are unknown', async () => (await unknown()).join() === '3,3')
    for (const [first = '', second = ''] of [ids, [0, 1].map((row) => `${batch.id}.${row}`)]) {
      await flow.queue.resolve(first, 'sent')
      await flow.queue.resolve(second, 'not_sent')
    }
    expect(await unknown()).toEqual([1, 1])
    const marks = [...ids, `${batch.id}.0`, `${batch.id}.1`, `${batch.id}.2`].map(keys.mark)
    if (isForgotten) await redis.unlink(...marks)
    await sweep(flow, 700)
    expect(await unknown()).toEqual([0, 0])
    const counts = ['transactional', 'bulk'].map((lane) =>
      redis.hmget(keys.laneCounts(lane), 'unknown', 'forgotten'),
    )
    expect(await Promise.all(counts)).toEqual([
      ['1', '1'],
      ['1', '1'],
    ])
  },
)
