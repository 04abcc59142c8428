import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { FluxMailError, MailQueue } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

test('each address of To, Cc and Bcc is one delivery, however often it stands there', async () => {
  await using flow = await openMailFlow()
  const email = flow.mail.create({
    subject: 'Hi',
    body: 'Hi',
    recipients: ['a@example.com', 'b@EXAMPLE.com'],
    cc: ['b@example.com', 'c@bücher.example'],
    bcc: ['a@example.com', 'c@xn--bcher-kva.example', 'hidden@example.com'],
  })
  const receipt = await flow.queue.enqueue(email)
  const recipients = receipt.deliveries.map((delivery) => delivery.recipient)
  expect(recipients).toEqual([
    'a@example.com',
    'b@example.com',
    'c@xn--bcher-kva.example',
    'hidden@example.com',
  ])
  await flow.work()
  await flow.sink.waitForMessages(4)
  expect(flow.sink.messages.every((message) => message.to.length === 1)).toBe(true)
  const texts = new Set(flow.sink.messages.map((message) => message.bytes.toString()))
  expect(texts.size).toBe(1)
  expect([...texts][0]).not.toContain('hidden')
})

test('the same idempotency key with the same email is enqueued once, also by many callers at once', async () => {
  await using flow = await openMailFlow()
  const create = () => flow.mail.create({ subject: 'Once', body: 'Once', recipients: ['a@example.com'] })
  const receipts = await Promise.all(
    Array.from({ length: 20 }, () => flow.queue.enqueue(create(), { idempotencyKey: 'order-1' })),
  )
  expect(receipts.filter((receipt) => !receipt.repeated)).toHaveLength(1)
  expect(new Set(receipts.map((receipt) => receipt.messageId)).size).toBe(1)
  await flow.work()
  await flow.sink.waitForMessages(1)
  await eventually('it is settled', async () => (await flow.queue.status())[0]?.sent === 1)
  const later = await flow.queue.enqueue(create(), { idempotencyKey: 'order-1' })
  expect(later).toMatchObject({ repeated: true, messageId: receipts[0]?.messageId })
  expect((await flow.queue.status())[0]).toMatchObject({ pending: 0, waiting: 0 })
})

test('the same idempotency key with another email is refused', async () => {
  await using flow = await openMailFlow()
  const create = (body: string) => flow.mail.create({ subject: 'Once', body, recipients: ['a@example.com'] })
  await flow.queue.enqueue(create('one'), { idempotencyKey: 'order-1' })
  await expect(flow.queue.enqueue(create('two'), { idempotencyKey: 'order-1' })).rejects.toMatchObject({
    code: 'idempotency_conflict',
  })
})

test('the same batch with the same rows enqueues nothing twice, while it waits and after it was sent', async () => {
  await using flow = await openMailFlow()
  const enqueue = () => flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'spring' })
  await enqueue()
  const again = await enqueue()
  expect(await again.status()).toMatchObject({ total: 600, pending: 600 })
  await flow.work()
  await again.wait({ intervalMs: 20 })
  expect(await (await enqueue()).status()).toMatchObject({ total: 600, sent: 600, pending: 0 })
  expect(flow.sink.messages).toHaveLength(600)
})

test('the same batch with another row, another number of rows or another content is refused', async () => {
  await using flow = await openMailFlow()
  const options = { batchId: 'spring' }
  await flow.queue.enqueueBatch(rowsTo(500), content, options)
  const conflict = { code: 'batch_conflict' }
  const other = rowsTo(500).map((row, index) => (index === 499 ? { ...row, name: 'Other' } : row))
  await expect(flow.queue.enqueueBatch(other, content, options)).rejects.toMatchObject(conflict)
  await expect(flow.queue.enqueueBatch(rowsTo(250), content, options)).rejects.toMatchObject(conflict)
  await expect(flow.queue.enqueueBatch(rowsTo(501), content, options)).rejects.toMatchObject(conflict)
  const otherContent = { ...content, subject: 'Other' }
  await expect(flow.queue.enqueueBatch(rowsTo(500), otherContent, options)).rejects.toMatchObject(conflict)
  expect(await flow.queue.batch('spring').status()).toMatchObject({ total: 500 })
})

test('a batch whose rows broke off goes on when it is enqueued again', async () => {
  await using flow = await openMailFlow()
  const rows = rowsTo(700)
  function* breaking() {
    yield* rows.slice(0, 600)
    throw new Error('the file ended')
  }
  await expect(flow.queue.enqueueBatch(breaking(), content, { batchId: 'b' })).rejects.toThrow(
    'the file ended',
  )
  expect(await flow.queue.batch('b').status()).toMatchObject({ total: 512, sealed: false })
  await flow.work()
  await flow.sink.waitForMessages(512)
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'b' })
  await batch.wait({ intervalMs: 20 })
  expect([...flow.sink.copies().values()].filter((copies) => copies === 1)).toHaveLength(700)
})

test('rows that cannot be a delivery are reported with their ordinal and counted, and stop nothing', async () => {
  await using flow = await openMailFlow()
  const rejected: [number, string][] = []
  const rows = [
    { to: 'a@example.com' },
    { to: 'a@x.io, b@y.io' },
    { to: '' },
    { to: 'b@example.com', big: 1n },
    { to: 'c@example.com' },
  ]
  const batch = await flow.queue.enqueueBatch(rows, content, {
    onReject: (_row, error, ordinal) => rejected.push([ordinal, error.code]),
  })
  expect(rejected).toEqual([
    [1, 'invalid_email'],
    [2, 'no_email'],
    [3, 'invalid_params'],
  ])
  expect(await batch.status()).toMatchObject({ total: 2, rejected: 3, pending: 2 })
})

