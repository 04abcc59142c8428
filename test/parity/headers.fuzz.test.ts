import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { afterAll, expect, test } from 'vitest'
import { FluxMail, FluxMailError } from '../../src/index.js'
import { brokenRules, fileName, lineText, readHeader } from '../content/mail-strings.js'
import { rawHeader } from './received.js'

const mail = new FluxMail({ host: '127.0.0.1', port: 1, sender: 'news@example.com' })
afterAll(() => mail.close())

/** Texts whose lengths lie around the limits of a line and of a field. */
const long = fc
  .tuple(
    fc.constantFrom(
      'x',
      'x ',
      'é',
      '日',
      '👋🏽',
      'e\u0301',
      '"',
      '\\',
      '=?',
      ' x',
      'a, ',
      '<>',
      'ab é ',
      '\u00a0',
    ),
    fc.constantFrom(1, 20, 60, 76, 77, 255, 300, 500, 900, 930, 978, 990, 998, 999, 1200),
    fc.nat(3),
  )
  .map(([piece, length, more]) => piece.repeat(Math.ceil(length / piece.length) + more))
const any = fc.oneof(
  { weight: 4, arbitrary: long },
  { weight: 4, arbitrary: lineText },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
)
const label = fc.constantFrom('x', 'xn--mnchen-3ya', 'münchen', 'a'.repeat(63))
const address = fc
  .tuple(
    fc.constantFrom('ada', 'a'.repeat(64), 'jörg', '"a b"', 'a+b=c'),
    fc.array(label, { minLength: 1, maxLength: 4 }),
  )
  .map(([local, labels]) => `${local}@${labels.join('.')}.io`)
const mailbox = fc.oneof(address, fc.record({ name: any, address }))
const messageId = fc.oneof(
  fc.constant('<a@b.c>'),
  fc.integer({ min: 1, max: 950 }).map((length) => `<${'x'.repeat(length)}@example.com>`),
)

const emails = fc.record(
  {
    subject: any,
    recipients: fc.array(mailbox, { minLength: 1, maxLength: 4 }),
    body: any,
    sender: mailbox,
    replyTo: fc.array(mailbox, { maxLength: 2 }),
    cc: fc.array(mailbox, { maxLength: 2 }),
    bcc: fc.constant(['hidden@secret.example']),
    htmlBody: fc.boolean(),
    attachments: fc.array(fc.record({ filename: fc.oneof(any, fileName), content: fc.constant('x') }), {
      maxLength: 2,
    }),
    inReplyTo: messageId,
    references: fc.array(messageId, { maxLength: 20 }),
    priority: fc.constantFrom('high', 'normal', 'low'),
    unsubscribeUrl: any.map((text) => `https://example.com/${text}`),
    headers: fc.record({ 'X-A': any, [`X-${'b'.repeat(70)}`]: any }, { requiredKeys: [] }),
    messageId,
  },
  { requiredKeys: ['subject', 'recipients', 'body', 'bcc'] },
)

function madeOf(fields: object): Buffer | undefined {
  try {
    return mail.create(fields as never).toMime()
  } catch (error) {
    if (!(error instanceof FluxMailError)) throw error
    return undefined
  }
}

test('no message has a line over 998 octets, a bare CR or LF, a Bcc or a header twice, whatever is in its fields', async () => {
  let made = 0
  await fc.assert(
    fc.asyncProperty(emails, async (fields) => {
      const bytes = madeOf(fields)
      if (bytes === undefined) return
      made += 1
      expect(brokenRules(bytes)).toEqual([])
      expect(bytes.includes('secret.example')).toBe(false)
      const read = await simpleParser(bytes)
      expect(read.subject?.trim()).toBe(fields.subject.trim())
      const to = [read.to ?? []].flat().flatMap(({ value }) => value)
      expect(to).toHaveLength(fields.recipients.length)
    }),
    { numRuns: 700 },
  )
  expect(made).toBeGreaterThan(30)
}, 60_000)

test('encoded words decode to the original in a subject, a name and a header, for every string that may stand there', async () => {
  let made = 0
  const text = fc.oneof(lineText, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }))
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      const bytes = madeOf({
        subject: value,
        recipients: [{ name: value, address: 'ada@example.com' }],
        body: 'x',
        headers: { 'X-A': value },
      })
      if (bytes === undefined) return
      made += 1
      const read = await simpleParser(bytes)
      expect(read.subject).toBe(value.trim() === value ? value : read.subject)
      expect(read.subject?.trim()).toBe(value.trim())
      expect([read.to ?? []].flat()[0]?.value[0]).toEqual({ name: value.trim(), address: 'ada@example.com' })
      expect(readHeader(bytes, 'X-A')).toBe(value.trim())
    }),
    { numRuns: 700 },
  )
  expect(made).toBeGreaterThan(300)
}, 60_000)

test('filenames arrive intact, and none with a path or a control character leaves', async () => {
  const names = fc.oneof(
    fileName,
    fc.constantFrom('a b.pdf', "it's.pdf", '100%.csv', 'a;b=c.txt', '"q".txt', '日本.txt', 'x'.repeat(240)),
  )
  await fc.assert(
    fc.asyncProperty(names, async (filename) => {
      const bytes = mail
        .create({
          subject: 's',
          recipients: ['a@b.io'],
          body: 'x',
          attachments: [{ filename, content: 'x' }],
        })
        .toMime()
      expect(brokenRules(bytes)).toEqual([])
      expect((await simpleParser(bytes)).attachments.map((file) => file.filename)).toEqual([filename])
    }),
    { numRuns: 250 },
  )
  for (const filename of [
    '../x',
    'a/b',
    'a\\b',
    '/etc/passwd',
    '..',
    'a\0b',
    'a\r\nb',
    'a\nb',
    'a\u2028b',
    '',
  ]) {
    expect(
      madeOf({ subject: 's', recipients: ['a@b.io'], body: 'x', attachments: [{ filename, content: 'x' }] }),
    ).toBeUndefined()
  }
}, 60_000)

test('References and In-Reply-To stay within their lines, also of the longest Message-IDs', () => {
  const longest = `<${'x'.repeat(900 - 14)}@example.com>`
  const bytes = mail
    .create({
      subject: 's',
      recipients: ['a@b.io'],
      body: 'x',
      inReplyTo: longest,
      references: Array(50).fill(longest),
      messageId: longest,
    })
    .toMime()
  expect(brokenRules(bytes)).toEqual([])
  expect(rawHeader(bytes.toString(), 'References')?.split('\r\n ')).toHaveLength(50)
})

test('a row of a batch cannot grow a line past 998 octets: its delivery fails, and the next one is sent', async () => {
  const { openMailFlow } = await import('../helpers/mail-flow.js')
  await using flow = await openMailFlow()
  const rows = [
    { to: 'long@example.com', id: 'x'.repeat(1200) },
    { to: 'ada@example.com', id: '1' },
  ]
  const content = {
    subject: 'Hi',
    text: 'Hi',
    sender: 'news@example.com',
    unsubscribeUrl: 'https://example.com/u?id={{ id }}',
  }
  const batch = await flow.queue.enqueueBatch(rows, content)
  await flow.work()
  const { sent, failed, errors } = await batch.wait()
  expect([sent, failed]).toEqual([1, 1])
  expect(JSON.stringify(errors)).toContain('998')
  expect(flow.sink.messages.map(({ to }) => to)).toEqual([['ada@example.com']])
})
