import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseMailbox } from '../../src/message/address.js'

/** The address, or that it is refused. */
function read(input: unknown): string | undefined {
  try {
    return parseMailbox(input, 'to').address
  } catch {
    return undefined
  }
}

const part = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_+-]{1,5}$/) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '.',
      '..',
      '-',
      '--',
      '@',
      'xn--',
      '0x1',
      '127',
      'x'.repeat(64),
      ' ',
      '"',
      '%',
      'é',
      '_',
    ),
  },
)
const local = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('.'))
const domain = fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.'))

describe('the short way for everyday addresses', () => {
  test('takes and refuses what the long way does, and gives the same address', () => {
    fc.assert(
      fc.property(local, domain, (before, after) => {
        const address = `${before}@${after}`
        // Within angle brackets there is only the long way.
        const long = read(`<${address}>`)
        expect(read(address)).toBe(long)
        expect(read({ name: 'Ada', address })).toBe(long)
      }),
      { numRuns: 3_000 },
    )
  })

  test.each([
    'a@1.2.3.4',
    'a@0x7f.1',
    'a@b.0x1',
    'a@xn--a.com',
    'a@b-.com',
    'a@-b.com',
    `${'a'.repeat(65)}@b.com`,
    `a@${'b'.repeat(64)}.com`,
    `a@${'bcd.'.repeat(64)}com`,
    '.a@b.com',
    'a.@b.com',
    'a..b@c.com',
    'a@b.com.',
    'a@b.com\n',
    'a@b_c.com',
  ])('%j is none', (address) => {
    expect(read(address)).toBeUndefined()
  })
})
