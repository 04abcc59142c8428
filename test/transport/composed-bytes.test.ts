import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readComposedBytes } from '../../src/transport/composed-bytes.js'

test('every line end becomes CRLF, wherever the chunks meet', async () => {
  const piece = fc.constantFrom('\r', '\n', '\r\n', '\n\r', 'a', 'ä', '.')
  const chunks = fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('')))
  const property = fc.asyncProperty(chunks, async (texts) => {
    const message = {
      getEnvelope: () => ({ from: false as const, to: [] }),
      getHeader: () => undefined,
      transform: () => undefined,
      createReadStream: () => Readable.from(texts.map((text) => Buffer.from(text))),
    }
    const bytes = await readComposedBytes(message, { maxBytes: 1000, signal: undefined })
    expect(bytes.toString()).toBe(texts.join('').replace(/\r\n|\r|\n/g, '\r\n'))
  })
  await fc.assert(property, { numRuns: 500 })
})
