import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { FluxMailError } from '../../src/index.js'
import { openMailFlow } from '../helpers/mail-flow.js'

const spice = fc.constantFrom(
  '\r\n',
  '\n',
  '\r',
  '\0',
  'Bcc: evil@example.net',
  '<evil@example.net>',
  ',',
  ';',
  '"',
  '=?utf-8?q?=0A?=',
  '\u2028',
  '.\r\n',
  '\r\n.\r\n',
)
const hostile = fc
  .array(fc.oneof(spice, fc.string({ unit: 'grapheme', maxLength: 12 })), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''))

/** The header names of a message, as any reader that unfolds lines would list them. */
function headerNames(message: string): string[] {
  const header = message.slice(0, message.indexOf('\r\n\r\n'))
  return header
    .replaceAll(/\r\n[ \t]/g, ' ')
    .split('\r\n')
    .map((line) => line.slice(0, line.indexOf(':')))
}

const expected = [
  'Date',
  'Message-ID',
  'To',
  'From',
  'Subject',
  'X-Token',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
]

const unquoted = (address: string) => address.replace(/^"(.*)"@/s, '$1@')

const plain = { name: 'Ada', subject: 'Hello', token: 't', address: 'ada@example.com', body: 'Hi' }
const places = fc.constantFrom(...(Object.keys(plain) as (keyof typeof plain)[]))

test('no string in a name, subject, header, address or body adds a header, a recipient or a line, on a real wire', async () => {
  await using flow = await openMailFlow()
  let sent = 0
  const property = fc.asyncProperty(places, hostile, async (place, text) => {
    const fields = { ...plain, [place]: place === 'address' ? `${text}@example.com` : text }
    const { name, subject, token, address, body } = fields
    const before = flow.sink.messages.length
    let accepted: readonly string[]
    try {
      const result = await flow.mail.send({
        subject,
        body,
        recipients: [{ name, address }],
        headers: { 'X-Token': token },
      })
      accepted = result.accepted
    } catch (error) {
      expect(error).toBeInstanceOf(FluxMailError)
      expect(flow.sink.messages).toHaveLength(before)
      return
    }
    sent += 1
    const message = flow.sink.messages.at(-1)
    expect(flow.sink.messages).toHaveLength(before + 1)
    // Quotes that a local part does not need are dropped, and the caller is told the address as it is sent.
    expect(accepted.map(unquoted)).toEqual([unquoted(address)])
    expect(message?.to).toEqual(accepted)
    const bytes = message?.bytes.toString() ?? ''
    expect(headerNames(bytes)).toEqual(expected)
    const parsed = await simpleParser(bytes)
    expect((parsed.text ?? '').replaceAll('\r\n', '\n').trimEnd()).toBe(
      body.replaceAll(/\r\n|\r/g, '\n').trimEnd(),
    )
  })
  await fc.assert(property, { numRuns: 1000 })
  expect(sent).toBeGreaterThan(100)
}, 60_000)
