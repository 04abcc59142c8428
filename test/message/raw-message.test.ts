// Composed messages: their bytes go through untouched but for what a submission server has to do.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRawMessage } from '../../src/message/raw-message.js'
import { refusalOf } from './refusal.js'

const now = () => Date.UTC(2026, 10, 22, 8, 0, 0)
const randomId = () => 'unique'
const complete =
  'From: a@example.com\r\nDate: x\r\nMessage-ID: <1@example.com>\r\nSubject: Hi\r\n\r\nText\r\n'

function raw(text: string, from = 'a@example.com', to: readonly string[] = ['b@example.com']) {
  return createRawMessage({ from, to, bytes: Buffer.from(text) }, { now, randomId })
}

describe('a composed message', () => {
  it('goes out byte for byte when it has a Date and a Message-ID and no Bcc', () => {
    const message = raw(complete)
    expect(message.bytes.toString()).toBe(complete)
    expect(message).toMatchObject({ messageId: '<1@example.com>', subject: 'Hi', sender: 'a@example.com' })
  })

  it('keeps every byte of a body, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (junk) => {
        const body = Buffer.from(junk).filter((byte) => byte !== 13 && byte !== 10)
        const bytes = Buffer.concat([Buffer.from(`${complete}`), Buffer.from(body), Buffer.from('\r\n')])
        const message = createRawMessage({ from: 'a@example.com', to: ['b@example.com'], bytes })
        expect(message.bytes.equals(bytes)).toBe(true)
      }),
    )
  })

  it('is given a Date and a Message-ID of its sender where it has none', () => {
    const message = raw('From: a@example.com\r\n\r\nText\r\n')
    expect(message.bytes.toString()).toBe(
      'Message-ID: <unique@example.com>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\nFrom: a@example.com\r\n\r\nText\r\n',
    )
    expect(message.messageId).toBe('<unique@example.com>')
  })

  it('loses Bcc and Resent-Bcc with their folded lines, in any case, and nothing beside them', () => {
    const text = complete
      .replace('Subject', 'BCC: x@example.com,\r\n y@example.com\r\nSubject')
      .replace('Date', 'resent-bcc : z@example.com\r\nDate')
    expect(raw(text).bytes.toString()).toBe(complete)
  })

  it('keeps a line of its body that looks like a Bcc', () => {
    const text = `${complete}Bcc: not.a.header@example.com\r\n`
    expect(raw(text).bytes.toString()).toBe(text)
  })

  it('has its trace lines first', () => {
    const trace = 'Received: from here\r\n by there; now\r\n'
    const message = createRawMessage({
      from: 'a@example.com',
      to: ['b@example.com'],
      bytes: Buffer.from(complete),
      trace,
    })
    expect(message.bytes.toString()).toBe(trace + complete)
  })

  it('needs 8BITMIME for a body and SMTPUTF8 for a header or an address beyond ASCII', () => {
    expect(raw(complete)).toMatchObject({ eightBit: false, smtpUtf8: false })
    expect(raw(complete.replace('Text', 'Tëxt'))).toMatchObject({ eightBit: true, smtpUtf8: false })
    expect(raw(complete.replace('Hi', 'Hï'))).toMatchObject({ eightBit: false, smtpUtf8: true })
    expect(raw(complete, 'jörg@example.com')).toMatchObject({ eightBit: false, smtpUtf8: true })
  })

  it('loses a Message-ID without a value, and is given one', () => {
    const { bytes } = raw(complete.replace('<1@example.com>', ''))
    expect(bytes.toString().match(/^message-id:/gim)).toHaveLength(1)
  })

  it('may have the null reverse-path, and then its Message-ID is of the given domain', () => {
    const context = { domain: 'mail.example.net', randomId, now }
    const fields = { from: '', to: ['b@example.com'], bytes: Buffer.from('From: a@example.com\r\n\r\n') }
    expect(createRawMessage(fields, context)).toMatchObject({
      sender: '',
      messageId: '<unique@mail.example.net>',
    })
  })

  it('has one recipient for an address that is named twice', () => {
    const { recipients } = raw(complete, 'a@example.com', ['b@Example.com', 'b@example.com', 'c@example.com'])
    expect(recipients.map(({ address }) => address)).toEqual(['b@example.com', 'c@example.com'])
  })

  it.each([
    ['a bare LF', 'Subject: x\n\r\nText\r\n', /bytes: there is a bare LF at byte 10/],
    ['a bare CR', 'Subject: x\r\n\r\nTe\rxt\r\n', /bytes: there is a bare CR at byte 16/],
    ['a smuggled end', 'Subject: x\r\n\r\nText\n.\r\nMAIL', /bare LF/],
    ['no header', 'Just words\r\n', /field 1 of the header is none/],
    ['a line of a mailbox file before a Bcc', `From s@x.io Mon\r\nBcc: b@x.io\r\n${complete}`, /field 1/],
    ['a header name beyond ASCII before a Bcc', `X-Größe: 1\r\nBcc: b@x.io\r\n${complete}`, /field 1/],
    ['a folded line before the first field', ` x\r\n${complete}`, /field 1/],
    ['no From', complete.replace('From', 'X-From'), /no From/],
    ['two From', `From: z@example.com\r\n${complete}`, /2 From/],
    ['a header of very many fields', `${'a:\r\n'.repeat(5_000_000)}${complete}`, /2000 fields/],
    ['a field folded without end', `a: b\r\n${' c\r\n'.repeat(5_000_000)}${complete}`, /262144 bytes/],
  ])('is refused with %s', (_, text, message) => {
    expect(refusalOf(() => raw(text))).toMatchObject({
      code: 'invalid_params',
      message: expect.stringMatching(message),
    })
  })

  it.each([
    ['an address that is none', { from: 'nobody', to: ['b@example.com'] }, 'invalid_email'],
    ['no recipient', { from: 'a@example.com', to: [] }, 'invalid_params'],
    ['a list in one string', { from: 'a@example.com', to: ['b@x.io, c@x.io'] }, 'invalid_email'],
    [
      'a trace that is no header',
      { from: '', to: ['b@x.io'], trace: 'Received: a\r\n\r\nx' },
      'invalid_params',
    ],
    ['a field that is not known', { from: '', to: ['b@x.io'], cc: 'x@x.io' }, 'invalid_params'],
  ])('is refused with %s', (_, fields, code) => {
    expect(refusalOf(() => createRawMessage({ ...fields, bytes: Buffer.from(complete) })).code).toBe(code)
  })
})
