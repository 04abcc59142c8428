import { expect, test } from 'vitest'
import { keysOf, type Redis } from '../../src/redis.js'
import { unpackAll } from '../../src/store/packed-rows.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { unpackRows } from '../helpers/unpacked.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }
const nobody = {
  rows: 0,
  waiting: 0,
  finished: 0,
  failed: 0,
  errors: 0,
  outcomes: 0,
  receipts: 0,
  senders: 0,
  suppressed: false,
  active: 0,
  contents: 0,
}

/** Keys that hold the text anywhere, compressed rows included. */
async function keysWith(flow: MailFlow, redis: Redis, text: string): Promise<string[]> {
  const found: string[] = []
  for (const key of await redis.keys(`{${flow.name}}*`)) {
    if ((await everything(redis, key)).toLowerCase().includes(text)) found.push(key)
  }
  return found
}

async function everything(redis: Redis, key: string): Promise<string> {
  switch (await redis.type(key)) {
    case 'hash': {
      if (!key.endsWith(':rows')) return JSON.stringify(await redis.hgetall(key))
      const chunks = await Promise.all(Object.values(await redis.hgetallBuffer(key)).map(unpackAll))
      return JSON.stringify(chunks)
    }
    case 'list':
      return (await redis.lrange(key, 0, -1)).join()
    case 'zset':
      return (await redis.zrange(key, 0, '-1')).join()
    case 'stream':
      return JSON.stringify(await redis.xrange(key, '-', '+'))
    case 'string':
      return (await redis.getBuffer(key))?.toString('latin1') ?? ''
    default:
      return ''
  }
}

test('rows that wait in chunks are taken out, counted as skipped, and never sent', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const to = (index: number) => (index % 100 === 7 ? 'Ada@Example.com' : `r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rowsTo(600, to), content)
  const alone = await flow.queue.enqueueBatch([{ to: 'ada@example.com' }], content)
  expect(await flow.queue.forget('ada@EXAMPLE.com', { dryRun: true })).toEqual({ ...nobody, rows: 7 })
  expect(await batch.status()).toMatchObject({ skipped: 0, pending: 600 })
  expect(await flow.queue.forget('ada@EXAMPLE.com')).toEqual({ ...nobody, rows: 7 })
  expect(await keysWith(flow, redis, 'ada@')).toEqual([])
  expect(await batch.status()).toMatchObject({ total: 600, skipped: 6, pending: 594 })
  expect(await alone.status()).toMatchObject({ total: 1, skipped: 1, finishedAt: expect.any(Date) })
  expect(await flow.queue.forget('ada@example.com')).toEqual(nobody)
  await flow.work()
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total: 600, sent: 594, skipped: 6 })
  expect(flow.sink.copies().size).toBe(594)
  const lane = (await flow.queue.status()).find((each) => each.lane === 'bulk')
  expect(lane).toMatchObject({ accepted: 601, sent: 594, skipped: 7, pending: 0, waiting: 0 })
  const keys = keysOf(flow.name)
  expect(await redis.hmget(keys.laneCounts('bulk'), 'packed')).toEqual(['0'])
})

test('an address is erased out of what is left of a chunk, also where its row has become a job', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const to = (index: number) => {
    if (index === 8) return 'ada@example.com'
    return index % 2 === 0 ? `r${index}@example.com` : `r${index}@gmail.com`
  }
  const batch = await flow.queue.enqueueBatch(rowsTo(100, to), content)
  await unpackRows(flow, { shut: new Set(['google/default']), left: 50 })
  expect(await flow.queue.forget('ada@example.com')).toEqual({ ...nobody, waiting: 1 })
  expect(await keysWith(flow, redis, 'ada@')).toEqual([])
  expect(await flow.queue.forget('r9@gmail.com')).toEqual({ ...nobody, rows: 1 })
  expect(await keysWith(flow, redis, 'r9@gmail')).toEqual([])
  expect(await batch.status()).toMatchObject({ total: 100, skipped: 2, pending: 98, waiting: 98 })
  await flow.work()
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total: 100, sent: 98, skipped: 2 })
  expect(flow.sink.messages).toHaveLength(98)
  const lane = (await flow.queue.status()).find((each) => each.lane === 'bulk')
  expect(lane).toMatchObject({ accepted: 100, sent: 98, skipped: 2, pending: 0, waiting: 0 })
})

test('jobs that wait, are deferred or scheduled, sent and failed ones go, with all that names the address', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const ada = 'reject-ada@example.com'
  const { deliveries } = await flow.queue.enqueue(
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [ada, 'b@example.com'] }),
    { idempotencyKey: 'one' },
  )
  expect(deliveries).toHaveLength(2)
  const outcomes = flow.queue.outcomes({ group: 'g' })
  const first = outcomes.next()
  await eventually('the group is there', () => redis.exists(keysOf(flow.name).outcomes))
  const batch = await flow.queue.enqueueBatch([{ to: ada }, { to: 'c@example.com' }], content)
  const worker = await flow.work()
  await batch.wait({ intervalMs: 20 })
  const status = () => flow.queue.status()
  await eventually('all are settled', async () => (await status()).every((lane) => lane.pending === 0))
  await worker.close()
  await flow.queue.suppressions.remove(ada)
  const later = { sendAt: new Date(Date.now() + 3_600_000) }
  const email = flow.mail.create({ subject: 'Later', body: 'Later', recipients: [ada] })
  await flow.queue.enqueue(email, later)
  const unpacked = await flow.queue.enqueueBatch([{ to: ada }], content)
  await unpackRows(flow)
  await flow.queue.suppressions.add(ada, { reason: 'complaint' })

  const before = (await status()).map(({ accepted, sent, failed }) => [accepted, sent, failed])
  const dry = { waiting: 2, failed: 2, errors: 1, receipts: 2, suppressed: true, finished: 0, active: 0 }
  for (let time = 0; time < 2; time += 1)
    expect(await flow.queue.forget(ada, { dryRun: true })).toMatchObject(dry)
  expect(await flow.queue.suppressions.get(ada)).toMatchObject({ address: ada })
  expect(await flow.queue.forget(ada)).toEqual({
    ...nobody,
    waiting: 2,
    failed: 2,
    errors: 1,
    outcomes: expect.any(Number),
    receipts: 2,
    suppressed: true,
  })
  expect(await keysWith(flow, redis, 'ada@')).toEqual([])
  expect((await status()).map(({ accepted, sent, failed }) => [accepted, sent, failed])).toEqual(before)
  expect((await status()).map(({ pending, skipped }) => [pending, skipped])).toEqual([
    [0, 1],
    [0, 1],
  ])
  expect(await unpacked.status()).toMatchObject({ total: 1, skipped: 1, pending: 0 })
  expect(await flow.queue.suppressions.get(ada)).toMatchObject({ reason: 'complaint' })
  expect(await flow.queue.failures().groups()).toEqual([])
  await first
  await outcomes.return()
})

test('an outcome that nobody has read yet is read without the address', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const ada = 'ada@example.com'
  await flow.queue.endOutcomes('g')
  const opening = flow.queue.outcomes({ group: 'g' })
  const one = opening.next()
  await eventually('the group is there', () => redis.exists(keysOf(flow.name).outcomes))
  await flow.work()
  const recipients = ['first@example.com', ada]
  const { deliveries } = await flow.queue.enqueue(flow.mail.create({ subject: 'Hi', body: 'Hi', recipients }))
  await one
  await eventually('both are sent', async () => (await flow.queue.status())[0]?.sent === 2)
  await opening.return()
  expect(await flow.queue.forget(ada)).toMatchObject({ outcomes: 1 })
  expect(await keysWith(flow, redis, 'ada@')).toEqual([])
  const told: (string | undefined)[] = []
  for await (const { id, recipient } of flow.queue.outcomes({
    group: 'g',
    signal: AbortSignal.timeout(20_000),
  })) {
    if (id !== deliveries[1]?.id) continue
    told.push(recipient)
    break
  }
  expect(told).toEqual([undefined])
})

test('what is unpacked and sent while it is forgotten is counted once, and nothing is kept of it', async () => {
  await using flow = await openMailFlow({ latencyMs: 1 })
  await using redis = openRedis(flow)
  const to = (index: number) => (index % 20 === 7 ? 'ada@example.com' : `r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rowsTo(6_000, to), content)
  await Promise.all([flow.work(), flow.work()])
  await eventually('it is under way', () => flow.sink.messages.length > 300)
  const { rows, waiting, finished, active } = await flow.queue.forget('ada@example.com')
  expect(active).toBe(0)
  expect(rows).toBeGreaterThan(0)
  expect(rows + waiting + finished).toBeLessThanOrEqual(300)
  const status = await batch.wait({ intervalMs: 50 })
  const copies = flow.sink.copies().get('ada@example.com') ?? 0
  expect(status).toMatchObject({ total: 6_000, sent: 5_700 + copies, skipped: 300 - copies, failed: 0 })
  expect(await redis.hget(keysOf(flow.name).laneCounts('bulk'), 'packed')).toBe('0')
  expect(await redis.hget(keysOf(flow.name).batch(batch.id), 'packed')).toBe('0')
  expect(await keysWith(flow, redis, 'ada@')).toEqual([])
}, 120_000)