test('rows are read as they are stored, never all at once', async () => {
  await using flow = await openMailFlow()
  let read = 0
  let ahead = 0
  async function* rows() {
    for (const row of rowsTo(4000)) {
      read += 1
      if (read % 256 === 1 && read > 1)
        ahead = Math.max(ahead, read - (await flow.queue.batch('b').status()).total)
      yield row
    }
  }
  await flow.queue.enqueueBatch(rows(), content, { batchId: 'b' })
  expect(ahead).toBeLessThanOrEqual(5 * 256 + 1)
})

test('a row of 150 bytes costs Redis under 100 bytes while it waits, all told', async () => {
  await using own = await openOwnRedis()
  await using queue = new MailQueue({ redis: own.url, name: 'q' })
  const row = (index: number) => ({
    to: `recipient-${index}@example.com`,
    name: 'Ada Lovelace',
    city: index % 2 ? 'London' : 'Arlington',
    // What nothing can compress to less than half.
    token: randomBytes(30).toString('hex'),
  })
  expect(JSON.stringify(row(10_000)).length).toBeGreaterThanOrEqual(145)
  const used = async () => {
    const info = await own.ask((client) => client.info('memory'))
    return Number(/used_memory:(\d+)/.exec(info)?.[1])
  }
  await queue.enqueueBatch([row(0)], content)
  const before = await used()
  await queue.enqueueBatch(
    Array.from({ length: 20_000 }, (_, index) => row(index)),
    content,
  )
  expect(((await used()) - before) / 20_000).toBeLessThan(100)
})

test('a delivery with sendAt waits for its time, and one past its expiresAt fails as expired', async () => {
  await using flow = await openMailFlow()
  const email = (to: string) => flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [to] })
  const soon = new Date(Date.now() + 400)
  await flow.queue.enqueue(email('later@example.com'), { sendAt: soon })
  const late = await flow.queue.enqueue(email('late@example.com'), { expiresAt: new Date(Date.now() - 1) })
  await flow.work()
  await flow.sink.waitForMessages(1)
  expect(flow.sink.messages[0]?.receivedAt).toBeGreaterThanOrEqual(soon.getTime())
  expect(flow.sink.copies().has('late@example.com')).toBe(false)
  expect(await flow.queue.delivery(late.deliveries[0]?.id ?? '')).toMatchObject({ state: 'failed' })
})

test('a cancelled delivery is skipped and never sent', async () => {
  await using flow = await openMailFlow()
  const email = (to: string) => flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [to] })
  const receipt = await flow.queue.enqueue(email('cancelled@example.com'), {
    sendAt: new Date(Date.now() + 3_600_000),
  })
  const id = receipt.deliveries[0]?.id ?? ''
  expect(await flow.queue.cancel(id)).toBe(true)
  expect(await flow.queue.cancel(id)).toBe(false)
  await flow.work()
  await flow.queue.enqueue(email('sent@example.com'))
  await flow.sink.waitForMessages(1)
  await eventually('the cancelled job is finished', async () => (await flow.queue.status())[0]?.delayed === 0)
  expect(flow.sink.copies().has('cancelled@example.com')).toBe(false)
  expect(await flow.queue.delivery(id)).toMatchObject({ state: 'skipped' })
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 2, sent: 1, skipped: 1, pending: 0 })
})

test('the content of an email is gone from Redis when its last delivery was sent', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const kept = () => redis.keys(`{${flow.name}}:v1:content:*`)
  const attachments = [{ filename: 'a.txt', content: 'same bytes' }]
  const email = flow.mail.create({
    subject: 'Hi',
    body: 'Hi',
    recipients: ['a@example.com', 'b@example.com'],
    attachments,
  })
  await flow.queue.enqueue(email)
  expect(await kept()).toHaveLength(1)
  expect(await redis.keys(`{${flow.name}}:v1:file:*`)).toHaveLength(1)
  await flow.work()
  await flow.sink.waitForMessages(2)
  await eventually('content and file are gone', async () => (await kept()).length === 0)
  expect(await redis.keys(`{${flow.name}}:v1:file:*`)).toHaveLength(0)
})

test('what is not an email or has wrong options is refused before anything is stored', async () => {
  await using flow = await openMailFlow()
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const invalid = { code: 'invalid_params' }
  await expect(flow.queue.enqueue({ subject: 'Hi' } as never)).rejects.toMatchObject(invalid)
  await expect(flow.queue.enqueue(email, { lane: 'nosuch' })).rejects.toMatchObject(invalid)
  await expect(flow.queue.enqueue(email, { sendAt: '2026-01-01' } as never)).rejects.toMatchObject(invalid)
  await expect(flow.queue.enqueue(email, { priority: 1 } as never)).rejects.toMatchObject(invalid)
  await expect(flow.queue.enqueueBatch([], content, { batchId: 'a:b' })).rejects.toMatchObject(invalid)
  await expect(flow.queue.enqueueBatch([], content, { priority: 0 })).rejects.toMatchObject(invalid)
  await expect(flow.queue.batch('nosuch').status()).rejects.toMatchObject({ code: 'batch_not_found' })
  await expect(flow.queue.delivery('nosuch')).rejects.toMatchObject({ code: 'delivery_not_found' })
  expect(await flow.queue.status()).toMatchObject([{ accepted: 0 }, { accepted: 0 }])
})

test('without Redis a producer fails fast and says so', async () => {
  const queue = new MailQueue({ redis: 'redis://127.0.0.1:1', name: freshName() })
  const error = await queue.status().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(FluxMailError)
  expect(error).toMatchObject({ code: 'queue_unavailable' })
  await queue.close()
})
