// Composed messages through the queue: the relay gets their bytes, each recipient once.

import { createTransport, type SendMailOptions } from 'nodemailer'
import { expect, it } from 'vitest'
import { createRawMessage, fluxmailTransport, type QueuedMail } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, openRedis } from '../helpers/mail-flow.js'

const text = [
  'From: App <app@example.com>',
  'To: undisclosed-recipients:;',
  'Date: Sun, 22 Nov 2026 08:00:00 +0000',
  'Message-ID: <raw-1@example.com>',
  'Subject: =?utf-8?q?caf=C3=A9?=',
  '',
  '.a dot, and trailing space ',
  '',
].join('\r\n')

function rawTo(...to: string[]) {
  return createRawMessage({ from: 'bounce@example.com', to, bytes: Buffer.from(text) })
}

it('a composed message reaches each recipient of its envelope with the bytes it had', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const receipt = await flow.queue.enqueue(rawTo('a@example.com', 'b@example.com'))
  expect(receipt).toMatchObject({ messageId: '<raw-1@example.com>', repeated: false })
  expect(receipt.deliveries.map(({ recipient }) => recipient)).toEqual(['a@example.com', 'b@example.com'])
  await flow.sink.waitForMessages(2)
  expect(flow.sink.messages.map(({ to }) => to).sort()).toEqual([['a@example.com'], ['b@example.com']])
  for (const message of flow.sink.messages) {
    expect(message.from).toBe('bounce@example.com')
    expect(message.bytes.toString()).toBe(text)
  }
})

it('a composed message is stored once, however many recipients it has, and goes when all of them have it', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.queue.enqueue(rawTo('a@example.com', 'b@example.com', 'c@example.com'))
  const files = () => redis.keys(`*${flow.name}*:file:*`)
  expect(await files()).toHaveLength(1)
  await flow.work()
  await flow.sink.waitForMessages(3)
  await eventually('the message is forgotten', async () => (await files()).length === 0)
})

it('a composed message is not enqueued twice under one idempotency key', async () => {
  await using flow = await openMailFlow()
  await flow.queue.enqueue(rawTo('a@example.com'), { idempotencyKey: 'k' })
  expect(await flow.queue.enqueue(rawTo('a@example.com'), { idempotencyKey: 'k' })).toMatchObject({
    repeated: true,
  })
  const other = flow.queue.enqueue(rawTo('b@example.com'), { idempotencyKey: 'k' })
  await expect(other).rejects.toMatchObject({ code: 'idempotency_conflict' })
})

it('of two composed messages under one key the same text is a repeat, and another is a conflict', async () => {
  await using flow = await openMailFlow()
  const transporter = createTransport(fluxmailTransport(flow.queue))
  const send = (text: string) =>
    transporter.sendMail({
      from: 'app@example.com',
      to: 'a@example.com',
      subject: 'Code',
      text,
      html: `<p>${text}</p>`,
      attachments: [{ filename: 'a.txt', content: 'a' }],
      fluxmail: { idempotencyKey: 'k' },
    } as SendMailOptions & QueuedMail)
  expect(await send('1111')).toMatchObject({ repeated: false })
  expect(await send('1111')).toMatchObject({ repeated: true })
  await expect(send('2222')).rejects.toMatchObject({ code: 'idempotency_conflict' })
})
