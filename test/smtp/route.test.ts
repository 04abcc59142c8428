import { expect, test } from 'vitest'
import { createRoute } from '../../src/smtp/route.js'

function shares(choices: readonly (string | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const choice of choices) counts[`${choice}`] = (counts[`${choice}`] ?? 0) + 1
  return counts
}

test('relays in order: the first that can be used', () => {
  const route = createRoute(['a', 'b', 'c'])
  expect(route.choose(['a', 'b', 'c'])).toBe('a')
  expect(route.choose(['b', 'c'])).toBe('b')
  expect(route.choose([])).toBeUndefined()
})

test('relays by weight: each gets its share, spread evenly', () => {
  const route = createRoute([
    { relay: 'a', weight: 5 },
    { relay: 'b', weight: 1 },
    { relay: 'c', weight: 1 },
  ])
  const choices = Array.from({ length: 7 }, () => route.choose(['a', 'b', 'c']))
  expect(choices.join('')).toBe('aabacaa')
  expect(shares(Array.from({ length: 7_000 }, () => route.choose(['a', 'b', 'c'])))).toEqual({
    a: 5_000,
    b: 1_000,
    c: 1_000,
  })
})

test('what cannot be used is left to the others by their weights, and is owed nothing when it is back', () => {
  const route = createRoute([
    { relay: 'a', weight: 2 },
    { relay: 'b', weight: 1 },
    { relay: 'c', weight: 0.5 },
  ])
  expect(shares(Array.from({ length: 3_000 }, () => route.choose(['b', 'c'])))).toEqual({
    b: 2_000,
    c: 1_000,
  })
  const back = shares(Array.from({ length: 3_500 }, () => route.choose(['a', 'b', 'c'])))
  expect(back.a).toBeGreaterThan(1_990)
  expect(back.a).toBeLessThan(2_010)
})
