// sendMail through the queue: what it resolves with, when it rejects, and what stays as it was with Nodemailer.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { simpleParser } from 'mailparser'
import { createTransport, type SendMailOptions, type Transport, type Transporter } from 'nodemailer'
import { expect, test } from 'vitest'
import {
  type EnqueueOptions,
  FluxMailError,
  type FluxmailTransportOptions,
  fluxmailTransport,
  MailQueue,
  type QueuedMail,
  type QueuedMessageInfo,
} from '../src/index.js'
import { openSink } from '../src/sink/sink.js'
import { eventually } from './helpers/eventually.js'
import { openMailFlow } from './helpers/mail-flow.js'
import { acceptedBy, base, openTwoDoors } from './transport/two-doors.js'

const coded = (code: string) => expect.objectContaining({ name: 'FluxMailError', code })

async function openTransport(options: FluxmailTransportOptions = {}) {
  const flow = await openMailFlow()
  return { flow, transporter: createTransport(fluxmailTransport(flow.queue, options)) }
}

function unreachable(): MailQueue {
  return new MailQueue({ redis: 'redis://127.0.0.1:1' })
}

test('sendMail resolves once the queue has the message, and a worker delivers it', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  const info = await transporter.sendMail({
    ...base,
    to: ['Ada <ada@example.com>', 'ben@example.com'],
    subject: 'Grüße',
    html: '<p>Hallo <img src="cid:dot"></p>',
    attachments: [
      { filename: 'brief ä.txt', content: Readable.from(['ein ', 'Brief']) },
      { filename: 'dot.png', content: Buffer.from([1, 2, 3]), cid: 'dot' },
    ],
  })
  expect(info).toEqual({
    messageId: expect.stringMatching(/^<.+@example\.com>$/),
    envelope: { from: 'app@example.com', to: ['ada@example.com', 'ben@example.com'] },
    accepted: ['ada@example.com', 'ben@example.com'],
    rejected: [],
    pending: [],
    response: `queued as ${info.deliveries[0]?.id} and 1 more`,
    deliveries: [
      { id: expect.any(String), recipient: 'ada@example.com' },
      { id: expect.any(String), recipient: 'ben@example.com' },
    ],
    repeated: false,
  })
  expect(await flow.queue.delivery(info.deliveries[1]?.id ?? '')).toMatchObject({
    recipient: 'ben@example.com',
  })
  await flow.work()
  await flow.sink.waitForMessages(2)
  const parsed = await simpleParser(flow.sink.messages[0]?.bytes ?? '')
  expect(parsed).toMatchObject({ subject: 'Grüße', messageId: info.messageId, text: 'Hello' })
  expect(parsed.attachments.map(({ filename, content }) => [filename, content.toString()])).toEqual([
    ['dot.png', '\x01\x02\x03'],
    ['brief ä.txt', 'ein Brief'],
  ])
})

test('with callbacks sendMail calls back once, with the error or with the result', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  const call = (mail: SendMailOptions) =>
    new Promise<unknown[]>((resolve) => transporter.sendMail(mail, (...args) => resolve(args)))
  expect(await call(base)).toEqual([null, expect.objectContaining({ accepted: ['a@example.com'] })])
  expect(await call({ ...base, to: 'nobody' })).toEqual([coded('invalid_email'), undefined])
})

test('without Redis sendMail and verify reject with queue_unavailable', async () => {
  await using queue = unreachable()
  const transporter = createTransport(fluxmailTransport(queue))
  await expect(transporter.sendMail(base)).rejects.toSatisfy((error) => error instanceof FluxMailError)
  await expect(transporter.sendMail(base)).rejects.toEqual(coded('queue_unavailable'))
  await expect(transporter.verify()).rejects.toEqual(coded('queue_unavailable'))
  const called = new Promise((resolve) => transporter.verify((...args) => resolve(args)))
  expect(await called).toEqual([coded('queue_unavailable'), undefined])
})

test('verify resolves to true where Redis is, and close leaves the queue open', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  expect(await transporter.verify()).toBe(true)
  expect(await new Promise((resolve) => transporter.verify((...args) => resolve(args)))).toEqual([null, true])
  transporter.close()
  expect((await transporter.sendMail(base)).accepted).toEqual(['a@example.com'])
  await flow.queue.close()
  await expect(transporter.sendMail(base)).rejects.toEqual(coded('closed'))
  await expect(transporter.verify()).rejects.toEqual(coded('closed'))
})

