import { expect, test } from 'vitest'
import { createSuspicion } from '../../src/smtp/suspicion.js'

const times = (count: number, run: () => boolean) => Array.from({ length: count }, run)

test('it is confirmed by the fifth in a row, and by each that follows', () => {
  const suspicion = createSuspicion()
  expect(times(6, () => suspicion.isConfirmed('a'))).toEqual([false, false, false, false, true, true])
  expect(suspicion.isConfirmed('b')).toBe(false)
})

test('one that was taken ends the row', () => {
  const suspicion = createSuspicion()
  times(4, () => suspicion.isConfirmed('a'))
  suspicion.clear('a')
  expect(times(5, () => suspicion.isConfirmed('a'))).toEqual([false, false, false, false, true])
})

test('of a million senders those that were refused the longest ago are forgotten', () => {
  const suspicion = createSuspicion()
  times(4, () => suspicion.isConfirmed('old'))
  for (let index = 0; index < 1_000_000; index += 1) suspicion.isConfirmed(`sender-${index}`)
  expect(suspicion.isConfirmed('old')).toBe(false)
  expect(times(4, () => suspicion.isConfirmed('sender-999999')).at(-1)).toBe(true)
})
