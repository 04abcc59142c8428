import { expect, test } from 'vitest'
import { LaneLines } from '../../src/smtp/lane-lines.js'
import { never } from './sending.js'

/** Who is served, when all lanes always wait and `places` on `total` connections come back in turn. */
async function servedOf(
  shares: Readonly<Record<string, number>>,
  total: number,
  times: number,
  places = total,
): Promise<Record<string, number>> {
  const lines = new LaneLines<string>(shares)
  const counts: Record<string, number> = {}
  for (const lane of Object.keys(shares)) {
    counts[lane] = 0
    for (let index = 0; index < times; index += 1)
      void lines.wait(lane, never, 'closing').then(() => (counts[lane] = (counts[lane] ?? 0) + 1))
  }
  const seats = Array.from({ length: places }, () => ({}))
  for (let time = 0; time < times; time += 1) {
    const seat = seats[time % places]
    if (seat === undefined) throw new Error('no seat')
    lines.returned(seat)
    lines.serve('seat', seat, total)
  }
  await Promise.resolve()
  return counts
}

test('where there is one connection, lanes take turns by their shares', async () => {
  const {
    transactional = 0,
    bulk = 0,
    other = 0,
  } = await servedOf({ transactional: 0.5, bulk: 0.25, other: 0 }, 1, 120)
  expect(transactional).toBeGreaterThan(bulk)
  expect(bulk).toBeGreaterThanOrEqual(120 / 4)
  expect(other).toBeGreaterThan(0)
})

test('no lane waits for ever because another of the same share is served first', async () => {
  for (const total of [1, 2, 3]) {
    const counts = await servedOf({ first: 0.3, second: 0.3, third: 0.3 }, total, 90)
    for (const count of Object.values(counts)) expect(count).toBeGreaterThanOrEqual(20)
  }
})

test('shares are shares also where two messages have one connection', async () => {
  const { transactional = 0, bulk = 0 } = await servedOf({ transactional: 0.8, bulk: 0.2 }, 10, 200, 20)
  expect(transactional).toBeGreaterThanOrEqual(150)
  expect(bulk).toBeGreaterThanOrEqual(30)
})

test('where there are connections for all, each lane has its share of them', async () => {
  const { transactional = 0, bulk = 0 } = await servedOf({ transactional: 0.5, bulk: 0.5 }, 10, 200)
  expect(transactional).toBeGreaterThanOrEqual(95)
  expect(bulk).toBeGreaterThanOrEqual(95)
})
