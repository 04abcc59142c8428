import { describe, expect, test } from 'vitest'
import { parseHeaders, parseSubject, parseUnsubscribeUrl } from '../../src/message/header.js'
import { refusalOf } from './refusal.js'

describe('a subject', () => {
  test.each([['Hello'], ['Grüße, 世界 👋🏽'], ['=?utf-8?q?x?='], ['a'.repeat(900)]])(
    'is taken as it is: %s',
    (subject) => {
      expect(parseSubject(subject)).toBe(subject)
    },
  )

  test.each([[undefined], [null], [''], ['   ']])('is refused when missing or empty: %j', (subject) => {
    expect(refusalOf(() => parseSubject(subject))).toMatchObject({
      code: 'invalid_params',
      details: { field: 'subject' },
    })
  })

  test('is refused when it is no string', () => {
    expect(refusalOf(() => parseSubject(7)).message).toContain('it is a number, not a string')
  })

  test.each([
    ['Hi\r\nBcc: eve@evil.io'],
    ['Hi\n there'],
    ['Hi\0'],
    ['Hi\tthere'],
    ['Hi\u0085'],
    ['Hi\u2029'],
    ['Hi\udc00'],
  ])('is refused with a control character in it: %j', (subject) => {
    const refusal = refusalOf(() => parseSubject(subject))
    expect(refusal.code).toBe('invalid_header')
    expect(refusal.message).toMatch(/^subject: .* stands at character 3\. Remove it/)
  })

  test('is refused when it or one of its words cannot be put on lines of 998 octets', () => {
    expect(refusalOf(() => parseSubject('a b '.repeat(250))).message).toContain('1000 characters long')
    expect(refusalOf(() => parseSubject('a'.repeat(950))).message).toContain('a word is longer')
  })
})

describe('further headers', () => {
  test('come from an object or an array, in order, trimmed and frozen', () => {
    const given = { 'X-Campaign': ' may ', 'List-Id': '<news.example.com>' }
    const headers = parseHeaders(given, 'headers')
    given['X-Campaign'] = 'june'
    expect(headers).toEqual([
      { name: 'X-Campaign', value: 'may' },
      { name: 'List-Id', value: '<news.example.com>' },
    ])
    expect(Object.isFrozen(headers) && headers.every(Object.isFrozen)).toBe(true)
    const repeated = [
      { name: 'X-Tag', value: 'a' },
      { name: 'X-Tag', value: '日本' },
    ]
    expect(parseHeaders(repeated, 'headers')).toEqual(repeated)
    expect(parseHeaders(undefined, 'headers')).toEqual([])
  })

  test.each([
    ['From', 'sender'],
    ['TO', 'recipients'],
    ['cc', 'cc'],
    ['Bcc', 'bcc'],
    ['Subject', 'subject'],
    ['Date', 'date'],
    ['Message-ID', 'messageId'],
    ['reply-to', 'replyTo'],
    ['Sender', 'sender'],
    ['In-Reply-To', 'inReplyTo'],
    ['References', 'references'],
    ['List-Unsubscribe', 'unsubscribeUrl'],
    ['List-Unsubscribe-Post', 'unsubscribeUrl'],
    ['X-Priority', 'priority'],
    ['X-MSMail-Priority', 'priority'],
    ['Importance', 'priority'],
  ])('never set %s, which has the field %s', (name, field) => {
    const refusal = refusalOf(() => parseHeaders({ [name]: 'x' }, 'headers'))
    expect(refusal.code).toBe('invalid_header')
    expect(refusal.message).toBe(`headers: ${name} is written by FluxMail. Use the field ${field}.`)
  })

  test.each([
    'MIME-Version',
    'Content-Type',
    'content-transfer-encoding',
    'Content-Anything',
    'Return-Path',
    'Received',
    'DKIM-Signature',
    'Resent-Bcc',
    'ARC-Seal',
    'Delivered-To',
  ])('never set %s', (name) => {
    expect(refusalOf(() => parseHeaders({ [name]: 'x' }, 'headers')).message).toContain('Leave it out')
  })

  test.each([
    '',
    ' ',
    'X Y',
    'X:Y',
    'X-Ä',
    'X-A ',
    ' Bcc',
    'Bcc ',
    'Bcc:',
    '-X',
    'X-',
    'x'.repeat(77),
    '__proto__',
  ])('never have the name %j', (name) => {
    const refusal = refusalOf(() => parseHeaders([{ name, value: 'x' }], 'headers'))
    expect(refusal).toMatchObject({ code: 'invalid_header', details: { field: 'headers[0].name' } })
  })

  test.each(['X\r\nBcc', 'X\n', 'X\0'])('never have a control character in their name: %j', (name) => {
    expect(refusalOf(() => parseHeaders({ [name]: 'x' }, 'headers')).code).toBe('invalid_header')
  })

  test.each(['a\r\nBcc: eve@evil.io', 'a\n b', 'a\0', 'a\tb', '', ' '])(
    'never have the value %j',
    (value) => {
      expect(refusalOf(() => parseHeaders({ 'X-A': value }, 'headers'))).toMatchObject({
        code: 'invalid_header',
        details: { field: 'headers.X-A' },
      })
    },
  )

  test('never have a word that a line cannot hold, whereas long values of words are folded later', () => {
    const words = 'word '.repeat(1000).trim()
    expect(parseHeaders({ 'X-A': words }, 'headers')[0]?.value).toBe(words)
    expect(refusalOf(() => parseHeaders({ 'X-A': 'a'.repeat(921) }, 'headers')).message).toContain(
      'a word is longer',
    )
    expect(refusalOf(() => parseHeaders({ 'X-A': words.repeat(2) }, 'headers')).message).toContain('too long')
  })

  test.each([['X-A: 1'], [7], [[['X-A', '1']]], [[{ name: 'X-A' }]], [{ 'X-A': 1 }], [{ 'X-A': undefined }]])(
    'are refused in another shape: %j',
    (input) => {
      expect(refusalOf(() => parseHeaders(input, 'headers')).code).toBe('invalid_params')
    },
  )
})

