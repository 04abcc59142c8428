import { describe, expect, test } from 'vitest'
import { domainOf, formatMailbox, parseMailbox, parseMailboxes } from '../../src/message/address.js'
import { normalizeDomain } from '../../src/message/domain.js'
import { refusalOf } from './refusal.js'

const addressOf = (input: unknown) => parseMailbox(input, 'to').address

describe('an address is taken', () => {
  test.each([
    ['ada@example.com', { address: 'ada@example.com' }],
    ['<ada@example.com>', { address: 'ada@example.com' }],
    ['Ada <ada@example.com>', { name: 'Ada', address: 'ada@example.com' }],
    ['Ada<ada@example.com>', { name: 'Ada', address: 'ada@example.com' }],
    ['"Lovelace, Ada" <ada@example.com>', { name: 'Lovelace, Ada', address: 'ada@example.com' }],
    ['"Ada \\"A\\"" <ada@example.com>', { name: 'Ada "A"', address: 'ada@example.com' }],
    ['"jan@b.com" <jan@b.com>', { name: 'jan@b.com', address: 'jan@b.com' }],
    ['Dr. Ada O’Hara <ada@example.com>', { name: 'Dr. Ada O’Hara', address: 'ada@example.com' }],
    ['Ἀδά Λάβλεϊς <ada@example.com>', { name: 'Ἀδά Λάβλεϊς', address: 'ada@example.com' }],
    ['قنديل <ada@example.com>', { name: 'قنديل', address: 'ada@example.com' }],
    ['root@localhost', { address: 'root@localhost' }],
    ["o'hara+tag=1/2@example.com", { address: "o'hara+tag=1/2@example.com" }],
    ['用户@例え.jp', { address: '用户@xn--r8jz45g.jp' }],
  ])('%s', (input, mailbox) => {
    expect(parseMailbox(input, 'to')).toEqual(mailbox)
  })

  test('as an object, whose name needs no quotes and whose empty name is none', () => {
    expect(parseMailbox({ name: 'Lovelace, "Ada" <x@y.io>', address: 'ada@example.com' }, 'to')).toEqual({
      name: 'Lovelace, "Ada" <x@y.io>',
      address: 'ada@example.com',
    })
    expect(parseMailbox({ name: ' ', address: 'ada@example.com' }, 'to')).toEqual({
      address: 'ada@example.com',
    })
    expect(parseMailbox({ name: undefined, address: 'ada@example.com' }, 'to')).toEqual({
      address: 'ada@example.com',
    })
  })

  test('frozen, and apart from the object it came from', () => {
    const given = { name: 'Ada', address: 'ada@example.com' }
    const mailbox = parseMailbox(given, 'to')
    given.address = 'eve@example.com'
    expect(mailbox.address).toBe('ada@example.com')
    expect(Object.isFrozen(mailbox)).toBe(true)
  })
})

describe('an address has one normal form', () => {
  test('its domain is lower-case and its local part keeps its case', () => {
    expect(addressOf('Ada.L@Example.COM')).toBe('Ada.L@example.com')
  })

  test.each([
    ['ada@MÜNCHEN.de', 'ada@xn--mnchen-3ya.de'],
    ['ada@xn--MNCHEN-3ya.DE', 'ada@xn--mnchen-3ya.de'],
    ['ada@exam\u00adple.com', 'ada@example.com'],
    ['ada@ex\u200bample.com', 'ada@example.com'],
    ['ada@ｅｘａｍｐｌｅ．ｃｏｍ', 'ada@example.com'],
    ['ada@example。com', 'ada@example.com'],
    ['ada@faß.de', 'ada@xn--fa-hia.de'],
  ])('%s is %s', (input, address) => {
    expect(addressOf(input)).toBe(address)
  })

  test('quotes that are not needed are dropped, and those that are needed are kept', () => {
    expect(addressOf('"ada"@example.com')).toBe('ada@example.com')
    expect(addressOf('"a\\da"@example.com')).toBe('ada@example.com')
    expect(addressOf('"ada lovelace"@example.com')).toBe('"ada lovelace"@example.com')
    expect(addressOf('"a@b"@example.com')).toBe('"a@b"@example.com')
    expect(addressOf('"a\\"b\\\\"@example.com')).toBe('"a\\"b\\\\"@example.com')
    expect(addressOf('".."@example.com')).toBe('".."@example.com')
  })
})

