import { expect, it } from 'vitest'
import { dateText } from '../../src/message/header-text.js'

it('a date is written as RFC 5322 says', () => {
  expect(dateText(new Date('2026-11-02T03:04:05Z'))).toBe('Mon, 02 Nov 2026 03:04:05 +0000')
})
