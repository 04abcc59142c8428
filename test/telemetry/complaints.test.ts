import { expect, test } from 'vitest'
import { createComplaints } from '../../src/telemetry/complaints.js'

/** What is complained of, with a clock that is set by hand. */
function listening() {
  const lines: { message: string; error?: string; count?: number }[] = []
  const clock = { now: 0, monotonicMs: () => clock.now }
  const error = (fields: object, message: string) => void lines.push({ message, ...fields })
  const complain = createComplaints({ debug() {}, info() {}, warn() {}, error }, clock)
  return { lines, clock, complain }
}

test('a flood of one kind is a line a second, with how often it came since the line before', () => {
  const { lines, clock, complain } = listening()
  for (; clock.now < 3_500; clock.now += 10) complain(new Error('connect ECONNREFUSED'), 'redis')
  const line = { message: 'redis', error: 'connect ECONNREFUSED' }
  expect(lines).toEqual([line, { ...line, count: 100 }, { ...line, count: 100 }, { ...line, count: 100 }])
})

test('kinds take turns, so that none is hidden behind another, and together make a line a second', () => {
  const { lines, clock, complain } = listening()
  for (; clock.now < 4_000; clock.now += 100) {
    complain(new Error('OOM command not allowed'), 'redis')
    complain(new Error('Missing lock for job 1'), 'redis')
    if (clock.now < 1_000) complain(new Error('no replica'), 'a delivery could not be marked')
  }
  expect(lines.map(({ error }) => error?.split(' ')[0])).toEqual(['OOM', 'Missing', 'no', 'OOM'])
})

test('errors without end take no memory without end', () => {
  const { lines, clock, complain } = listening()
  for (let n = 0; n < 1_000; n += 1) complain(new Error(`word${n}`), 'redis')
  for (; lines.length < 40 && clock.now < 1_000_000; clock.now += 1_000) complain(new Error('last'), 'redis')
  expect(new Set(lines.map(({ error }) => error)).size).toBeLessThan(30)
})