test('fluxmail in a message says how it is enqueued, and wins over the options of the transport', async () => {
  const { flow, transporter } = await openTransport({ lane: 'bulk', route: 'second' })
  await using other = await openSink({ httpPort: false })
  await using _ = flow
  const relays = {
    main: { host: '127.0.0.1', port: flow.sink.smtpPort },
    other: { host: '127.0.0.1', port: other.smtpPort },
  }
  await flow.work({ relays, routes: { default: ['main'], second: ['other'] } })
  const send = async (fluxmail?: EnqueueOptions) => {
    const mail: SendMailOptions & QueuedMail = { ...base, fluxmail }
    const { deliveries } = await transporter.sendMail(mail)
    return flow.queue.delivery(deliveries[0]?.id ?? '')
  }
  expect(await send()).toMatchObject({ lane: 'bulk' })
  await other.waitForMessages(1)
  expect(await send({ lane: 'transactional', route: 'default' })).toMatchObject({ lane: 'transactional' })
  await flow.sink.waitForMessages(1)
  const sendAt = new Date(Date.now() + 3_600_000)
  expect(await send({ sendAt })).toMatchObject({ lane: 'bulk', state: 'scheduled' })
  expect([flow.sink.messages.length, other.messages.length]).toEqual([1, 1])
})

test('a message that comes again under its idempotency key is enqueued once', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  const mail: SendMailOptions & QueuedMail = { ...base, fluxmail: { idempotencyKey: 'order-1' } }
  const first = await transporter.sendMail(mail)
  const second = await transporter.sendMail(mail)
  expect(second).toMatchObject({ repeated: true, messageId: first.messageId, deliveries: first.deliveries })
  const other: SendMailOptions & QueuedMail = { ...mail, to: 'b@example.com' }
  await expect(transporter.sendMail(other)).rejects.toEqual(coded('idempotency_conflict'))
  expect(await acceptedBy(flow)).toBe(1)
})

test.each<[string, unknown, RegExp]>([
  ['an unknown option', { lan: 'bulk' }, /^fluxmail\.lan: .*Did you mean lane/],
  ['no object', 'bulk', /^fluxmail: it is a string/],
  ['a lane that is not there', { lane: 'nowhere' }, /there is no lane nowhere/],
  ['a date as text', { sendAt: '2026-12-01' }, /sendAt: must be a Date/],
])('fluxmail with %s is refused, and nothing is enqueued', async (_what, fluxmail, says) => {
  await using doors = await openTwoDoors()
  const error = await doors.refused({ ...base, fluxmail } as never)
  expect(error).toMatchObject({ code: 'invalid_params', message: expect.stringMatching(says) })
})

test.each([
  ['no queue', undefined, {}],
  ['a URL for a queue', 'redis://127.0.0.1', {}],
  ['an unknown option', unreachable(), { line: 'bulk' }],
  ['one idempotency key for all', unreachable(), { idempotencyKey: 'x' }],
  ['a size that is none', unreachable(), { maxMessageBytes: 0 }],
])('a transport with %s is refused', (_what, queue, options) => {
  expect(() => fluxmailTransport(queue as never, options as never)).toThrow(coded('invalid_config'))
})

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 1024,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const dkim = { domainName: 'example.com', keySelector: 's', privateKey }

test.each([
  ['unsigned', {}],
  ['signed, where the signer reads all first', { dkim }],
])('a stream without an end is destroyed at the limit: %s', async (_what, signing) => {
  await using doors = await openTwoDoors({ maxMessageBytes: 1_000_000 })
  let given = 0
  const content = new Readable({
    read() {
      given += 10_000
      this.push(Buffer.alloc(10_000))
    },
  })
  const error = await doors.refused({ ...base, ...signing, attachments: [{ filename: 'x', content }] })
  expect(error).toMatchObject({
    code: 'attachment_too_large',
    message: expect.stringContaining('1000000 bytes'),
  })
  expect(content.destroyed).toBe(true)
  expect(given).toBeLessThan(2_000_000)
})

test('25 MB of attachments pass unless told otherwise', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  await flow.work()
  const content = Buffer.alloc(25 * 1024 * 1024, 'x')
  await transporter.sendMail({ ...base, attachments: [{ filename: 'large.bin', content }] })
  await flow.sink.waitForMessages(1)
  expect(flow.sink.messages[0]?.bytes.length).toBeGreaterThan(content.length * 1.36)
  const more = transporter.sendMail({ ...base, attachments: [{ content: Buffer.alloc(27 * 1024 * 1024) }] })
  await expect(more).rejects.toEqual(coded('attachment_too_large'))
})

test('a file is read while sendMail waits, never by a worker', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-transport-'))
  await writeFile(join(folder, 'note.txt'), 'as it was')
  await transporter.sendMail({ ...base, attachments: [{ path: join(folder, 'note.txt') }] })
  await rm(folder, { recursive: true })
  await flow.work()
  await flow.sink.waitForMessages(1)
  const { attachments } = await simpleParser(flow.sink.messages[0]?.bytes ?? '')
  expect(attachments[0]).toMatchObject({ filename: 'note.txt', content: Buffer.from('as it was') })
})

test('what cannot be read is told with a code, and nothing is enqueued', async () => {
  await using doors = await openTwoDoors()
  const missing = await doors.refused({ ...base, attachments: [{ path: '/nowhere/at/all' }] })
  expect(missing).toMatchObject({
    code: 'attachment_not_found',
    message: expect.stringContaining('/nowhere'),
  })
  const folder = await doors.refused({ ...base, html: { path: tmpdir() } })
  expect(folder).toMatchObject({ code: 'read_error', cause: expect.objectContaining({ code: 'EISDIR' }) })
  const fault = new Error('the disk is on fire')
  const broken = new Readable({ read: () => broken.destroy(fault) })
  const torn = await doors.refused({ ...base, attachments: [{ filename: 'x', content: broken }] })
  expect(torn).toMatchObject({ code: 'read_error', cause: fault })
  const own = new FluxMailError('template_error', 'line 3')
  const rendered = new Readable({ read: () => rendered.destroy(own) })
  expect(await doors.refused({ ...base, text: rendered })).toBe(own)
})

