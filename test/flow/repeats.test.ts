import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { unpackRows } from '../helpers/unpacked.js'

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
  await unpackRows(flow)
  await redis.hset(`{${flow.name}}:bulk:${batch.id}.1`, 'data', '{"v":9}')
  await flow.work({ logLevel: 'silent' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({
    sent: 1,
    failed: 1,
    failures: { invalid_payload: 1 },
  })
  expect((await flow.queue.status())[1]).toMatchObject({ sent: 1, failed: 1, pending: 0 })
})

test('rows that Redis has lost are said to be lost, and the same batch again brings them back', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = `{${flow.name}}:v1:batch:b`
  // As a Redis comes back that has lost its last writes while rows were stored.
  async function* losing() {
    for (const [index, row] of rowsTo(1_500).entries()) {
      if (index === 1_400) await redis.del(batch, `${batch}:chunks`, `${batch}:rows`)
      yield row
    }
  }
  await expect(flow.queue.enqueueBatch(losing(), content, { batchId: 'b' })).rejects.toMatchObject({
    code: 'queue_unavailable',
    message: expect.stringContaining('has lost rows of batch b'),
  })
  await flow.queue.enqueueBatch(rowsTo(1_500), content, { batchId: 'b' })
  expect(await flow.queue.batch('b').status()).toMatchObject({ total: 1_500, sealed: true })
})

test('a Redis that forgot our scripts refuses one call, and takes it again', async () => {
  // One of its own: others would lose their scripts as well.
  await using own = await openOwnRedis()
  await using flow = await openMailFlow({}, own.url)
  const first = await flow.queue.enqueueBatch([{ to: 'a@example.com' }], content)
  await own.ask((client) => client.script('FLUSH'))
  const rows = [{ to: 'b@example.com' }, { to: 'c@example.com' }]
  const enqueue = () => flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  await enqueue().catch((error: unknown) => expect(error).toMatchObject({ code: 'queue_unavailable' }))
  await eventually('it is taken', enqueue)
  await flow.work()
  expect(await flow.queue.batch('b').wait({ intervalMs: 20 })).toMatchObject({ total: 2, sent: 2 })
  expect(await first.wait({ intervalMs: 20 })).toMatchObject({ total: 1, sent: 1 })
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
