import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const email = (flow: MailFlow, to = 'a@example.com') =>
  flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [to] })

/** Waits until the ledger remembers nothing of what was settled. */
async function forgotten(flow: MailFlow): Promise<void> {
  await using redis = openRedis(flow)
  await eventually(
    'verdicts are forgotten',
    async () => (await redis.keys(`{${flow.name}}:v1:mark:*`)).length === 0,
  )
}

test('a delivery that was sent cannot be cancelled, also when its verdict is forgotten', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const { deliveries } = await flow.queue.enqueue(email(flow))
  await flow.sink.waitForMessages(1)
  await forgotten(flow)
  expect(await flow.queue.cancel(deliveries[0]?.id ?? '')).toBe(false)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, sent: 1, skipped: 0, pending: 0 })
})

test('a key that is used again after its day enqueues a new email, although the first one failed and is kept', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  await flow.queue.enqueue(email(flow, 'reject-x@example.com'), { idempotencyKey: 'k' })
  await eventually('it failed', async () => (await flow.queue.status())[0]?.failed === 1)
  await redis.del(...(await redis.keys(`{${flow.name}}:v1:receipt:*`)))
  const again = await flow.queue.enqueue(email(flow, 'b@example.com'), { idempotencyKey: 'k' })
  expect(again.repeated).toBe(false)
  await flow.sink.waitForMessages(1)
  expect(flow.sink.copies().get('b@example.com')).toBe(1)
})

test('a row whose job cannot be read is a failure of its batch, and the batch ends', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch([{ to: 'a@example.com' }, { to: 'b@example.com' }], content)
  await redis.hset(`{${flow.name}}:bulk:${batch.id}.1`, 'data', '{"v":9}')
  await flow.work({ logLevel: 'silent' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({
    sent: 1,
    failed: 1,
    failures: { invalid_payload: 1 },
  })
  expect((await flow.queue.status())[1]).toMatchObject({ sent: 1, failed: 1, pending: 0 })
})

test('a chunk whose caller died before its jobs were added is no part of the batch, and the repeat adds it', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const rows = [{ to: 'a@example.com' }, { to: 'b@example.com' }]
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  // As the caller left it: the chunk announced, nothing of it stored, the batch not sealed.
  const chunks = `{${flow.name}}:v1:batch:b:chunks`
  await redis.hset(chunks, '0', (await redis.hget(chunks, '0'))?.replace('d', 'p') ?? '')
  await redis.hdel(`{${flow.name}}:v1:batch:b`, 'rows', 'total')
  await redis.hdel(`{${flow.name}}:v1:counts:bulk`, 'accepted')
  await redis.del(`{${flow.name}}:bulk:wait`, `{${flow.name}}:bulk:b.0`, `{${flow.name}}:bulk:b.1`)
  await flow.work()
  expect(await batch.status()).toMatchObject({ total: 0, pending: 0, sealed: false })
  await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ total: 2, sent: 2, pending: 0 })
  expect((await flow.queue.status())[1]).toMatchObject({ accepted: 2, sent: 2 })
})

test('a Redis that forgot our scripts refuses one call, and takes it again', async () => {
  // One of its own: others would lose their scripts as well.
  await using own = await openOwnRedis()
  await using flow = await openMailFlow({}, own.url)
  await flow.queue.enqueueBatch([{ to: 'a@example.com' }], content)
  await own.ask((client) => client.script('FLUSH'))
  const rows = [{ to: 'b@example.com' }, { to: 'c@example.com' }]
  const enqueue = () => flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  await enqueue().catch((error: unknown) => expect(error).toMatchObject({ code: 'queue_unavailable' }))
  await eventually('it is taken', enqueue)
  await flow.work()
  expect(await flow.queue.batch('b').wait({ intervalMs: 20 })).toMatchObject({ total: 2, sent: 2 })
  expect((await flow.queue.status())[1]).toMatchObject({ accepted: 3, pending: 0 })
})

test('the same batch enqueued by four callers at once is sent once', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const rows = Array.from({ length: 700 }, (_, index) => ({ to: `r${index}@example.com` }))
  const batches = await Promise.all(
    Array.from({ length: 4 }, () => flow.queue.enqueueBatch(rows, content, { batchId: 'b' })),
  )
  expect(await batches[0]?.wait({ intervalMs: 20 })).toMatchObject({ total: 700, sent: 700, pending: 0 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
})
