import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { limitNow, type RelayLimits, relayBucket } from '../../src/limits/limit.js'
import { createRedis, type Redis } from '../../src/redis.js'
import { freshName } from '../helpers/fresh-name.js'
import { openScriptsAt, type ScriptsAt } from './limit-scripts-at.js'

let redis: Redis
beforeAll(() => {
  redis = createRedis(inject('redisUrl'), 'ledger')
})
afterAll(() => redis.disconnect())

const open = () => openScriptsAt(redis, freshName())
const start = 1_800_000_000_000
const shares = { transactional: 0.5, bulk: 0.25 }

function limitOf(ratePerSecond: number, burst: number) {
  const configured: RelayLimits = { ratePerSecond, burst, selfTuning: false, providers: {} }
  return limitNow({ configured, shares, set: {}, tuned: {} }, relayBucket, start)
}

/** The relay's bucket, after it has been full for a while. */
async function openFull(rate: number, capacity: number): Promise<{ scripts: ScriptsAt; now: number }> {
  const scripts = await open()
  await scripts.take(start, 'first', { buckets: [['', rate, capacity]] })
  return { scripts, now: start + 3_000 }
}

/** The most that left within any second. */
function mostInASecond(sentAt: readonly number[]): number {
  const sorted = sentAt.toSorted((a, b) => a - b)
  let from = 0
  let most = 0
  for (const [index, at] of sorted.entries()) {
    while ((sorted[from] ?? at) <= at - 1_000) from += 1
    most = Math.max(most, index - from + 1)
  }
  return most
}

test('a bucket that is not there starts with one permit, for Redis may have lost it', async () => {
  const scripts = await open()
  const { grants } = await scripts.take(start, 'a', { buckets: [['', 100, 50]], wants: [['bulk', 10, 1, 0]] })
  expect(grants).toEqual([1])
})

test('a bucket fills up to its capacity and no further', async () => {
  const { scripts, now } = await openFull(100, 20)
  const ask = { buckets: [['', 100, 20] as const], wants: [['bulk', 50, 1, 0] as const] }
  expect(await scripts.take(now, 'a', ask)).toMatchObject({ grants: [20], short: ['relay'] })
  expect((await scripts.take(now + 100, 'a', ask)).grants).toEqual([10])
})

test('a permit takes a token of the relay and one of the provider, or none of either', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const, ['google', 1, 1] as const]
  const first = await scripts.take(now, 'a', { buckets, wants: [['bulk', 10, 1, 2]] })
  expect(first).toMatchObject({ grants: [1], short: ['provider'] })
  const second = await scripts.take(now, 'a', { buckets, wants: [['bulk', 50, 1, 0]] })
  expect(second.grants).toEqual([19])
  const third = await scripts.take(now + 1_100, 'b', {
    buckets: [
      ['', 0.1, 20],
      ['google', 1, 1],
    ],
    wants: [['bulk', 1, 1, 2]],
  })
  expect(third).toMatchObject({ grants: [0], short: ['relay'] })
  const fourth = await scripts.take(now + 1_100, 'b', { buckets, wants: [['bulk', 1, 0, 2]] })
  expect(fourth.grants).toEqual([1])
})

test('what a provider has no room for is not kept for it in the bucket of the relay', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const, ['google', 1, 1] as const]
  const both = await scripts.take(now, 'a', { buckets, shares, wants: [['transactional', 1_000, 1, 2]] })
  expect(both).toMatchObject({ grants: [1], short: ['provider'] })
  const others = await scripts.take(now, 'b', { buckets, shares, wants: [['bulk', 50, 1, 0]] })
  expect(others.grants).toEqual([19])
})

test('a share that nobody uses is borrowed at once', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const]
  expect((await scripts.take(now, 'a', { buckets, shares, wants: [['bulk', 20, 1, 0]] })).grants).toEqual([
    20,
  ])
})

