import { expect, test } from 'vitest'
import { openSink } from '../../src/sink/sink.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

test('a batch is sent, each recipient once, each with its own words', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const batch = await flow.queue.enqueueBatch(rowsTo(300), content)
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ total: 300, sent: 300, failed: 0, pending: 0, rejected: 0, errors: [] })
  expect(flow.sink.copies().size).toBe(300)
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
  for (const message of flow.sink.messages) {
    const index = message.to[0]?.match(/\d+/)?.[0]
    expect(message.bytes.toString()).toContain(`Subject: Hello Name ${index}\r\n`)
  }
})

test('a greylisted recipient is sent with one more attempt for each deferral', async () => {
  await using flow = await openMailFlow()
  const { deliveries } = await flow.queue.enqueue(
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['defer-2-x@example.com'] }),
  )
  await flow.work()
  await flow.sink.waitForMessages(1)
  const id = deliveries[0]?.id ?? ''
  await eventually('it was sent at its third attempt', async () => {
    const { state, attempts } = await flow.queue.delivery(id)
    return state === 'sent' && attempts === 3
  })
  expect(flow.sink.replies.get(451)).toBe(2)
  expect(flow.sink.copies().get('defer-2-x@example.com')).toBe(1)
})

test('a refused recipient is not tried again, and its reply is kept', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const batch = await flow.queue.enqueueBatch([{ to: 'reject-x@example.com', name: 'X' }], content)
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ sent: 0, failed: 1, failures: { '550 5.1.1': 1 } })
  expect(result.errors[0]).toMatchObject({ recipient: 'reject-x@example.com', outcome: 'failed', ordinal: 0 })
  expect(flow.sink.replies.get(550)).toBe(1)
  expect(await flow.queue.delivery(`${batch.id}.0`)).toMatchObject({
    state: 'failed',
    lastReason: expect.stringContaining('550'),
  })
})

test('what became of a delivery is still known when the ledger has forgotten its verdict', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const batch = await flow.queue.enqueueBatch(
    [{ to: 'a@example.com' }, { to: 'reject-x@example.com' }],
    content,
  )
  await batch.wait({ intervalMs: 20 })
  await eventually(
    'the verdicts are forgotten',
    async () => (await redis.keys(`{${flow.name}}:v1:mark:*`)).length === 0,
  )
  expect(await flow.queue.delivery(`${batch.id}.0`)).toMatchObject({ state: 'sent', attempts: 1 })
  expect(await flow.queue.delivery(`${batch.id}.1`)).toMatchObject({ state: 'failed', attempts: 1 })
})

test('a full mailbox and a busy relay are tried again', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  await flow.queue.enqueueBatch(
    rowsTo(2, (index) => (index ? 'busy-x@example.com' : 'full-x@example.com')),
    content,
  )
  await eventually(
    'both were tried twice',
    () => (flow.sink.replies.get(452) ?? 0) > 1 && (flow.sink.replies.get(421) ?? 0) > 1,
  )
})

test('a connection cut before the body is tried again until it is delivered once', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const batch = await flow.queue.enqueueBatch([{ to: 'cut-x@example.com' }, { to: 'a@example.com' }], content)
  await flow.sink.waitForMessages(1)
  await eventually('the other one is sent', async () => (await batch.status()).sent === 1)
  expect((await batch.status()).unknown).toBe(0)
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
})

test('bulk keeps a delivery as unknown when the relay fell silent after the final dot', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const batch = await flow.queue.enqueueBatch([{ to: 'lost-x@example.com' }], content)
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ total: 1, sent: 0, failed: 0, unknown: 1, pending: 0 })
  expect(flow.sink.copies().get('lost-x@example.com')).toBe(1)
  expect(await flow.queue.delivery(`${batch.id}.0`)).toMatchObject({ state: 'unknown' })
})

test('transactional sends an unknown again, with the same Message-ID', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const email = flow.mail.create({ subject: 'Code', body: '123', recipients: ['lost-x@example.com'] })
  await flow.queue.enqueue(email)
  await flow.sink.waitForMessages(2)
  for (const message of flow.sink.messages)
    expect(message.bytes.toString()).toContain(`Message-ID: ${email.messageId}`)
})

test('a template that cannot render for one recipient fails that recipient alone', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const rows = [
    { to: 'a@example.com', items: ['one'] },
    { to: 'b@example.com', items: 'x'.repeat(10) },
    { to: 'c@example.com', subject: 'line\r\nBcc: d@example.com', items: [] },
  ]
  const template = {
    subject: 'Hi {{ subject }}',
    text: '{% if items.length == 10 %}{{ items | nosuch }}{% endif %}ok',
    sender: 'n@example.com',
  }
  await expect(flow.queue.enqueueBatch(rows, template)).rejects.toMatchObject({ code: 'template_error' })
  const batch = await flow.queue.enqueueBatch(rows, {
    ...template,
    text: 'ok {{ range(0, items.length * 1e9) }}',
  })
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ sent: 0, failed: 3 })
  const fine = await flow.queue.enqueueBatch(rows, { ...template, text: 'ok' })
  const outcome = await fine.wait({ intervalMs: 20 })
  expect(outcome).toMatchObject({ sent: 2, failed: 1 })
  expect(outcome.errors[0]).toMatchObject({ recipient: 'c@example.com', code: 'invalid_header' })
  expect(flow.sink.copies().has('d@example.com')).toBe(false)
})

test('a relay that is away holds its mail, which goes out when it is back, with no attempt spent', async () => {
  await using flow = await openMailFlow()
  const port = flow.sink.smtpPort
  await flow.sink.close()
  const worker = await flow.work()
  const receipt = await flow.queue.enqueue(
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] }),
  )
  await eventually('it is held', async () => /outcome="held".*\} 1$/m.test(await worker.metrics.expose()))
  const id = receipt.deliveries[0]?.id ?? ''
  await eventually('it waits', async () => (await flow.queue.delivery(id)).state === 'held')
  expect((await flow.queue.delivery(id)).attempts).toBe(0)
  await using back = await openSink({ httpPort: false, smtpPort: port })
  await back.waitForMessages(1)
  expect((await flow.queue.delivery(id)).attempts).toBeLessThanOrEqual(1)
}, 30_000)

test('a route with two relays goes on with the second while the first is away', async () => {
  await using flow = await openMailFlow()
  const second = { host: '127.0.0.1', port: flow.sink.smtpPort }
  const worker = await flow.work({
    relays: { first: { host: '127.0.0.1', port: 1 }, second },
    routes: { both: ['first', 'second'] },
  })
  const batch = await flow.queue.enqueueBatch(rowsTo(50), content, { route: 'both' })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 50, failed: 0 })
  expect(await worker.metrics.expose()).toContain(
    'fluxmail_messages_sent_total{lane="bulk",relay="second"} 50',
  )
}, 30_000)

test('a route that a worker does not have holds the delivery and says so', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work()
  await flow.queue.enqueueBatch(rowsTo(1), content, { route: 'nosuch', batchId: 'b' })
  await eventually('it is held', async () =>
    /outcome="held".*lane="bulk".*\} 1$/m.test(await worker.metrics.expose()),
  )
  await eventually('it waits', async () => (await flow.queue.delivery('b.0')).state === 'held')
  expect(await flow.queue.delivery('b.0')).toMatchObject({
    attempts: 0,
    lastReason: expect.stringContaining('no route nosuch'),
  })
})