test('an aborted signal ends the reading, and nothing is enqueued', async () => {
  await using doors = await openTwoDoors()
  const abort = new AbortController()
  const content = new PassThrough()
  content.write('a beginning')
  const sending = doors.refused({ ...base, attachments: [{ filename: 'x', content }], signal: abort.signal })
  await eventually('the stream is read', () => content.readableLength === 0)
  abort.abort(new Error('the request was closed'))
  const error = await sending
  expect(error).toMatchObject({ code: 'send_failed', cause: abort.signal.reason })
  expect(error.message).toContain('the request was closed')
  expect(content.destroyed).toBe(true)
})

test('who sends from an idle listener gets through a list, no more than ten at a time', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  const waiting = Array.from({ length: 40 }, (_, index) => ({ ...base, to: `r${index}@example.com` }))
  let taking = 0
  let most = 0
  await new Promise<void>((resolve, reject) => {
    transporter.on('idle', () => {
      while (transporter.isIdle()) {
        const mail = waiting.shift()
        if (mail === undefined) return taking === 0 ? resolve() : undefined
        most = Math.max(most, ++taking)
        transporter.sendMail(mail, (error) => (error ? reject(error) : --taking))
      }
    })
  })
  expect(most).toBe(10)
  expect(await acceptedBy(flow)).toBe(40)
})

test('plugins and transforms of Nodemailer have had their way with the message', async () => {
  await using doors = await openTwoDoors()
  const loud = () =>
    new PassThrough({
      transform: (chunk, _encoding, done) => done(null, String(chunk).replace('Hello', 'HELLO')),
    })
  for (const use of [doors.queued.use.bind(doors.queued), doors.smtp.use.bind(doors.smtp)]) {
    use('compile', (mail, done) => {
      mail.data.html = '<p>from a plugin</p>'
      done()
    })
    use('stream', (mail, done) => {
      mail.message.transform(loud)
      done()
    })
  }
  const [message] = await doors.sendBoth(() => ({ ...base, dkim }))
  expect(message?.bytes.toString()).toMatch(/^DKIM-Signature: .*Subject: HELLO.*from a plugin/s)
})

test('a raw message without Date and Message-ID is given them, and sendMail tells which', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  await flow.work()
  const { messageId } = await transporter.sendMail({
    ...base,
    raw: 'From: app@example.com\nSubject: bare\n\nbody',
  })
  await flow.sink.waitForMessages(1)
  const parsed = await simpleParser(flow.sink.messages[0]?.bytes ?? '')
  expect(parsed).toMatchObject({ messageId, subject: 'bare', text: 'body\n', date: expect.any(Date) })
})

test('what a relay cannot carry fails that delivery with a code', async () => {
  await using flow = await openMailFlow({ smtpUtf8: false })
  await flow.work()
  const { deliveries } = await createTransport(fluxmailTransport(flow.queue)).sendMail({
    ...base,
    to: 'größe@example.com',
  })
  const id = deliveries[0]?.id ?? ''
  const ended = await eventually('it has failed', async () => {
    const record = await flow.queue.delivery(id)
    return record.state === 'failed' && record
  })
  expect(JSON.stringify(ended)).toContain('5.6.7')
})

test('messages composed at the same time are not mixed up', async () => {
  const { flow, transporter } = await openTransport()
  await using _ = flow
  await flow.work()
  const tokens = Array.from({ length: 100 }, (_, index) => `token-${index}-`)
  const sent = tokens.map((token) =>
    transporter.sendMail({
      ...base,
      to: `${token}@example.com`,
      subject: token,
      text: Readable.from([token]),
      attachments: [{ filename: `${token}.txt`, content: token }],
    }),
  )
  await Promise.all(sent)
  await flow.sink.waitForMessages(tokens.length)
  for (const { to, bytes } of flow.sink.messages) {
    const { subject, text, attachments } = await simpleParser(bytes)
    const [file] = attachments
    expect(
      new Set([`${subject}@example.com`, `${text?.trim()}@example.com`, `${file?.content}@example.com`]),
    ).toEqual(new Set(to))
  }
})

test('the types of Nodemailer take the transport, and their results are typed', async () => {
  await using queue = unreachable()
  const transport: Transport<QueuedMessageInfo> = fluxmailTransport(queue)
  const typed: Transporter<QueuedMessageInfo> = createTransport(fluxmailTransport(queue))
  const plain: Transporter = createTransport(transport, { from: 'app@example.com' })
  expect([typed, plain].map((transporter) => transporter.transporter.name)).toEqual(['fluxmail', 'fluxmail'])
})