test('a lane within its share is served before one that is beyond its own', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const]
  await scripts.take(now, 'a', { buckets, shares, wants: [['bulk', 20, 1, 0]] })
  const early = await scripts.take(now, 'b', { buckets, shares, wants: [['transactional', 3, 1, 0]] })
  expect(early).toMatchObject({ grants: [0], short: ['relay'] })
  const bulk = await scripts.take(now + 40, 'a', { buckets, shares, wants: [['bulk', 20, 1, 0]] })
  expect(bulk.grants).toEqual([1])
  const late = await scripts.take(now + 40, 'b', { buckets, shares, wants: [['transactional', 3, 1, 0]] })
  expect(late.grants).toEqual([3])
})

test('lanes that want the last permit both do not shut each other out', async () => {
  const scripts = await open()
  const buckets = [['', 1, 1] as const]
  const want = (now: number, lane: string) =>
    scripts.take(now, lane, { buckets, shares, wants: [[lane, 5, 1, 0]] })
  let granted = 0
  for (let now = start; now < start + 60_000; now += 200) {
    granted += (await want(now, 'bulk')).grants[0] ?? 0
    granted += (await want(now + 100, 'transactional')).grants[0] ?? 0
  }
  expect(granted).toBeGreaterThanOrEqual(57)
  expect(granted).toBeLessThanOrEqual(61)
})

test('of two lanes that are both entitled to the only permit, the one that asks first has it', async () => {
  const { scripts, now } = await openFull(1, 1)
  const want = async (at: number, lane: string) => {
    const ask = { buckets: [['', 1, 1] as const], shares, wants: [[lane, 2, 1, 0] as const] }
    return (await scripts.take(at, lane, ask)).grants[0]
  }
  expect(await want(now, 'other')).toBe(1)
  expect(await want(now, 'bulk')).toBe(0)
  expect(await want(now, 'transactional')).toBe(0)
  expect(await want(now + 1_000, 'bulk')).toBe(1)
})

test('what is wanted and not asked for again is soon no longer kept for anybody', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const]
  await scripts.take(now, 'a', { buckets, shares, wants: [['bulk', 20, 1, 0]] })
  await scripts.take(now, 'dead', { buckets, shares, wants: [['transactional', 8, 1, 0]] })
  const kept = await scripts.take(now + 100, 'a', { buckets, shares, wants: [['bulk', 20, 1, 0]] })
  expect(kept.grants).toEqual([2])
  const free = await scripts.take(now + 1_000, 'a', { buckets, shares, wants: [['bulk', 20, 1, 0]] })
  expect(free.grants).toEqual([20])
})

test('providers of one lane that want more than there is each have their part', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const]
  const wants = [['bulk', 50, 1, 0] as const, ['bulk', 50, 1, 0] as const]
  expect((await scripts.take(now, 'a', { buckets, wants })).grants).toEqual([10, 10])
})

test('the answer says when the next permit may be there, and a worker that asks then has it', async () => {
  const { scripts, now } = await openFull(10, 5)
  const ask = { buckets: [['', 10, 5] as const], wants: [['bulk', 6, 1, 0] as const] }
  const { grants, waitMs } = await scripts.take(now, 'a', ask)
  expect([grants, waitMs]).toEqual([[5], [100]])
  expect((await scripts.take(now + 100, 'a', ask)).grants).toEqual([1])
})

