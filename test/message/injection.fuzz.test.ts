import fc from 'fast-check'
import addressparser from 'nodemailer/lib/addressparser'
import { addressParser as otherParser } from 'postal-mime'
import { describe, expect, test } from 'vitest'
import { domainOf, formatMailbox, parseMailbox } from '../../src/message/address.js'
import { createFileSource, parseAttachments } from '../../src/message/attachment.js'
import { normalizeDomain } from '../../src/message/domain.js'
import type { Mailbox } from '../../src/message/email-parts.js'
import { parseHeaders, parseSubject, parseUnsubscribeUrl } from '../../src/message/header.js'
import { parseMessageId } from '../../src/message/message-id.js'
import { acceptedOrRefused } from './refusal.js'

const runs = { numRuns: 3000 }
const endsALine = /[\r\n\0\u0085\u2028\u2029]/

/** Strings made of what breaks address and header parsers, among letters of any script and lone surrogates. */
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...'@@@..<>",;:()[]\\ \'=?%/+-_') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'a@b.com',
      'c@d.com',
      'Ada',
      '"x" ',
      '<e@f.io>',
      'localhost',
      'xn--',
      '=?utf-8?q?=0A?=',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('\r\n', '\n', '\r', '\0', '\t', '\r\nBcc: eve@evil.io', '\u2028', '\u0085'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '\u00ad',
      '\u200b',
      '\u202e',
      '\ufeff',
      '＠',
      '．',
      '。',
      '，',
      'ａ',
      '\u3000',
      '\u00a0',
    ),
  },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  { weight: 1, arbitrary: fc.nat(0xffff).map((code) => String.fromCharCode(code)) },
)
const hostile = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
const wordCharacter = fc.constantFrom(...'abcXYZ019-!#$%&*+/=?^_`{|}~é用ß')
const word = fc.string({ unit: wordCharacter, minLength: 1, maxLength: 10 })
const label = fc.string({ unit: fc.constantFrom(...'abcXYZ019é用ßａ\u00ad'), minLength: 1, maxLength: 8 })
const addressLike = fc
  .tuple(
    fc.oneof(
      word,
      hostile,
      hostile.map((text) => `"${text}"`),
    ),
    fc.oneof({ weight: 4, arbitrary: label }, { weight: 1, arbitrary: hostile }),
    fc.constantFrom('com', 'io', '例え', 'COM'),
  )
  .map(([local, name, top]) => `${local}@${name}.${top}`)
const mailboxText = fc.oneof(
  hostile,
  addressLike,
  fc.tuple(hostile, addressLike).map(([name, address]) => `${name} <${address}>`),
  fc.tuple(hostile, addressLike).map(([name, address]) => `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`),
)

function expectOneMailbox(mailbox: Mailbox): void {
  const shown = formatMailbox(mailbox)
  expect(shown).not.toMatch(endsALine)
  expect(domainOf(mailbox.address)).toMatch(/^[a-z0-9.-]+$/)
  expect(parseMailbox(shown, 'again')).toEqual(mailbox)
  expect(parseMailbox(mailbox, 'again')).toEqual(mailbox)
  expect(parseMailbox(mailbox.address, 'again').address).toBe(mailbox.address)
  for (const read of [addressparser(shown, { flatten: true }), otherParser(shown)]) {
    expect(read.map(({ address }) => unquoted(address ?? ''))).toEqual([unquoted(mailbox.address)])
  }
}

// Some readers drop the quotes of a quoted local part.
function unquoted(address: string): string {
  return address.replace(/["\\]/g, '')
}

describe('whatever stands in it', () => {
  test('an address string is one mailbox on one line in its normal form, or is refused', () => {
    fc.assert(
      fc.property(mailboxText, (text) => {
        const mailbox = acceptedOrRefused(() => parseMailbox(text, 'to'))
        if (mailbox) expectOneMailbox(mailbox)
      }),
      runs,
    )
  })

  test('a name is one mailbox on one line, or is refused', () => {
    fc.assert(
      fc.property(hostile, fc.string({ unit: 'binary' }), (first, second) => {
        for (const name of [first, second]) {
          const mailbox = acceptedOrRefused(() => parseMailbox({ name, address: 'ada@example.com' }, 'to'))
          if (!mailbox) continue
          expectOneMailbox(mailbox)
          expect(otherParser(formatMailbox(mailbox)).map(({ address }) => address)).toEqual([
            'ada@example.com',
          ])
        }
      }),
      runs,
    )
  })

  test('an ordinary name of any script is taken as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (name) => {
        fc.pre(!/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) && name.trim() === name)
        expect(parseMailbox({ name, address: 'ada@example.com' }, 'to').name).toBe(name)
      }),
      runs,
    )
  })

  test('an ordinary local part is taken as it is', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 3 }), (words) => {
        const address = `${words.join('.')}@example.com`
        fc.pre(Buffer.byteLength(words.join('.')) <= 64)
        expect(parseMailbox(address, 'to').address).toBe(address)
      }),
      runs,
    )
  })

  test('a domain has a normal form that is its own, or none', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.domain(),
          fc.tuple(word, word).map((words) => words.join('.')),
        ),
        (text) => {
          const normal = normalizeDomain(text)
          if (normal === undefined) return
          expect(normal).toMatch(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/)
          expect(normalizeDomain(normal)).toBe(normal)
          expect(normalizeDomain(normal.toUpperCase())).toBe(normal)
        },
      ),
      runs,
    )
  })

  test('a subject, a header, a Message-ID, a URL and a file name are on one line, or are refused', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const values = [
          acceptedOrRefused(() => parseSubject(text)),
          acceptedOrRefused(() => parseHeaders({ 'X-Test': text }, 'headers'))?.[0]?.value,
          acceptedOrRefused(() => parseMessageId(text, 'messageId')),
          acceptedOrRefused(() => parseUnsubscribeUrl(`https://example.com/${text}`)),
          acceptedOrRefused(() => fileNamed(text)?.filename),
          acceptedOrRefused(() => fileNamed('x', text)?.contentType),
        ]
        for (const value of values) expect(value ?? '').not.toMatch(endsALine)
        const header = acceptedOrRefused(() => parseHeaders([{ name: text, value: 'x' }], 'headers'))
        expect(header?.[0]?.name ?? 'x').toMatch(/^[\w.-]+$/)
      }),
      runs,
    )
  })

  test('a Message-ID holds one pair of angle brackets, and so does the unsubscribe header', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const id = acceptedOrRefused(() => parseMessageId(text, 'messageId'))
        if (id !== undefined) expect(id).toMatch(/^<[^<>\s]+@[^<>\s]+>$/)
        const url = acceptedOrRefused(() => parseUnsubscribeUrl(`https://example.com/${text}`))
        if (url !== undefined) expect(url).toMatch(/^https:\/\/example\.com\/[!-~]*$/)
        expect(url ?? '').not.toMatch(/[<>]/)
      }),
      runs,
    )
  })
})

function fileNamed(filename: string, contentType = 'text/plain') {
  const source = createFileSource(() => Buffer.alloc(0), 10)
  return parseAttachments([{ filename, content: 'x', contentType }], source)[0]
}