describe('an address is refused with invalid_email', () => {
  test.each([
    ['a@x.io, b@y.io', /more than one address/],
    ['a@x.io,b@y.io', /more than one address/],
    ['a@x.io; b@y.io', /more than one address/],
    ['a@x.io b@y.io', /more than one @|space/],
    ['a@x.io@y.io', /more than one @/],
    ['a@b.com <c@d.com>', /needs quotes/],
    ['Ada <a@x.io> <b@y.io>', /./],
    ['Ada <a@x.io>, Bob <b@y.io>', /./],
    ['<a@x.io>b@y.io', /./],
    ['friends: a@x.io, b@y.io;', /./],
    ['friends:a@x.io;', /./],
    ['undisclosed-recipients:;', /./],
    ['ada@example.com (Ada)', /./],
    ['Ada (the first) <ada@example.com>', /needs quotes/],
    ['Lovelace, Ada <ada@example.com>', /needs quotes/],
    ['ada', /has no @/],
    ['@example.com', /nothing before/],
    ['ada@', /nothing follows/],
    ['<>', /has no @/],
    ['ada lovelace@example.com', /space outside quotes/],
    ['ada@exam ple.com', /space/],
    ['ada @example.com', /space/],
    ['ada@ example.com', /space/],
    [' ada@example.com', /begins or ends with a space/],
    ['ada@example.com ', /begins or ends with a space/],
    ['Ada <ada@example.com >', /space/],
    ['ada\u00a0l@example.com', /space/],
    ['.ada@example.com', /dot-atom/],
    ['ada.@example.com', /dot-atom/],
    ['a..b@example.com', /dot-atom/],
    ['""@example.com', /nothing before/],
    ['"ada@example.com', /dot-atom/],
    ['"a> SIZE=0"@example.com', /angle bracket/],
    ['friends:ada@example.com', /group/],
    ['"a＠b"@example.com', /quoted string/],
    ['ada"x"@example.com', /dot-atom/],
    ['a\\b@example.com', /dot-atom/],
    ['ad\u200ba@example.com', /dot-atom/],
    ['ad\u202ea@example.com', /dot-atom/],
    ['x＠evil.io@example.com', /dot-atom/],
    ['x，y@example.com', /dot-atom/],
    ['ada@[127.0.0.1]', /brackets/],
    ['ada@[IPv6:::1]', /brackets/],
    ['ada@127.0.0.1', /no domain/],
    ['ada@127.1', /no domain/],
    ['ada@１２７.１', /no domain/],
    ['ada@1', /no domain/],
    ['ada@example.com.', /no domain/],
    ['ada@.example.com', /no domain/],
    ['ada@a..b', /no domain/],
    ['ada@-a.com', /no domain/],
    ['ada@a-.com', /no domain/],
    ['ada@my_host.com', /no domain/],
    ['ada@%65xample.com', /no domain/],
    ['ada@example.com/x', /no domain/],
    ['ada@example.com?x', /no domain/],
    ['ada@example.com#x', /no domain/],
    ['ada@example.com:25', /no domain/],
    ['ada@example.com／x', /no domain/],
    ['ada@℀.com', /no domain/],
    ['ada@\u00ad', /no domain/],
    ['ada@\u00ad.com', /no domain/],
    ['ada@xn--', /no domain/],
    ['ada@xn--a.com', /no domain/],
    ['ada@xn--example-.com', /no domain/],
  ])('%s', (input, words) => {
    const refusal = refusalOf(() => parseMailbox(input, 'recipients[1]'))
    expect(refusal).toMatchObject({ code: 'invalid_email', details: { field: 'recipients[1]' } })
    expect(refusal.message).toMatch(words)
    expect(refusal.message).toMatch(/^recipients\[1\]: .*Give exactly one address/)
  })

  test.each([
    ['a\r\nBcc: eve@evil.io\r\n@example.com', 'a carriage return (U+000D) stands at character 2'],
    ['ada@example.com\r\nRCPT TO:<eve@evil.io>', 'a carriage return'],
    ['ada@example.com\n', 'a line feed (U+000A) stands at character 16'],
    ['ada\0@example.com', 'a NUL'],
    ['ada\t@example.com', 'a tab'],
    ['"a\r\nb" <ada@example.com>', 'a carriage return'],
    ['ada\u0085@example.com', 'the character U+0085'],
    ['ada\u2028@example.com', 'the character U+2028'],
    ['ada\ud800@example.com', 'the character U+D800'],
    ['ada\u007f@example.com', 'the character U+007F'],
  ])('control characters: %j', (input, words) => {
    for (const given of [input, { address: input }, { name: input, address: 'ada@example.com' }]) {
      const refusal = refusalOf(() => parseMailbox(given, 'to'))
      expect(refusal.code).toBe('invalid_email')
      expect(refusal.message).toContain(words)
    }
  })

  test.each([[42], [true], [['ada@example.com']], [Symbol.iterator], [() => 'ada@example.com']])(
    'what is no string and no object: %s',
    (input) => {
      expect(refusalOf(() => parseMailbox(input, 'to')).code).toBe('invalid_email')
    },
  )

  test('an object whose address is more than an address, or with another field', () => {
    const whole = refusalOf(() => parseMailbox({ address: 'Ada <ada@example.com>' }, 'to'))
    expect(whole).toMatchObject({ code: 'invalid_email', details: { field: 'to.address' } })
    const other = refusalOf(() => parseMailbox({ email: 'ada@example.com' }, 'to'))
    expect(other).toMatchObject({ code: 'invalid_email', details: { field: 'to.email' } })
    expect(other.message).toContain('Did you mean address?')
    expect(refusalOf(() => parseMailbox({ name: 7, address: 'a@x.io' }, 'to')).details.field).toBe('to.name')
  })

  test('a message that quotes it stays on one line and short', () => {
    const refusal = refusalOf(() => parseMailbox(`${'x\u202e'.repeat(400)}@`, 'to'))
    expect(refusal.message.length).toBeLessThan(900)
    expect(refusal.message).not.toMatch(/[\p{Cc}\u202e]/u)
  })
})

