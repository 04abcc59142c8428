// The faults that were found in FluxMail (Python) and concern one mailer. Those of its bulk sender, of TLS and of its
// Django backend have their tests where ours are tested; the table of differences names them.

import { simpleParser } from 'mailparser'
import { expect, test, vi } from 'vitest'
import { parseEnvironment } from '../../src/environment.js'
import { FluxMail } from '../../src/index.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { refusalOf } from '../message/refusal.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'
import { letter, openPost } from './received.js'

/** Modules that were loaded before know nothing of a mock, so those of one test are loaded anew. */
async function withCountedJuice(run: (open: typeof openMailFlow, count: () => number) => Promise<void>) {
  let count = 0
  vi.resetModules()
  vi.doMock('juice', async (original) => {
    const { default: juice } = await original<{ default: typeof import('juice') }>()
    const counting = (...args: Parameters<typeof juice>) => {
      count += 1
      return juice(...args)
    }
    return { default: Object.assign(counting, juice) }
  })
  try {
    const fresh = await import('../helpers/mail-flow.js')
    await run(fresh.openMailFlow, () => count)
  } finally {
    vi.doUnmock('juice')
    vi.resetModules()
  }
}

const post = openPost()
const png = Buffer.from('89504e470d0a1a0a', 'hex')

test('1. one mailer that is shared by concurrent requests never sends the body of another', async () => {
  await using flow = await openMailFlow()
  let next = 0
  const request = async () => {
    for (let turn = next++; turn < 1000; turn = next++) {
      const token = `token-${turn}`
      const email = flow.mail.create({
        recipients: [`${token}@example.com`],
        subject: token,
        body: token,
        headers: { 'X-Token': token },
        attachments: [{ filename: 'token.txt', content: token }],
      })
      await email.send()
    }
  }
  await Promise.all(Array.from({ length: 32 }, request))
  expect(flow.sink.messages).toHaveLength(1000)
  for (const { to, bytes } of flow.sink.messages) {
    const { text, subject, attachments, headers } = await simpleParser(bytes)
    const found = [text?.trim(), headers.get('x-token'), attachments[0]?.content.toString()]
    expect([...found, ...to]).toEqual([subject, subject, subject, `${subject}@example.com`])
  }
  expect(new Set(flow.sink.messages.flatMap(({ to }) => to)).size).toBe(1000)
}, 60_000)

test('5. a partly refused message does not count as sent', async () => {
  const sent = post.mailer().send({ ...letter, recipients: ['ada@example.com', 'reject-x@example.com'] })
  await expect(sent).rejects.toMatchObject({
    code: 'send_failed',
    details: {
      accepted: ['ada@example.com'],
      rejected: [
        { recipient: 'reject-x@example.com', code: 550, reply: expect.stringContaining('reject-x') },
      ],
    },
  })
})

test('7. every message has a Date, one that was sent now and one of a batch alike', async () => {
  const { mail } = await post.send()
  await using flow = await openMailFlow()
  await flow.queue.enqueueBatch([{ to: 'ada@example.com' }], {
    subject: 's',
    text: 't',
    sender: 'a@example.com',
  })
  await flow.work()
  await flow.sink.waitForMessages(1)
  const queued = await simpleParser(flow.sink.messages[0]?.bytes ?? '')
  for (const { date } of [mail, queued])
    expect(Math.abs(Date.now() - (date?.getTime() ?? 0))).toBeLessThan(60_000)
})

test.each([
  ['attachments', { attachments: [{ filename: 'a.txt', content: 'a' }] }, ['logo', undefined]],
  ['a plain body', { plainBody: 'By hand' }, ['logo']],
  ['both', { attachments: [{ filename: 'a.txt', content: 'a' }], plainBody: 'By hand' }, ['logo', undefined]],
])('8. inline images go together with %s', async (_, fields, cids) => {
  const body = '<p>Hi <img src="cid:logo"></p>'
  const { mail } = await post.send({ htmlBody: true, body, inlineImages: { logo: png }, ...fields })
  expect(mail.attachments.map(({ cid }) => cid)).toEqual(cids)
  expect(mail.text?.trim()).toBe('plainBody' in fields ? 'By hand' : 'Hi')
  expect(mail.html).toContain('data:image/png;base64')
})

test.each([
  ['a permanent 550', 'RCPT', '550 5.1.1 no such user', 'RCPT'],
  ['a refused login', 'AUTH', '535 5.7.8 wrong', 'AUTH'],
])('9. %s is not tried again', async (_, verb, reply, counted) => {
  const answer = (command: string) => (command.startsWith(verb) ? reply : undefined)
  await using relay = await openScriptedRelay({ capabilities: ['AUTH PLAIN'], answer })
  await using mail = new FluxMail({
    host: '127.0.0.1',
    port: relay.port,
    sender: 'a@example.com',
    username: 'a',
    password: 'b',
    maxRetries: 3,
    retryDelayMs: 1,
    logLevel: 'silent',
  })
  await expect(mail.send(letter)).rejects.toMatchObject({ code: 'send_failed' })
  expect(relay.commands.filter((command) => command.startsWith(counted))).toHaveLength(1)
})

test('12. CSS is inlined once for a batch in its worker, not for every message', async () => {
  await withCountedJuice(async (open, count) => {
    await using flow = await open()
    const rows = Array.from({ length: 100 }, (_, index) => ({
      to: `r${index}@example.com`,
      name: `N${index}`,
    }))
    const html = '<style>p { color: red }</style><p>Dear {{ name }}</p>'
    await flow.queue.enqueueBatch(rows, { subject: 's', html, inlineCss: true, sender: 'a@example.com' })
    const before = count()
    await flow.work()
    await flow.sink.waitForMessages(100)
    expect(count() - before).toBe(1)
    for (const { bytes } of flow.sink.messages)
      expect(bytes.toString()).toMatch(/<p style=3D"color: red;?">Dear N|<p style="color: red;?">Dear N/)
  })
})

test.each(['a@x.io, b@y.io', 'a@x.io@y.io', 'a@x.io\r\nBcc: eve@evil.io', 'a@x.io\n', '\ra@x.io'])(
  '13. %j does not pass for an address',
  (address) => {
    const create = () => post.mailer().create({ ...letter, recipients: [address] })
    expect(refusalOf(create).code).toBe('invalid_email')
  },
)

test('14. FLUXMAIL_TLS=on means TLS, and what means nothing is refused', async () => {
  expect(parseEnvironment({ FLUXMAIL_TLS: 'on' })).toEqual({ useTls: true })
  expect(refusalOf(() => FluxMail.fromEnv({ FLUXMAIL_HOST: 'x', FLUXMAIL_TLS: 'enabled' })).code).toBe(
    'invalid_config',
  )
  const answer = (command: string) => (command === 'STARTTLS' ? '502 5.5.1 no' : undefined)
  await using relay = await openScriptedRelay({ answer })
  await using mail = FluxMail.fromEnv({
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: String(relay.port),
    FLUXMAIL_TLS: 'on',
    FLUXMAIL_SENDER: 'a@example.com',
    FLUXMAIL_LOG_LEVEL: 'silent',
  })
  await expect(mail.send(letter)).rejects.toMatchObject({ code: 'send_failed' })
  expect(relay.commands.some((command) => command.startsWith('MAIL'))).toBe(false)
})