test('a forgotten address may stay suppressed, as a digest that the claim knows', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  expect(await flow.queue.forget('Ada@example.com', { suppress: true })).toEqual({
    ...nobody,
    suppressed: true,
  })
  expect(await keysWith(flow, redis, 'ada@')).toEqual([])
  expect(await flow.queue.suppressions.has('ada@example.com')).toBe(true)
  await flow.work()
  const batch = await flow.queue.enqueueBatch([{ to: 'ada@example.com' }, { to: 'b@example.com' }], content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, skipped: 1 })
  expect([...flow.sink.copies().keys()]).toEqual(['b@example.com'])
  expect(await flow.queue.suppressions.remove('ada@example.com')).toBe(true)
  expect(await flow.queue.suppressions.has('ada@example.com')).toBe(false)
})

test('an email to several keeps its content for the others, which is told', async () => {
  await using flow = await openMailFlow()
  const recipients = ['ada@example.com', 'b@example.com']
  await flow.queue.enqueue(flow.mail.create({ subject: 'Hi', body: 'Hi', recipients }))
  expect(await flow.queue.forget('ada@example.com')).toMatchObject({ waiting: 1, contents: 1 })
  await flow.work()
  await flow.sink.waitForMessages(1)
  await eventually('it is settled', async () => (await flow.queue.status())[0]?.sent === 1)
  expect(await flow.queue.forget('ada@example.com')).toMatchObject({ waiting: 0, contents: 0 })
})

test('what is no address or no option is refused', async () => {
  await using flow = await openMailFlow()
  await expect(flow.queue.forget('nobody')).rejects.toMatchObject({ code: 'invalid_email' })
  await expect(flow.queue.forget('a@b.io', { always: true } as never)).rejects.toMatchObject({
    code: 'invalid_params',
  })
})
