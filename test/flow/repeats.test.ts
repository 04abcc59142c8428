import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'

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

test('a caller that died after its jobs were added and repeats itself later sends nothing twice', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const options = { idempotencyKey: 'k' }
  const first = await flow.queue.enqueue(email(flow), options)
  await flow.sink.waitForMessages(1)
  await eventually('it is settled', async () => (await flow.queue.status())[0]?.sent === 1)
  // As the caller left it: the receipt not marked as stored, and its finished job gone by age.
  const [receipt = ''] = await redis.keys(`{${flow.name}}:v1:receipt:*`)
  const stored = JSON.parse((await redis.get(receipt)) ?? '')
  await redis.set(receipt, JSON.stringify({ ...stored, stored: false }), 'KEEPTTL')
  const id = first.deliveries[0]?.id ?? ''
  await eventually(
    'the job is finished',
    async () => (await redis.zrem(`{${flow.name}}:transactional:completed`, id)) === 1,
  )
  await redis.del(`{${flow.name}}:transactional:${id}`)
  const again = await flow.queue.enqueue(email(flow), options)
  expect(again).toMatchObject({ repeated: true, deliveries: first.deliveries })
  await eventually('the job was looked at', async () => {
    const { state } = await flow.queue.delivery(id)
    return state === 'sent'
  })
  expect(flow.sink.messages).toHaveLength(1)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, sent: 1, pending: 0 })
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

test('a chunk whose caller died before its jobs were added is counted as pending, never below nothing', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const rows = [{ to: 'a@example.com' }, { to: 'b@example.com' }]
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  // As the caller left it: the chunk announced, its jobs not there, the batch not sealed.
  await redis.hset(
    `{${flow.name}}:v1:batch:b:chunks`,
    '0',
    (await redis.hget(`{${flow.name}}:v1:batch:b:chunks`, '0'))?.replace('d', 'p') ?? '',
  )
  await redis.hdel(`{${flow.name}}:v1:batch:b`, 'rows')
  await redis.del(`{${flow.name}}:bulk:wait`, `{${flow.name}}:bulk:b.0`, `{${flow.name}}:bulk:b.1`)
  await flow.work()
  expect(await batch.status()).toMatchObject({ total: 2, pending: 2, sealed: false })
  await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ total: 2, sent: 2, pending: 0 })
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