test('every permit that comes back in time is there again, as if it had never been taken', async () => {
  const moves = fc.array(
    fc.record({ after: fc.integer({ min: 0, max: 300 }), count: fc.integer({ min: 1, max: 60 }) }),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  const rates = fc.integer({ min: 1, max: 500 })
  await fc.assert(
    fc.asyncProperty(rates, moves, async (rate, steps) => {
      const buckets = [['', rate, Math.max(1, rate / 4)] as const]
      const [used, left] = await Promise.all([open(), open()])
      let now = start
      const returns: [string, number, number, number, number][] = []
      await Promise.all([used, left].map((scripts) => scripts.take(now, 'a', { buckets })))
      for (const { after, count } of steps) {
        now += after
        const { at, grants } = await used.take(now, 'a', {
          buckets,
          wants: [['bulk', count, 1, 0]],
          returns: returns.splice(0),
        })
        const [granted = 0] = grants
        if (granted > 0) returns.push(['bulk', granted, 1, 0, at])
      }
      const all = { buckets, wants: [['bulk', 1_000, 1, 0] as const] }
      const [afterReturns, untouched] = await Promise.all([
        used.take(now, 'a', { ...all, returns }),
        left.take(now, 'a', all),
      ])
      expect(afterReturns.grants).toEqual(untouched.grants)
    }),
    { numRuns: 100 },
  )
})

test('a permit that comes back after its bucket was full again is gone', async () => {
  const { scripts, now } = await openFull(100, 20)
  const buckets = [['', 100, 20] as const]
  const { at } = await scripts.take(now, 'a', { buckets, wants: [['bulk', 20, 1, 0]] })
  const later = { buckets, wants: [['bulk', 50, 1, 0] as const] }
  expect((await scripts.take(now + 500, 'b', later)).grants).toEqual([20])
  const back = await scripts.take(now + 500, 'b', { ...later, returns: [['bulk', 20, 1, 0, at]] })
  expect(back.grants).toEqual([0])
})

// Workers that ask, spend within the time that they may hold a permit, or give it back, early or far too late.
const worker = fc.record({
  everyMs: fc.integer({ min: 20, max: 400 }),
  most: fc.integer({ min: 1, max: 200 }),
  spends: fc.double({ min: 0, max: 1, noNaN: true }),
  lateMs: fc.integer({ min: 0, max: 1_500 }),
  isIdleAt: fc.integer({ min: 0, max: 4 }),
})
const fleet = fc.record({
  rate: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 500 })),
  burstPart: fc.double({ min: 0.25, max: 2, noNaN: true }),
  workers: fc.array(worker, { minLength: 1, maxLength: 4 }),
  seed: fc.integer(),
})

test('in no second more than rate and burst are spent, whoever asks, spends late, or gives back late', async () => {
  await fc.assert(
    fc.asyncProperty(fleet, async ({ rate, burstPart, workers, seed }) => {
      const burst = Math.max(1, rate * burstPart)
      const { capacity, holdMs } = limitOf(rate, burst)
      const scripts = await open()
      const random = randomOf(seed)
      const buckets = [['', rate, capacity] as const]
      const spentAt: number[] = []
      const events = workers.map((each, index) => ({
        ...each,
        name: `w${index}`,
        at: start + index,
        owed: [] as Owed[],
      }))
      for (;;) {
        const next = events.toSorted((a, b) => a.at - b.at)[0]
        if (next === undefined || next.at > start + 5_000) break
        const now = next.at
        const due = next.owed.filter(({ from }) => from <= now)
        next.owed = next.owed.filter(({ from }) => from > now)
        const isIdle = Math.floor((now - start) / 1_000) === next.isIdleAt
        const { at, grants } = await scripts.take(now, next.name, {
          buckets,
          shares,
          wants: isIdle ? [] : [[random() < 0.5 ? 'bulk' : 'transactional', next.most, 1, 0]],
          returns: due.map(({ lane, at: takenAt }) => [lane, 1, 1, 0, takenAt]),
        })
        for (let permit = 0; permit < (grants[0] ?? 0); permit += 1) {
          if (random() < next.spends) spentAt.push(now + random() * holdMs)
          else next.owed.push({ lane: 'bulk', at, from: now + random() * next.lateMs })
        }
        next.at += Math.max(1, Math.round(next.everyMs * (0.5 + random())))
      }
      expect(mostInASecond(spentAt)).toBeLessThanOrEqual(rate + burst + 1e-6)
    }),
    { numRuns: 60 },
  )
}, 60_000)

interface Owed {
  readonly lane: string
  readonly at: number
  readonly from: number
}

