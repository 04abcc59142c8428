import { expect, test } from 'vitest'
import { createPace } from '../../src/queue/unpack-pace.js'

test('two seconds of work may wait, never so few that workers starve, never so many that others wait long', () => {
  const pace = createPace()
  expect(pace.waiting(0, 0)).toBe(200)
  expect(pace.waiting(1_000, 1_000)).toBe(2_000)
  expect(pace.waiting(101_000, 2_000)).toBe(5_000)
})

test('it follows a lane that grows faster at once, and one that grows slower by halves', () => {
  const pace = createPace()
  pace.waiting(0, 0)
  expect(pace.waiting(1_000, 1_000)).toBe(2_000)
  expect(pace.waiting(1_000, 2_000)).toBe(1_000)
  expect(pace.waiting(1_000, 3_000)).toBe(500)
  expect(pace.waiting(1_000, 9_000)).toBe(250)
  expect(pace.waiting(3_000, 10_000)).toBe(4_000)
})

test('deliveries that are pending again are no rate below nothing', () => {
  const pace = createPace()
  pace.waiting(1_000, 0)
  expect(pace.waiting(0, 1_000)).toBe(200)
})
