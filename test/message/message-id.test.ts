import { describe, expect, test } from 'vitest'
import { createMessageId, parseMessageId, parseReferences } from '../../src/message/message-id.js'
import { refusalOf } from './refusal.js'

describe('a new Message-ID', () => {
  test('is the unique part at the domain, in its normal form', () => {
    expect(createMessageId('b3c1-4.x_Y', 'Example.COM')).toBe('<b3c1-4.x_Y@example.com>')
    expect(createMessageId('1', 'bücher.example')).toBe('<1@xn--bcher-kva.example>')
  })

  test.each([
    ['', 'example.com'],
    ['a b', 'example.com'],
    ['a@b', 'example.com'],
    ['a>', 'example.com'],
    ['.a', 'example.com'],
    ['a\r\n', 'example.com'],
    ['a', ''],
    ['a', 'exam ple.com'],
    ['a', 'x>\r\nBcc: eve@evil.io'],
  ])('is never made from %j and %j', (uniquePart, domain) => {
    expect(refusalOf(() => createMessageId(uniquePart, domain)).code).toBe('invalid_params')
  })
})

describe('a given Message-ID', () => {
  test.each([
    ['<id@example.com>', '<id@example.com>'],
    ['id@example.com', '<id@example.com>'],
    ['<CA+x=y/z$1_..a@mail.gmail.com>', '<CA+x=y/z$1_..a@mail.gmail.com>'],
    ['<id@[127.0.0.1]>', '<id@[127.0.0.1]>'],
    ['<a@b@c>', '<a@b@c>'],
  ])('%s is %s', (input, id) => {
    expect(parseMessageId(input, 'inReplyTo')).toBe(id)
    expect(parseMessageId(id, 'inReplyTo')).toBe(id)
  })

  test.each([
    '',
    '<>',
    '<@>',
    'id',
    '<id>',
    '<id@example.com',
    'id@example.com>',
    '<a@b> <c@d>',
    '<a@b><c@d>',
    ' <a@b>',
    '<a@b>\r\nBcc: eve@evil.io',
    '<a@b\n>',
    '<a\0@b>',
    '<ü@b>',
    `<${'a'.repeat(900)}@b>`,
  ])('is refused with invalid_header: %j', (input) => {
    expect(refusalOf(() => parseMessageId(input, 'messageId'))).toMatchObject({
      code: 'invalid_header',
      details: { field: 'messageId' },
    })
  })

  test('is refused when it is no string', () => {
    expect(refusalOf(() => parseMessageId(['<a@b>'], 'inReplyTo')).code).toBe('invalid_params')
  })
})

describe('references', () => {
  test('are an array of Message-IDs, each by its own', () => {
    expect(parseReferences(['<a@b>', 'c@d'], 'references')).toEqual(['<a@b>', '<c@d>'])
    expect(parseReferences(undefined, 'references')).toEqual([])
    expect(refusalOf(() => parseReferences(['<a@b>', '<c@d> <e@f>'], 'references')).details.field).toBe(
      'references[1]',
    )
    expect(refusalOf(() => parseReferences('<a@b>', 'references')).code).toBe('invalid_params')
  })
})
