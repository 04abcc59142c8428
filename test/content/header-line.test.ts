import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeWords } from '../../src/content/encoded-word.js'
import { mailboxHeader, parameter, textHeader, wordHeader } from '../../src/content/header-line.js'
import { FluxMailError } from '../../src/errors.js'
import { decodeWords, lineText } from './mail-strings.js'

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof FluxMailError) return error.code
  }
  return 'no error'
}

describe('encoded words', () => {
  it('decode to the text they were made from, and none is longer than 75 characters', () => {
    fc.assert(
      fc.property(fc.oneof(lineText, fc.string({ unit: 'binary', minLength: 1 })), (text) => {
        const words = encodeWords(text)
        expect(decodeWords(words.join(' '))).toBe(Buffer.from(text).toString())
        expect(words.every((word) => word.length <= 75)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('never split a character', () => {
    for (const word of encodeWords('👩‍👩‍👧日本語é'.repeat(30)))
      expect(decodeWords(word)).not.toContain('\ufffd')
  })

  it('hold U+FFFD in place of a lone surrogate', () => {
    expect(decodeWords(encodeWords('a\ud83d').join(' '))).toBe('a\ufffd')
  })

  it('are readable where most of the text is ASCII', () => {
    expect(encodeWords('A long subject with one é in it')).toEqual([
      '=?UTF-8?Q?A_long_subject_with_one_=C3=A9_in_it?=',
    ])
  })
})

describe('a header of text', () => {
  it('is folded at spaces so that lines stay within 76 characters', () => {
    const header = textHeader('Subject', 'word '.repeat(60).trim())
    expect(header.split('\r\n').every((line) => line.length <= 76)).toBe(true)
    expect(header.replace(/\r\n /g, ' ')).toBe(`Subject: ${'word '.repeat(60).trim()}\r\n`)
  })

  it('is encoded where a reader could take it for something else', () => {
    for (const text of ['=?UTF-8?Q?x?=', 'two  spaces', ' before']) {
      const header = textHeader('Subject', text)
      expect(decodeWords(header.trim().slice('Subject: '.length))).toBe(text)
      expect(header).toContain('=?UTF-8?')
    }
  })

  it('is refused when a line would be over 998 octets', () => {
    expect(codeOf(() => textHeader('X-Long', 'x'.repeat(1000)))).toBe('invalid_header')
    expect(codeOf(() => wordHeader('List-Unsubscribe', [`<https://x.io/${'x'.repeat(1000)}>`]))).toBe(
      'invalid_header',
    )
  })

  it('is refused when a word of it is not one word of ASCII', () => {
    for (const word of ['a b', 'é', 'a\r\nBcc: x@y.io']) {
      expect(codeOf(() => wordHeader('Message-ID', [word]))).toBe('invalid_header')
    }
  })
})

describe('a header of mailboxes', () => {
  it('quotes a name with specials and leaves a plain one alone', () => {
    expect(mailboxHeader('From', [{ name: 'Lovelace, Ada "A"', address: 'a@x.io' }])).toBe(
      'From: "Lovelace, Ada \\"A\\"" <a@x.io>\r\n',
    )
    expect(mailboxHeader('From', [{ name: 'Ada Lovelace', address: 'a@x.io' }])).toBe(
      'From: Ada Lovelace <a@x.io>\r\n',
    )
  })

  it('folds between mailboxes', () => {
    const many = Array.from({ length: 100 }, (_, index) => ({ address: `someone-${index}@example.com` }))
    const lines = mailboxHeader('To', many).trim().split('\r\n')
    expect(lines.length).toBeGreaterThan(20)
    expect(lines.every((line) => line.length <= 76)).toBe(true)
  })

  it('refuses an address that could be more than one, or that ends the line', () => {
    for (const address of ['a@x.io>, <b@x.io', 'a@x.io\r\nBcc: b@x.io', 'nobody']) {
      expect(codeOf(() => mailboxHeader('To', [{ address }]))).toBe('invalid_email')
    }
  })
})

describe('a parameter', () => {
  it('is quoted where that is safe everywhere, and else extended and cut into pieces', () => {
    expect(parameter('filename', 'report 1.pdf')).toBe(';\r\n filename="report 1.pdf"')
    expect(parameter('filename', 'é"')).toBe(";\r\n filename*=UTF-8''%C3%A9%22")
    expect(
      parameter('filename', 'é'.repeat(30))
        .split('\r\n')
        .every((line) => line.length <= 90),
    ).toBe(true)
  })
})
