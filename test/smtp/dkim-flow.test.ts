import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { judgeExchange } from '../../src/delivery/judge.js'
import { createRawMessage, FluxMail, type Logger } from '../../src/index.js'
import { createLease } from '../../src/smtp/lease.js'
import type { Seat } from '../../src/smtp/seats.js'
import { openWire, type Wire } from '../../src/smtp/wire.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { createSigningKey, pythonVerdicts, verdicts } from './dkim-verifiers.js'
import { openScriptedRelay, type Session } from './scripted-relay.js'
import { countedPool, gate, messageTo, never, relayTo, sendOver } from './sending.js'

const signing = createSigningKey('rsa')
const dkim = { domainName: 'example.com', keySelector: 'mail', privateKey: signing.pem }
const picture = Buffer.from(createHash('sha512').update('picture').digest('hex').repeat(2_000))

function relayOf({ sink }: MailFlow) {
  return { host: '127.0.0.1', port: sink.smtpPort, dkim }
}

async function expectSigned({ sink }: MailFlow): Promise<void> {
  for (const { bytes } of sink.messages) expect(await verdicts(bytes, signing.record)).toEqual(['pass'])
}

test('send() signs, with an unsubscribe link, an inline image and an attachment', async (context) => {
  await using flow = await openMailFlow()
  await using mail = new FluxMail({ ...relayOf(flow), sender: 'Zoë <news@example.com>' })
  await mail.send({
    subject: 'Grüße, und mehr  mit zwei Leerzeichen',
    recipients: ['a@example.com', 'b@example.com'],
    cc: ['c@example.com'],
    body: '<p>Hello  <img src="cid:p"></p>\t\r\n\r\n.\r\n',
    htmlBody: true,
    inlineImages: { p: { content: picture, contentType: 'image/png' } },
    attachments: [{ filename: 'Übersicht.pdf', content: picture }],
    unsubscribeUrl: 'https://example.com/u?id=1',
    headers: { 'Feedback-ID': 'may:1' },
  })
  expect(flow.sink.messages).toHaveLength(3)
  await expectSigned(flow)
  const [first] = flow.sink.messages
  expect(first?.bytes.toString('latin1', 0, 15)).toBe('DKIM-Signature:')
  expect(first?.bytes.toString('latin1')).toMatch(/h=[^;]*list-unsubscribe:list-unsubscribe:/)
  expect(
    await pythonVerdicts(
      context,
      flow.sink.messages.map(({ bytes }) => bytes),
      signing.record,
    ),
  ).toEqual([true, true, true])
})