/** The same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

test.each([
  [1, 1],
  [7, 2],
  [15, 3.75],
  [15, 7.5],
  [40, 10],
  [200, 50],
  [3_000, 750],
])(
  '%f a second with a burst of %f are used to 95 % by 1, 2 and 4 workers that ask at the same time',
  async (rate, burst) => {
    const buckets = [['', rate, limitOf(rate, burst).capacity] as const]
    for (const count of [1, 2, 4]) {
      const scripts = await open()
      const workers = Array.from({ length: count }, (_, index) => ({ name: `w${index}`, at: start + index }))
      let granted = 0
      for (;;) {
        const next = workers.toSorted((a, b) => a.at - b.at)[0]
        if (next === undefined || next.at >= start + 20_000) break
        const ask = { buckets, shares, wants: [['bulk', Math.max(1, Math.ceil(rate / 5)), 1, 0] as const] }
        const { grants, waitMs } = await scripts.take(next.at, next.name, ask)
        granted += grants[0] ?? 0
        next.at += Math.max(100, waitMs[0] ?? 0)
      }
      expect(granted / (20 * rate)).toBeGreaterThan(0.95)
    }
  },
)

test('20 a second of one lane wait for under a third of a second behind any number of another, at 200 a second', async () => {
  const scripts = await open()
  const buckets = [['', 200, limitOf(200, 100).capacity] as const]
  const waiting: number[] = []
  const waits: number[] = []
  for (let now = start; now < start + 10_000; now += 25) {
    if ((now - start) % 50 === 0) waiting.push(now)
    const index = ((now - start) / 25) % 4
    const mine = waiting.filter((_, place) => place % 4 === index).length
    const { grants } = await scripts.take(now, `w${index}`, {
      buckets,
      shares,
      wants: [
        ['bulk', 40, 1, 0],
        ['transactional', mine, 1, 0],
      ],
    })
    for (const since of waiting.splice(0, grants[1] ?? 0)) waits.push(now - since)
  }
  expect(waits.length).toBeGreaterThan(190)
  expect(Math.max(...waits)).toBeLessThan(333)
})

test('lanes that both want all there is have at least their shares', async () => {
  const scripts = await open()
  const buckets = [['', 100, limitOf(100, 50).capacity] as const]
  const had: Record<string, number> = { bulk: 0, transactional: 0, other: 0 }
  for (let now = start; now < start + 20_000; now += 50) {
    const lanes = ['other', 'bulk', 'transactional']
    const wants = lanes.map((lane) => [lane, 50, 1, 0] as const)
    const { grants } = await scripts.take(now, `w${(now / 50) % 2}`, { buckets, shares, wants })
    for (const [place, lane] of lanes.entries()) had[lane] = (had[lane] ?? 0) + (grants[place] ?? 0)
  }
  expect(had.transactional).toBeGreaterThan(970)
  expect(had.bulk).toBeGreaterThan(480)
  expect(had.other).toBeGreaterThan(0)
})

test('no 24 hours see more than the quota of a day, and what is 25 hours old counts no more', async () => {
  const scripts = await open()
  const ask = { perDay: 100, wants: [['bulk', 60, 0, 0] as const] }
  const { at } = await scripts.take(start - 7_200_000, 'a', ask)
  await scripts.take(start - 7_200_000, 'a', { perDay: 100, returns: [['bulk', 60, 0, 0, at]] })
  expect((await scripts.take(start, 'a', ask)).grants).toEqual([60])
  expect(await scripts.take(start + 3_600_000, 'a', ask)).toMatchObject({ grants: [40], short: ['day'] })
  const { grants, waitMs } = await scripts.take(start + 20 * 3_600_000, 'a', ask)
  expect(grants).toEqual([0])
  expect((await scripts.take(start + 24 * 3_600_000, 'a', ask)).grants).toEqual([0])
  expect((await scripts.take(start + 20 * 3_600_000 + (waitMs[0] ?? 0), 'a', ask)).grants).toEqual([60])
})

test('a permit that comes back is the quota of somebody else', async () => {
  const scripts = await open()
  const { at } = await scripts.take(start, 'a', { perDay: 10, wants: [['bulk', 10, 0, 0]] })
  const back = await scripts.take(start, 'a', {
    perDay: 10,
    wants: [['bulk', 10, 0, 0]],
    returns: [['bulk', 4, 0, 0, at]],
  })
  expect(back.grants).toEqual([4])
})