describe('lengths', () => {
  const domainOfLength = (length: number) => `${'a.'.repeat(200)}${'b'.repeat(300)}`.slice(-length)

  test('a local part has at most 64 octets', () => {
    expect(addressOf(`${'a'.repeat(64)}@example.com`)).toHaveLength(76)
    expect(addressOf(`${'é'.repeat(32)}@example.com`)).toContain('é')
    for (const local of ['a'.repeat(65), 'é'.repeat(33), `"${'a '.repeat(32)}"`]) {
      expect(refusalOf(() => addressOf(`${local}@example.com`)).message).toContain('over 64 octets')
    }
  })

  test('a domain has at most 253 characters and a label at most 63', () => {
    const domain = `${`${'a'.repeat(49)}.`.repeat(5)}abc`
    expect(domain).toHaveLength(253)
    expect(domainOf(addressOf(`ada@${domain}`))).toBe(domain)
    expect(refusalOf(() => addressOf(`ada@a${domain}`)).message).toContain('no domain')
    expect(addressOf(`ada@${'a'.repeat(63)}.io`)).toContain('aaa')
    expect(refusalOf(() => addressOf(`ada@${'a'.repeat(64)}.io`)).message).toContain('no domain')
    expect(refusalOf(() => addressOf(`ada@${domainOfLength(400)}`)).code).toBe('invalid_email')
  })

  test('a label is measured as it goes over the wire', () => {
    expect(addressOf(`ada@${'é'.repeat(50)}.com`)).toMatch(/^ada@xn--/)
    expect(refusalOf(() => addressOf(`ada@${'é'.repeat(59)}.com`)).code).toBe('invalid_email')
  })

  test('a name has at most 256 characters', () => {
    expect(parseMailbox({ name: 'n'.repeat(256), address: 'a@x.io' }, 'to').name).toHaveLength(256)
    const refusal = refusalOf(() => parseMailbox({ name: 'n'.repeat(257), address: 'a@x.io' }, 'to'))
    expect(refusal).toMatchObject({ code: 'invalid_email', details: { field: 'to.name' } })
  })

  test('a string of a megabyte is refused at once', () => {
    expect(refusalOf(() => addressOf(`${'('.repeat(1_000_000)}@x.io`)).message).toContain(
      '1000005 characters',
    )
  })
})

