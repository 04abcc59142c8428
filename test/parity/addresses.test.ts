import { describe, expect, test } from 'vitest'
import { FluxMail } from '../../src/index.js'
import { openMailFlow } from '../helpers/mail-flow.js'
import { refusalOf } from '../message/refusal.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'
import { letter, openPost } from './received.js'

const post = openPost()

/** Each list is one mailbox, however it is written; the first is what goes over the wire. */
const sameMailbox: readonly (readonly string[])[] = [
  [
    'ada@example.com',
    'ada@EXAMPLE.com',
    'ada@exam\u00adple.com',
    'ada@ｅｘａｍｐｌｅ．ｃｏｍ',
    'ada@example。com',
    'ada@example｡com',
  ],
  [
    'ada@xn--mnchen-3ya.de',
    'ada@münchen.de',
    'ada@MÜNCHEN.DE',
    'ada@mu\u0308nchen.de',
    'ada@XN--MNCHEN-3YA.de',
  ],
  ['ada@xn--fa-hia.de', 'ada@faß.de', 'ada@FAẞ.de'],
  ['ada@xn--fsqu00a.xn--0zwm56d', 'ada@例子.测试', 'ada@例子。测试'],
  ['Ada.L@localhost', 'Ada.L@LOCALHOST'],
]

test.each(sameMailbox)(
  '%s is one RCPT, byte for byte what the caller is told, however it is written',
  async (...forms) => {
    const [wire = ''] = forms
    for (const form of forms) {
      const { message, result } = await post.send({ recipients: [form] })
      expect(result.accepted).toEqual([wire])
      expect(message.to).toEqual([wire])
    }
    const together = await post.send({ recipients: forms })
    expect(together.result.accepted).toEqual([wire])
  },
)

test('the queue tells the same address as the wire, for an email and for the rows of a batch', async () => {
  await using flow = await openMailFlow()
  const receipt = await flow.queue.enqueue(flow.mail.create({ ...letter, recipients: ['Ada@MÜNCHEN．de'] }))
  expect(receipt.deliveries.map(({ recipient }) => recipient)).toEqual(['Ada@xn--mnchen-3ya.de'])
  const content = { subject: 'Hi', text: 'Hi', sender: 'news@example.com' }
  const batch = await flow.queue.enqueueBatch([{ to: 'Ada@mu\u0308nchen.de' }], content)
  await flow.work()
  await flow.sink.waitForMessages(2)
  expect(flow.sink.copies()).toEqual(new Map([['Ada@xn--mnchen-3ya.de', 2]]))
  expect((await batch.status()).rejected).toBe(0)
})

describe('invalid_email', () => {
  test.each([
    ['a list', 'a@x.io, b@y.io'],
    ['a list with a semicolon', 'a@x.io; b@y.io'],
    ['two @', 'a@x.io@y.io'],
    ['an address in the name', 'a@x.io <b@y.io>'],
    ['a space', 'a b@x.io'],
    ['a space before the @', 'a @x.io'],
    ['a space at the end', 'a@x.io '],
    ['CR LF', 'a@x.io\r\nBcc: eve@evil.io'],
    ['a NUL', 'a\0@x.io'],
    ['a local part over 64 octets', `${'a'.repeat(65)}@x.io`],
    ['an international local part over 64 octets', `${'é'.repeat(33)}@x.io`],
    ['a domain over 253 octets', `a@${'a.'.repeat(126)}io`],
    ['an empty label', 'a@x..io'],
    ['a dot at the end', 'a@x.io.'],
    ['a label that begins with a hyphen', 'a@-x.io'],
    ['a label with an underscore', 'a@x_y.io'],
    ['a label over 63 octets', `a@${'x'.repeat(64)}.io`],
    ['a soft hyphen alone', 'a@\u00ad.io'],
    ['punycode that decodes to ASCII', 'a@xn--example-.com'],
    ['an @ in another width', 'a＠x.io'],
    ['a comma in another width', 'a，b@x.io'],
    ['a slash, which a URL parser would cut at', 'a@x.io/y'],
    ['a percent code, which a URL parser would decode', 'a@%78.io'],
    ['no domain', 'a@'],
    ['no local part', '@x.io'],
    ['no @', 'a'],
  ])('for %s', (_, address) => {
    for (const field of ['recipients', 'cc', 'bcc', 'replyTo'] as const) {
      const error = refusalOf(() => post.mailer().create({ ...letter, [field]: [address] }))
      expect([error.code, error.details.field]).toEqual(['invalid_email', `${field}[0]`])
    }
    expect(refusalOf(() => post.mailer().create({ ...letter, sender: address })).code).toBe('invalid_email')
    expect(refusalOf(() => post.mailer({ sender: address })).code).toBe('invalid_email')
  })
})

test.each([
  ['a local part of 64 octets', `${'a'.repeat(64)}@x.io`],
  ['a domain of 253 octets', `a@${'a.'.repeat(125)}xio`],
  ['localhost', 'user@localhost'],
  ['a quoted local part', '"a b"@x.io'],
])('%s is taken, and is one RCPT', async (_, address) => {
  await using relay = await openScriptedRelay()
  await using mail = new FluxMail({ host: '127.0.0.1', port: relay.port, sender: 'news@example.com' })
  await mail.send({ ...letter, recipients: [address] })
  expect(relay.commands.filter((command) => command.startsWith('RCPT'))).toEqual([`RCPT TO:<${address}>`])
})

test.each(['', '   '])('no_email for %j', (address) => {
  expect(refusalOf(() => post.mailer().create({ ...letter, recipients: [address] })).code).toBe('no_email')
})

test('the local part keeps its case', async () => {
  expect((await post.send({ recipients: ['McDonald@Example.COM'] })).message.to).toEqual([
    'McDonald@example.com',
  ])
})

test('an international local part fails its own delivery, with a reason, where the relay has no SMTPUTF8', async () => {
  await using flow = await openMailFlow({ smtpUtf8: false })
  const rows = [{ to: 'jörg@example.com' }, { to: 'ada@example.com' }]
  const content = { subject: 'Hi', text: 'Hi', sender: 'news@example.com' }
  const batch = await flow.queue.enqueueBatch(rows, content)
  await flow.work()
  const { sent, failed, errors } = await batch.wait()
  expect([sent, failed]).toEqual([1, 1])
  expect(JSON.stringify(errors)).toContain('SMTPUTF8')
  expect(flow.sink.messages.map(({ to }) => to)).toEqual([['ada@example.com']])
})
