import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeBody } from '../../src/content/quoted-printable.js'
import { anyText } from './mail-strings.js'

function decode(encoded: Buffer): string {
  const bytes = encoded
    .toString('latin1')
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}

const withCrlf = (text: string) => text.replace(/\r\n|\r|\n/g, '\r\n')

describe('a body', () => {
  it('of ASCII in short lines goes out as it is, with CRLF line ends', () => {
    const { encoding, bytes } = encodeBody('a\nb\r\nc\rd \n.\n')
    expect([encoding, bytes.toString()]).toEqual(['7bit', 'a\r\nb\r\nc\r\nd \r\n.\r\n'])
  })

  it('is encoded when it is not ASCII, has a long line, a control character or what a boundary begins with', () => {
    for (const text of ['é', 'x'.repeat(901), 'a\0b', '--=_mix_']) {
      expect(encodeBody(text).encoding).toBe('quoted-printable')
    }
    expect(encodeBody('x'.repeat(900)).encoding).toBe('7bit')
  })

  it('encodes blanks at the end of a line, also where the line is full', () => {
    for (let length = 70; length < 80; length++) {
      const text = `é${'x'.repeat(length)} \n${'y'.repeat(length)}\t`
      const { bytes } = encodeBody(text)
      expect(decode(bytes)).toBe(withCrlf(text))
      expect(bytes.toString()).not.toMatch(/[ \t](?:\r\n|$)/)
    }
  })

  it('comes back as it was, in lines of at most 76 characters', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { bytes } = encodeBody(`é${text}`)
        expect(decode(bytes)).toBe(withCrlf(`é${text}`))
        expect(bytes.toString('latin1')).not.toMatch(
          /[^\t\r\n -~]|\r(?!\n)|(?<!\r)\n|=_|[ \t]\r\n|[^\r\n]{77}/,
        )
      }),
      { numRuns: 1000 },
    )
  })

  it('of megabytes is encoded too', () => {
    const text = 'é \n'.repeat(500_000)
    expect(decode(encodeBody(text).bytes)).toBe(withCrlf(text))
  })

  it('holds U+FFFD in place of each lone surrogate', () => {
    expect(decode(encodeBody('a\ud800b\udc00').bytes)).toBe('a\ufffdb\ufffd')
  })
})