describe('an empty address', () => {
  test.each([[''], ['  '], [undefined], [null], [{}], [{ address: '' }], [{ name: 'Ada' }]])(
    'is no_email: %j',
    (input) => {
      const refusal = refusalOf(() => parseMailbox(input, 'sender'))
      expect(refusal.code).toBe('no_email')
      expect(refusal.message).toMatch(/^sender/)
    },
  )
})

describe('lists', () => {
  test('keep their order, and name the position of what is wrong', () => {
    const list = parseMailboxes(['b@x.io', { address: 'a@x.io' }], 'cc', { required: false })
    expect(list.map(({ address }) => address)).toEqual(['b@x.io', 'a@x.io'])
    expect(Object.isFrozen(list)).toBe(true)
    const refusal = refusalOf(() => parseMailboxes(['a@x.io', 'b@y.io, c@z.io'], 'cc', { required: false }))
    expect(refusal.details.field).toBe('cc[1]')
  })

  test('may be a single address', () => {
    expect(parseMailboxes('a@x.io', 'replyTo', { required: false })).toEqual([{ address: 'a@x.io' }])
  })

  test('may be empty only where they are not required', () => {
    expect(parseMailboxes(undefined, 'cc', { required: false })).toEqual([])
    expect(parseMailboxes([], 'cc', { required: false })).toEqual([])
    for (const empty of [undefined, null, []]) {
      const refusal = refusalOf(() => parseMailboxes(empty, 'recipients', { required: true }))
      expect(refusal).toMatchObject({ code: 'invalid_params', details: { field: 'recipients' } })
    }
  })

  test('a hole in one is an empty address', () => {
    const holey: unknown[] = ['a@x.io']
    holey[2] = 'b@x.io'
    expect(refusalOf(() => parseMailboxes(holey, 'cc', { required: false }))).toMatchObject({
      code: 'no_email',
      details: { field: 'cc[1]' },
    })
  })
})

describe('formatMailbox', () => {
  test.each([
    [{ address: 'a@x.io' }, 'a@x.io'],
    [{ name: 'Ada Lovelace', address: 'a@x.io' }, 'Ada Lovelace <a@x.io>'],
    [{ name: '小島 秀夫', address: 'a@x.io' }, '小島 秀夫 <a@x.io>'],
    [{ name: 'Lovelace, Ada', address: 'a@x.io' }, '"Lovelace, Ada" <a@x.io>'],
    [{ name: 'a@b.com', address: 'c@d.com' }, '"a@b.com" <c@d.com>'],
    [{ name: 'A "B" \\', address: 'a@x.io' }, '"A \\"B\\" \\\\" <a@x.io>'],
    [{ name: '=?utf-8?q?x?=', address: 'a@x.io' }, '"=?utf-8?q?x?=" <a@x.io>'],
  ])('%j', (mailbox, text) => {
    expect(formatMailbox(mailbox)).toBe(text)
  })
})

describe('normalizeDomain', () => {
  test('gives the domain of an address and of a configuration alike', () => {
    expect(normalizeDomain('Bücher.example')).toBe('xn--bcher-kva.example')
    expect(normalizeDomain('localhost')).toBe('localhost')
    expect(normalizeDomain('not a domain')).toBeUndefined()
    expect(normalizeDomain('')).toBeUndefined()
    expect(normalizeDomain('a\tb.com')).toBeUndefined()
  })
})
