// Who gets a message that came through Nodemailer: exactly those who were named, or nobody at all.

import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FluxMailError } from '../src/index.js'
import { readAddressList } from '../src/transport/address-list.js'
import { base, openTwoDoors, type TwoDoors } from './transport/two-doors.js'

let doors: TwoDoors
beforeAll(async () => {
  doors = await openTwoDoors()
})
afterAll(() => doors[Symbol.asyncDispose]())

const hostile: readonly unknown[] = [
  'a@b.example <c@d.example>',
  'a@x.example\r\nBcc: evil@example.com',
  'a@x.example\nevil@example.com',
  'a@x.example\r\n',
  'a@x.example evil@example.com',
  'a@x.example@evil.example',
  'a@x.example (evil@example.com)',
  'a@x.example: evil@example.com;',
  '<a@x.example',
  'a@x.example>',
  '<<a@x.example>>',
  '"a@x.example',
  '"a" "b" <c@x.example>',
  'Foo, Inc. <a@x.example>',
  'nobody',
  'a@[127.0.0.1]',
  'a＠x.example',
  'a@x.example，evil@example.com',
  'a\0@x.example',
  { address: 'a@x.example, evil@example.com' },
  { address: 'Ada <a@x.example>' },
  { address: 'a@x.example\r\nRCPT TO:<evil@example.com>' },
  { name: 'A\r\nBcc: evil@example.com', address: 'a@x.example' },
  { name: 'no address' },
  ['a@x.example', ['b@x.example', 'c d@x.example']],
  5,
]

describe.each(hostile.map((address) => [JSON.stringify(address), address] as const))(
  '%s',
  (_text, address) => {
    test.each(['to', 'cc', 'bcc', 'from'])('as %s is refused, and nothing is enqueued', async (field) => {
      const { code, details } = await doors.refused({ ...base, [field]: address })
      expect(['invalid_email', 'no_email']).toContain(code)
      expect(details.field).toMatch(new RegExp(`^${field}\\b`))
    })

    test.each(['to', 'cc', 'bcc', 'from'])('as envelope.%s is refused too', async (field) => {
      const envelope = { from: 'app@example.com', to: ['b@example.com'], [field]: address }
      const { code, details } = await doors.refused({ ...base, envelope })
      expect(['invalid_email', 'no_email', 'invalid_params']).toContain(code)
      expect(details.field).toMatch(new RegExp(`^envelope\\.${field}\\b`))
    })
  },
)

test('every @ outside quotes is the one @ of one address, or the list is refused', () => {
  const words = [
    'a',
    'b@x.io',
    '@',
    ' ',
    ',',
    ';',
    ':',
    '<',
    '>',
    '"',
    '\\',
    '(',
    ')',
    '\t',
    '[',
    ']',
    '.',
    'ä',
  ]
  const piece = fc.constantFrom(...words)
  let taken = 0
  const property = fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
    const text = pieces.join('')
    const addresses = readOrRefuse(text)
    if (addresses === undefined) return
    taken += addresses.length
    const outside = text.replace(/"(?:[^"\\]|\\.)*"/g, '')
    expect(addresses).toHaveLength(outside.split('@').length - 1)
  })
  fc.assert(property, { numRuns: 20_000 })
  expect(taken).toBeGreaterThan(100)
})

function readOrRefuse(text: string): string[] | undefined {
  try {
    return readAddressList(text, 'to')
  } catch (error) {
    expect(error).toBeInstanceOf(FluxMailError)
    return undefined
  }
}

test('a list as long as anybody sends is cut in linear time', () => {
  const started = performance.now()
  expect(readAddressList('a@example.com,'.repeat(20_000), 'to')).toHaveLength(20_000)
  for (const character of ['<', '"', '\\"', ':', 'a:', 'a@:', ' ', '<>']) {
    expect(() => readAddressList(`${character.repeat(300_000)}x`, 'to')).toThrow(FluxMailError)
  }
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('somebody who is named twice gets one copy', async () => {
  const mail = { ...base, to: 'A@Example.com, a@example.com', cc: 'A@example.com', bcc: ['a@EXAMPLE.com'] }
  const messages = await doors.sendBoth(() => mail)
  expect(messages.map(({ to }) => to).sort()).toEqual([['A@example.com'], ['a@example.com']])
})

test('Bcc is in no header, neither in one that Nodemailer writes nor in a raw message', async () => {
  const hidden = 'hidden@example.com'
  const raw = `From: app@example.com\nTo: a@example.com\nBcc: ${hidden},\n other@example.com\nSubject: s\n\nb\n`
  for (const mail of [
    { ...base, bcc: hidden },
    { ...base, headers: { bCC: hidden } },
    { ...base, bcc: hidden, raw },
  ]) {
    await doors.flow.sink.clear()
    const info = await doors.queued.sendMail(mail)
    expect(info.accepted.sort()).toEqual(['a@example.com', hidden])
    await doors.flow.sink.waitForMessages(2)
    for (const { bytes } of doors.flow.sink.messages) {
      expect(bytes.toString()).not.toMatch(/bcc|hidden|other/i)
    }
  }
})

test('an international domain and an international local part arrive', async () => {
  await doors.flow.sink.clear()
  const info = await doors.queued.sendMail({ ...base, to: 'jõe@jõgeva.example, joe@jõgeva.example' })
  expect(info.accepted).toEqual(['jõe@xn--jgeva-dua.example', 'joe@xn--jgeva-dua.example'])
  await doors.flow.sink.waitForMessages(2)
  const [message] = doors.flow.sink.messages
  const parsed = await simpleParser(message?.bytes ?? '')
  expect(parsed.to).toMatchObject({ text: expect.stringContaining('jõe@jõgeva.example') })
})

test('recipients that a plugin adds to the message are those who get it', async () => {
  await using own = await openTwoDoors()
  for (const { use } of [own.queued, own.smtp].map((transporter) => ({
    use: transporter.use.bind(transporter),
  }))) {
    use('compile', (mail, done) => {
      mail.data.bcc = 'archive@example.com'
      done()
    })
    use('stream', (mail, done) => {
      mail.message.setHeader('Cc', 'seen@example.com')
      done()
    })
  }
  const messages = await own.sendBoth(() => base)
  const to = messages.flatMap((message) => message.to).sort()
  expect(to).toEqual(['a@example.com', 'archive@example.com', 'seen@example.com'])
})

test('an envelope that a plugin changes behind the fields is refused, with where to set it', async () => {
  await using own = await openTwoDoors()
  own.queued.use('stream', (mail, done) => {
    mail.message.setEnvelope({ from: 'app@example.com', to: 'elsewhere@example.com' })
    done()
  })
  const { message } = await own.refused(base)
  expect(message).toMatch(
    /^to: .*"elsewhere@example.com".*a plugin that changes them sets to, cc, bcc or envelope/,
  )
})