describe('an unsubscribe URL', () => {
  test.each(['https://example.com/u?id=1&x=%20', 'https://example.com', "https://example.com/a'b(c)~,;!$*"])(
    'of ASCII is taken as it is: %s',
    (url) => {
      expect(parseUnsubscribeUrl(url)).toBe(url)
    },
  )

  test('in other scripts comes back in ASCII', () => {
    expect(parseUnsubscribeUrl('https://bücher.example/ü?é=ñ')).toBe(
      'https://xn--bcher-kva.example/%C3%BC?%C3%A9=%C3%B1',
    )
  })

  test.each([
    'http://example.com/u',
    'mailto:u@example.com',
    'javascript:alert(1)',
    'example.com/u',
    '',
    'https://',
    'https:///x',
    'https:example.com',
    'https://exa%mple.com',
  ])('that is no https URL is invalid_params: %s', (url) => {
    expect(refusalOf(() => parseUnsubscribeUrl(url))).toMatchObject({
      code: 'invalid_params',
      details: { field: 'unsubscribeUrl' },
    })
  })

  test.each([
    'https://example.com/a b',
    ' https://example.com',
    'https://example.com/>,<mailto:eve@evil.io',
    'https://example.com/\r\nBcc: eve@evil.io',
    'https://example.com/\t',
    'https://example.com\\@evil.io',
    'https://example.com/\u00a0',
  ])('that would break its header is invalid_header: %j', (url) => {
    expect(refusalOf(() => parseUnsubscribeUrl(url)).code).toBe('invalid_header')
  })

  test('keeps its header line within 998 octets', () => {
    const longest = `https://example.com/${'a'.repeat(958)}`
    expect(`List-Unsubscribe: <${parseUnsubscribeUrl(longest)}>`).toHaveLength(998)
    expect(refusalOf(() => parseUnsubscribeUrl(`${longest}a`)).code).toBe('invalid_header')
    expect(refusalOf(() => parseUnsubscribeUrl(`https://example.com/${'é'.repeat(400)}`)).code).toBe(
      'invalid_header',
    )
  })
})
