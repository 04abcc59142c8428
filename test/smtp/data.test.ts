import type { Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dataOf, endOf } from '../../src/smtp/data.js'

const nodemailers = new URL(
  '../../node_modules/nodemailer/dist/esm/smtp-connection/data-stream.js',
  import.meta.url,
)

function wireOf(message: readonly Buffer[], hasLines: boolean): string {
  const data = dataOf(message, hasLines)
  return Buffer.concat([...data, endOf(data)]).toString('latin1')
}

const token = fc.constantFrom('\r', '\n', '\r\n', '.', '..', 'a', ' ', '\0', 'é', 'words', 'x'.repeat(70_000))
const anyPiece = fc.array(token, { maxLength: 10 }).map((tokens) => Buffer.from(tokens.join('')))
const lines = fc
  .array(fc.constantFrom('', '.', '..', '.a', 'a.', 'words', 'x'.repeat(70_000)), { maxLength: 12 })
  .map((all) => all.map((line) => `${line}\r\n`).join(''))

test('the data are what nodemailer would write, whatever the bytes', async () => {
  const { default: DataStream } = (await import(nodemailers.href)) as { default: new () => Transform }
  await fc.assert(
    fc.asyncProperty(fc.array(anyPiece, { maxLength: 5 }), async (message) => {
      const stream = new DataStream()
      stream.end(Buffer.concat(message))
      expect(wireOf(message, false)).toBe((await buffer(stream)).toString('latin1'))
    }),
    { numRuns: 500 },
  )
})

test('no byte that a relay gets depends on where pieces are parted, nor on what is known of them', () => {
  fc.assert(
    fc.property(lines, fc.array(fc.nat(200_000), { maxLength: 4 }), (text, cuts) => {
      const whole = Buffer.from(text)
      const ends = [...cuts.map((cut) => cut % (whole.length + 1)), whole.length].sort((a, b) => a - b)
      const pieces = ends.map((end, index) => whole.subarray(ends[index - 1] ?? 0, end))
      // A CRLF is never parted by whoever knows that there is nothing else.
      const isWhole = ends.every((end) => text[end - 1] !== '\r')
      const expected = `${text.replace(/^\./gm, '..')}${text === '' ? '\r\n' : ''}.\r\n`
      expect(wireOf(pieces, false)).toBe(expected)
      if (isWhole) expect(wireOf(pieces, true)).toBe(expected)
    }),
    { numRuns: 500 },
  )
})

test('a piece that many messages share is handed over as it is, each time', () => {
  const shared = Buffer.alloc(1_000_000, 'a line of base64\r\n')
  for (const before of ['above\r\n', 'above\r\n', 'before']) {
    const [, second] = dataOf([Buffer.from(before), shared], true)
    expect(second).toBe(shared)
  }
})

test('what is known of a shared piece is known for the line that it begins in', () => {
  const shared = Buffer.from(`.${'x'.repeat(100_000)}\r\n.\r\n`)
  const begun = wireOf([Buffer.from('a\r\n'), shared], true)
  const within = wireOf([Buffer.from('a'), shared], true)
  expect(begun).toBe(`a\r\n..${'x'.repeat(100_000)}\r\n..\r\n.\r\n`)
  expect(within).toBe(`a.${'x'.repeat(100_000)}\r\n..\r\n.\r\n`)
})

test('a message of nothing but dots is copied rather than parted into a piece for each line', () => {
  expect(dataOf([Buffer.from('.\r\n'.repeat(50_000))], true).length).toBe(1)
})
