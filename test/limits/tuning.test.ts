import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { type LimitState, limitNow, relayBucket } from '../../src/limits/limit.js'
import {
  canGoLower,
  cutAt,
  isTelling,
  lowestPerSecond,
  tunedConnections,
  tunedPerSecond,
} from '../../src/limits/tuning.js'
import { runFleet } from './fleet-model.js'

const cut = { at: 0, perSecond: 100 }
const second = 1_000

test('a cut halves the rate, and most of it is back within seconds', () => {
  expect(tunedPerSecond(cut, 0)).toBeCloseTo(50)
  expect(tunedPerSecond(cut, 2 * second)).toBeGreaterThan(85)
  expect(tunedPerSecond(cut, 8 * second)).toBeCloseTo(96, 0)
})

test('a rate is raised without an end, never faster than 8 % a second where it is more than was too much', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60_000 }), (at) => {
      const [before, after] = [tunedPerSecond(cut, at), tunedPerSecond(cut, at + 100)]
      expect(after).toBeGreaterThanOrEqual(before)
      if (before > 98) expect(after / before).toBeLessThanOrEqual(Math.exp(0.008) + 1e-9)
    }),
  )
})

test('twice as much as was too much is tried within half a minute', () => {
  expect(tunedPerSecond(cut, 25 * second)).toBeGreaterThan(200)
})

test('after a long quiet a cut is forgotten where nothing is configured', () => {
  expect(tunedPerSecond(cut, 600 * second)).toBe(Number.POSITIVE_INFINITY)
})

test('a clock that went back gives no more than the cut did', () => {
  expect(tunedPerSecond(cut, -5 * second)).toBeCloseTo(50)
})

test('connections are halved with the rate, down to one, and free again when it is back', () => {
  const tuned = { ...cut, connections: 10 }
  expect(tunedConnections(tuned, 0)).toBe(5)
  expect(tunedConnections({ ...cut, connections: 1 }, 0)).toBe(1)
  expect(tunedConnections(tuned, 20 * second)).toBe(Number.POSITIVE_INFINITY)
  expect(tunedConnections(cut, 0)).toBe(Number.POSITIVE_INFINITY)
})

test('only what began a second after a cut speaks against it', () => {
  expect(isTelling(undefined, 0)).toBe(true)
  expect(isTelling(cut, -1)).toBe(false)
  expect(isTelling(cut, 999)).toBe(false)
  expect(isTelling(cut, 1_000)).toBe(true)
})

test('what was too much is the limit, or a few times what the fleet got through where that is far less', () => {
  const facts = { limit: 200, ceiling: 200 }
  expect(cutAt({ ...facts, rate: 40 }, 7)).toEqual({ at: 7, perSecond: 100 })
  expect(cutAt({ ...facts, rate: 150 }, 7)).toEqual({ at: 7, perSecond: 200 })
  expect(cutAt({ ...facts, rate: 0 }, 7)).toEqual({ at: 7, perSecond: 200 })
  const none = { limit: Number.POSITIVE_INFINITY, ceiling: Number.POSITIVE_INFINITY }
  expect(cutAt({ ...none, rate: 40 }, 7)).toEqual({ at: 7, perSecond: 100 })
})

test('however often it is cut, a rate goes down to one a second and no lower', () => {
  const ceiling = Number.POSITIVE_INFINITY
  let limit = 500
  let cuts = 0
  for (let now = 0; canGoLower(limit, ceiling); now += second) {
    limit = tunedPerSecond(cutAt({ limit, ceiling, rate: 0 }, now), now)
    cuts += 1
  }
  expect(limit).toBeGreaterThan(0.999)
  expect(limit).toBeLessThanOrEqual(2)
  expect(cuts).toBe(8)
  const lowest = cutAt({ limit: 1, ceiling, rate: 0 }, 0)
  expect(tunedPerSecond(lowest, 0)).toBeCloseTo(1)
})

test('below ten a second the lowest rate is a tenth of what is configured', () => {
  expect(lowestPerSecond(0.5)).toBe(0.05)
  expect(lowestPerSecond(1_000)).toBe(1)
  expect(canGoLower(0.5, 0.5)).toBe(true)
  expect(canGoLower(0.1, 0.5)).toBe(false)
})

describe('a limit', () => {
  const state = (selfTuning: boolean): LimitState => ({
    configured: { ratePerSecond: 200, selfTuning, maxConnections: 8, providers: { google: {} } },
    shares: {},
    set: {},
    tuned: { [relayBucket]: { ...cut, connections: 10 }, google: { at: 0, perSecond: 10 } },
  })

  test('is the smaller one of what is configured and what is tuned', () => {
    expect(limitNow(state(true), relayBucket, 0)).toMatchObject({
      perSecond: expect.closeTo(50),
      connections: 5,
    })
    expect(limitNow(state(true), relayBucket, 60 * second)).toMatchObject({ perSecond: 200, connections: 8 })
    expect(limitNow(state(true), 'google', 0)).toMatchObject({
      perSecond: expect.closeTo(5),
      connections: Number.POSITIVE_INFINITY,
    })
  })

  test('is as configured without self-tuning', () => {
    expect(limitNow(state(false), relayBucket, 0)).toMatchObject({ perSecond: 200, connections: 8 })
    expect(limitNow(state(false), 'google', 0).perSecond).toBe(Number.POSITIVE_INFINITY)
  })
})

const takes = [120, 60, 120]
const seconds = 60
const settleSeconds = 30
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
const percent = (share: number) => `${(100 * share).toFixed(1)} %`

/** Of what the relay took in its turn, how much it got once there had been time to find out. */
function usedOf(taken: readonly number[]): number[] {
  return takes.map((most, index) => {
    const settled = taken.slice(index * seconds + settleSeconds, (index + 1) * seconds)
    return sum(settled) / settled.length / most
  })
}

const figures: { readonly used: readonly number[]; readonly refused: readonly number[] }[] = []
afterAll(() => {
  const used = figures.flatMap((each) => each.used)
  const refused = figures.flatMap((each) => each.refused)
  process.stdout.write(
    `tuning: ${percent(Math.min(...used))} used at the least and ${percent(sum(used) / used.length)} in the mean, ` +
      `${percent(Math.max(...refused))} refused at the most and ${percent(sum(refused) / refused.length)} in the mean\n`,
  )
})

const workers = [1, 2, 4]
const fleets = workers.flatMap((count) =>
  (['sliding', 'fixed'] as const).flatMap((counts) =>
    [0, 500].map((seenLateMs) => ({ workers: count, counts, seenLateMs })),
  ),
)

test.each(fleets)(
  '$workers workers that hear of a cut within $seenLateMs ms follow a relay that counts by $counts seconds',
  (fleet) => {
    const used: number[] = []
    const refused: number[] = []
    for (const spreadMs of [20, 80]) {
      for (const seed of [1, 2, 3, 4]) {
        const run = runFleet({ ...fleet, spreadMs, seed, takes, seconds, perSecond: 200 })
        const all = sum(run.refused)
        used.push(...usedOf(run.taken))
        refused.push(all / (all + sum(run.taken)))
      }
    }
    figures.push({ used, refused })
    expect(Math.min(...used)).toBeGreaterThan(0.85)
    expect(Math.max(...used)).toBeLessThanOrEqual(1)
    expect(Math.min(...refused)).toBeGreaterThan(0)
    expect(Math.max(...refused)).toBeLessThan(0.02)
  },
)