test('a worker signs a batch, and neither Redis nor its log nor its jobs hold the key', async (context) => {
  const logged: unknown[] = []
  const note = (...said: unknown[]) => void logged.push(said)
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  await using flow = await openMailFlow()
  const content = {
    subject: 'Hello {{ name }}',
    html: '<p>Dear {{ name }}</p>',
    sender: 'news@example.com',
    unsubscribeUrl: 'https://example.com/u?n={{ name | urlencode }}',
  }
  const to = (index: number) => (index % 5 === 0 ? `bounce-${index}@example.com` : `r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rowsTo(50, to), content)
  await flow.queue.enqueueBatch([{ to: 'late@example.com', name: 'Late' }], content, {
    lane: 'bulk',
    route: 'nowhere',
  })
  await flow.work({ relays: { main: relayOf(flow) }, logger })
  await eventually('the batch is through', async () => (await batch.status()).pending === 0)
  expect(flow.sink.messages.length).toBeGreaterThanOrEqual(40)
  await expectSigned(flow)
  expect(
    await pythonVerdicts(
      context,
      flow.sink.messages.map(({ bytes }) => bytes),
      signing.record,
    ),
  ).not.toContain(false)
  expectNoKey(await redisText(flow))
  expect(logged.length).toBeGreaterThan(0)
  expectNoKey(JSON.stringify(logged))
})

test('a raw message goes out under our signature with its own one whole', async () => {
  await using flow = await openMailFlow()
  const bytes = Buffer.from('From: a@example.com\r\nTo: b@example.com\r\nSubject: raw\r\n\r\nas  it is \r\n')
  await flow.queue.enqueue(createRawMessage({ from: '', to: ['b@example.com', 'c@example.com'], bytes }))
  await flow.work({ relays: { main: relayOf(flow) } })
  await flow.sink.waitForMessages(2)
  await expectSigned(flow)
  for (const message of flow.sink.messages) {
    expect(message.from).toBe('')
    expect(message.bytes.toString()).toMatch(/Subject: raw\r\n\r\nas {2}it is \r\n$/)
  }
})

test('a connection that is lost while a large message is signed is replaced', async () => {
  const sessions: Session[] = []
  await using relay = await openScriptedRelay({
    greet: (session) => {
      sessions.push(session)
      return '220 ready'
    },
  })
  const signed = gate()
  const clock = { ...systemClock, sleep: () => signed.passed }
  using pool = countedPool(relay.port, { dkim }, clock)
  const bytes = Buffer.from(`From: a@example.com\r\n\r\n${'some words\r\n'.repeat(40_000)}`)
  const sending = sendOver(pool, 'a@example.com', { bytes })
  await expect.poll(() => pool.opened).toBe(1)
  sessions[0]?.hangUp()
  await expect.poll(() => pool.open).toBe(0)
  signed.open()
  expect(await sending).toMatchObject({ kind: 'accepted' })
  expect(relay.connections).toBe(2)
  expect(await verdicts(Buffer.from(`${relay.bodies[0]}\r\n`, 'latin1'), signing.record)).toEqual(['pass'])
})

test('a message is signed while it waits for its connection, once', async () => {
  await using relay = await openScriptedRelay()
  let pauses = 0
  const clock = { ...systemClock, sleep: async () => void pauses++ }
  using pool = countedPool(relay.port, { dkim, maxConnectionsPerWorker: 1 }, clock)
  const taken = await pool.acquire(never)
  if ('refusal' in taken) throw new Error('there is no connection')
  const bytes = Buffer.alloc(1_500_000, 'From: a@example.com\r\n\r\nsome words\r\n')
  const message = messageTo('a@example.com', { bytes })
  const acquiring = pool.acquire(never, '', message)
  await expect.poll(() => pauses).toBeGreaterThan(8)
  const before = pauses
  taken.lease.release()
  const acquired = await acquiring
  if ('refusal' in acquired) throw new Error('there is no connection')
  expect(await acquired.lease.transmit(message)).toMatchObject({ kind: 'accepted' })
  expect(pauses - before).toBeLessThan(5)
  expect(relay.bodies[0]).toMatch(/^DKIM-Signature:/)
})

test('a message that cannot be signed is held, and its connection is given back', async () => {
  await using relay = await openScriptedRelay()
  const opened = await openWire(relayTo(relay.port))
  if ('failure' in opened) throw new Error(opened.failure.message)
  const given: Wire[] = []
  const lender = {
    giveBack: ({ wire }: Seat) => void given.push(wire),
    lendBehind: () => undefined,
    replace: () => Promise.reject(new Error()),
  }
  const signer = { sign: () => Promise.reject(new Error('no entropy')) }
  const exchange = await createLease('main', opened, lender, signer).transmit(messageTo('a@example.com'))
  expect(judgeExchange(exchange)).toMatchObject({ kind: 'held', reason: { code: 'EDKIM' } })
  expect(given).toEqual([opened.wire])
  expect(relay.bodies).toEqual([])
  opened.wire.drop()
})

function expectNoKey(text: string): void {
  const lines = signing.pem.split('\n').filter((line) => line !== '')
  expect(lines.filter((line) => text.includes(line))).toEqual([])
  expect(text).not.toContain('PRIVATE KEY')
}

/** Every key and value that is in Redis, whoever wrote it. */
async function redisText(flow: MailFlow): Promise<string> {
  await using redis = openRedis(flow)
  const reads: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.get(key),
    hash: (key) => redis.hgetall(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: (key) => redis.smembers(key),
    zset: (key) => redis.zrange(key, '0', '-1'),
    stream: (key) => redis.xrange(key, '-', '+'),
  }
  const keys = await redis.keys('*')
  const values = await Promise.all(
    keys.map(async (key) => {
      const read = reads[await redis.type(key)]
      return [key, read ? await read(key) : undefined]
    }),
  )
  expect(keys.length).toBeGreaterThan(5)
  return JSON.stringify(values)
}
