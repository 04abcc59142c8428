import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rowTable } from '../../scripts/bench/command.js'
import { boundAt, histogramOf, since } from '../../scripts/bench/histogram.js'
import { busiestSecond, percentile, shareUsed, surelyBusiestSecond } from '../../scripts/bench/window.js'

test('the busiest second is found wherever it begins', () => {
  expect(busiestSecond([])).toBe(0)
  expect(busiestSecond([0, 999, 1_000])).toBe(2)
  expect(busiestSecond([0, 900, 950, 1_850, 1_899, 1_900])).toBe(4)
})

test('it is the same as by counting from every arrival on', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5_000), { minLength: 1 }), (unordered) => {
      const times = [...unordered].sort((one, other) => one - other)
      const counts = times.map((start) => times.filter((at) => at >= start && at < start + 1_000).length)
      expect(busiestSecond(times)).toBe(Math.max(...counts))
      expect(surelyBusiestSecond(times.map((at) => ({ from: at, at })))).toBe(Math.max(...counts))
    }),
  )
})

test('what is seen after a standstill counts for no second that it may not belong to', () => {
  const late = Array.from({ length: 30 }, () => ({ from: 500, at: 900 }))
  const sightings = [{ from: 0, at: 0 }, ...late, { from: 1_600, at: 1_600 }]
  // The thirty came between 500 and 900: surely in the second from 0 on, and perhaps not in that of the last.
  expect(surelyBusiestSecond(sightings)).toBe(31)
  expect(surelyBusiestSecond([...late, { from: 1_499, at: 1_499 }])).toBe(31)
  expect(surelyBusiestSecond([...late, { from: 1_500, at: 1_500 }])).toBe(30)
})

test('the share used counts what came within the time measured and nothing else', () => {
  expect(shareUsed([0, 1_000, 1_500, 2_999, 3_000], 1_000, 3_000, 2)).toBe(0.75)
})

test('percentiles are by nearest rank', () => {
  expect(percentile([3, 1, 2], 0.5)).toBe(2)
  expect(percentile([1, 2, 3], 0.99)).toBe(3)
  expect(percentile([], 0.5)).toBeNaN()
})

const metrics = (one: number, two: number) => `# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.001",relay="main",lane="bulk"} ${one}
wait_seconds_bucket{le="+Inf",relay="main",lane="bulk"} ${two}
wait_seconds_bucket{relay="main",lane="transactional",le="0.001"} 1
wait_seconds_bucket{relay="main",lane="transactional",le="+Inf"} 1
wait_seconds_count{relay="main",lane="bulk"} ${two}
`

test('a histogram is that of all workers and labels, since it was looked at first', () => {
  const before = histogramOf([metrics(1, 2)], 'wait_seconds')
  expect(before).toEqual([
    { le: 0.001, count: 2 },
    { le: Number.POSITIVE_INFINITY, count: 3 },
  ])
  const waits = since(before, histogramOf([metrics(91, 102)], 'wait_seconds'))
  expect(boundAt(waits, 0.5)).toBe(0.001)
  expect(boundAt(waits, 0.99)).toBe(Number.POSITIVE_INFINITY)
  expect(boundAt(histogramOf([''], 'wait_seconds'), 0.5)).toBeNaN()
})

test('rows stand under their titles', () => {
  expect(rowTable(['a', 'figure'], [['10', '2']])).toEqual([' a  figure', '10       2'])
})
