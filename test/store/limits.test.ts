import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { relayBucket } from '../../src/limits/limit.js'
import { createLimitStates } from '../../src/store/limit-states.js'
import type { LimitStore, Want } from '../../src/store/limits.js'
import { eventually } from '../helpers/eventually.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { lanesShares, openLimitFleet } from './limit-fleet.js'

const bulk = (count: number, provider = 'other'): Want => ({ provider, lane: 'bulk', count })

const fullBucket = (store: LimitStore, count: number) =>
  eventually('the bucket is full', async () => {
    const { at, grants } = await store.take('main', [bulk(count)], [])
    const [granted = 0] = grants
    if (granted === count) return at
    await store.take('main', [], [{ ...bulk(granted), at }])
    return undefined
  })

const setRate = (ratePerSecond: number) => (state: ReturnType<LimitStore['state']>) => ({
  ...state,
  set: { [relayBucket]: { ratePerSecond } },
})

test('what the worker that was started last has configured holds for all, and what was set goes before it', async () => {
  await using fleet = openLimitFleet()
  const first = await fleet.join({ ratePerSecond: 10 })
  expect(first.limit('main', relayBucket).perSecond).toBe(10)
  await first.change('main', setRate(7))
  await fleet.join({ ratePerSecond: 20 })
  await eventually('the first knows', () => first.state('main').configured.ratePerSecond === 20, {
    withinMs: 1_000,
  })
  expect(first.state('main').shares).toEqual(lanesShares)
  expect(first.limit('main', relayBucket).perSecond).toBe(7)
})

test('a lane keeps its share when a worker is started that does not have it', async () => {
  await using fleet = openLimitFleet()
  const both = await fleet.join()
  await fleet.join({}, systemClock, { bulk: 0.4 })
  await eventually('it is known', () => both.state('main').shares.bulk === 0.4, { withinMs: 1_000 })
  expect(both.state('main').shares).toEqual({ transactional: 0.5, bulk: 0.4 })
})

test('a limit that is set is seen by every worker within a second', async () => {
  await using fleet = openLimitFleet()
  const workers = await Promise.all([1, 2, 3, 4].map(() => fleet.join({ ratePerSecond: 10 })))
  const states = createLimitStates(fleet.redis, fleet.keys)
  expect(await states.change('main', setRate(3))).toMatchObject({ set: { '': { ratePerSecond: 3 } } })
  const sees = (worker: LimitStore) => worker.limit('main', relayBucket).perSecond === 3
  await eventually('all see it', () => workers.every(sees), { withinMs: 1_000 })
})

test('a worker that asks for permits by an old limit is told the new one, and gets what that allows', async () => {
  await using fleet = openLimitFleet()
  const worker = await fleet.join({ ratePerSecond: 400 })
  await fullBucket(worker, 100)
  await createLimitStates(fleet.redis, fleet.keys).change('main', setRate(2))
  const { grants } = await worker.take('main', [bulk(100)], [])
  expect(grants[0]).toBeLessThanOrEqual(1)
  expect(worker.limit('main', relayBucket).perSecond).toBe(2)
})

test('of changes that are made at the same time none is lost', async () => {
  await using fleet = openLimitFleet()
  const workers = await Promise.all([1, 2, 3].map(() => fleet.join()))
  const add = (name: string) => (state: ReturnType<LimitStore['state']>) => ({
    ...state,
    set: { ...state.set, [name]: { ratePerSecond: 1 } },
  })
  const names = Array.from({ length: 12 }, (_, index) => `p${index}`)
  await Promise.all(names.map((name, index) => workers[index % 3]?.change('main', add(name))))
  const reading = await createLimitStates(fleet.redis, fleet.keys).read('main')
  expect(Object.keys(reading?.state.set ?? {}).toSorted()).toEqual(names.toSorted())
  expect(await workers[0]?.change('main', () => undefined)).toBe(false)
})

test('what Redis has lost is published again by whoever knows it', async () => {
  await using fleet = openLimitFleet()
  const worker = await fleet.join({ ratePerSecond: 10 })
  await worker.change('main', setRate(7))
  const version = await fleet.redis.hget(fleet.keys.limits('main'), 'version')
  await fleet.redis.del(fleet.keys.limits('main'))
  const states = createLimitStates(fleet.redis, fleet.keys)
  await eventually(
    'it is there again',
    async () => (await states.read('main'))?.state.set['']?.ratePerSecond === 7,
  )
  const next = await fleet.redis.hget(fleet.keys.limits('main'), 'version')
  expect(Number(next)).toBeGreaterThan(Number(version))
})

test('by the clock of Redis, workers that ask ten times a second are together given the rate', async () => {
  await using fleet = openLimitFleet()
  const workers = await Promise.all([1, 2, 3].map(() => fleet.join({ ratePerSecond: 200, burst: 50 })))
  const grantedAt: number[] = []
  const until = performance.now() + 3_000
  const work = async (worker: LimitStore) => {
    while (performance.now() < until) {
      const { at, grants } = await worker.take('main', [bulk(40)], [])
      grantedAt.push(...Array<number>(grants[0] ?? 0).fill(at))
      await systemClock.sleep(100)
    }
  }
  await Promise.all(workers.map(work))
  const first = grantedAt[0] ?? 0
  const inLastTwo = grantedAt.filter((at) => at >= first + 500 && at < first + 2_500)
  expect(inLastTwo.length).toBeGreaterThan(380)
  expect(inLastTwo.length).toBeLessThanOrEqual(450)
})

test('a relay without a limit costs no call for a permit', async () => {
  await using fleet = openLimitFleet()
  const worker = await fleet.join({ providers: { google: { ratePerSecond: 5 } } })
  expect([worker.isLimited('main', 'google'), worker.isLimited('main', 'other')]).toEqual([true, false])
  const { grants, short } = await worker.take('main', [bulk(1_000)], [])
  expect([grants, short]).toEqual([[1_000], ['none']])
  expect(await fleet.redis.exists(fleet.keys.buckets('main'))).toBe(0)
})

test('of wants in one call only those that meet a limit are held back', async () => {
  await using fleet = openLimitFleet()
  const worker = await fleet.join({ providers: { google: { ratePerSecond: 5 } } })
  const taken = await worker.take('main', [bulk(50), bulk(50, 'google'), bulk(3)], [])
  expect(taken.grants).toEqual([50, 1, 3])
  expect(taken.short).toEqual(['none', 'provider', 'none'])
  expect(taken.waitMs[1]).toBeGreaterThan(0)
})

test('what several workers spend is one rate for the relay and each provider', async () => {
  await using fleet = openLimitFleet()
  const workers = await Promise.all([fleet.join(), fleet.join()])
  const stop = new AbortController()
  const spending = setInterval(() => {
    for (const worker of workers) worker.spent('main', 'google', 'bulk')
    workers[0]?.spent('main', 'other', 'transactional')
  }, 20)
  stop.signal.addEventListener('abort', () => clearInterval(spending))
  try {
    await eventually('they are known', () => (workers[1]?.rate('main', 'google') ?? 0) > 60)
  } finally {
    stop.abort()
  }
  expect(workers[1]?.rate('main', 'google')).toBeLessThan(110)
  expect(workers[1]?.rate('main', relayBucket)).toBeGreaterThan(workers[1]?.rate('main', 'google') ?? 0)
  const reading = await createLimitStates(fleet.redis, fleet.keys).read('main')
  expect(reading?.laneRates.transactional).toBeGreaterThan(20)
  expect(reading?.quotaUsed).toBeGreaterThan(100)
})

test('workers share the connections of the fleet, and one that is killed gives its share back within two seconds', async () => {
  await using fleet = openLimitFleet()
  const [first, second] = await Promise.all([
    fleet.join({ maxConnections: 6 }),
    fleet.join({ maxConnections: 6 }),
  ])
  const heard: number[] = []
  first.onConnections((_relay, allowed) => {
    heard.push(allowed)
    first.wantConnections('main', allowed, 10)
  })
  second.onConnections((_relay, allowed) => second.wantConnections('main', allowed, 10))
  for (const worker of [first, second]) worker.wantConnections('main', 0, 10)
  const have = () => [first.connections('main'), second.connections('main')]
  await eventually('each has its half', () => have().every((count) => count === 3))
  const states = createLimitStates(fleet.redis, fleet.keys)
  await eventually('it can be read', async () => {
    const connections = Object.values((await states.read('main'))?.connections ?? {})
    return connections.length === 2 && connections.every((count) => count === 3)
  })
  fleet.kill(second)
  await eventually('it has all', () => first.connections('main') === 6, { withinMs: 2_600 })
  expect(Math.max(...heard)).toBe(6)
})

test('a worker that closes gives its connections back at once', async () => {
  await using fleet = openLimitFleet()
  const [first, second] = await Promise.all([
    fleet.join({ maxConnections: 6 }),
    fleet.join({ maxConnections: 6 }),
  ])
  first.wantConnections('main', 0, 6)
  await eventually('the first has all', () => first.connections('main') === 6)
  await first.close()
  second.wantConnections('main', 0, 6)
  await eventually('the second has all', () => second.connections('main') === 6, { withinMs: 400 })
  await expect(first.take('main', [bulk(1)], [])).rejects.toMatchObject({ code: 'closed' })
})

test('a limit of connections that is set or taken away is heard within a second', async () => {
  await using fleet = openLimitFleet()
  const worker = await fleet.join()
  expect(worker.connections('main')).toBe(Number.POSITIVE_INFINITY)
  worker.wantConnections('main', 8, 8)
  const states = createLimitStates(fleet.redis, fleet.keys)
  const setConnections = (maxConnections: number | null) =>
    states.change('main', (state) => ({ ...state, set: { '': { maxConnections } } }))
  await setConnections(2)
  await eventually('it has two', () => worker.connections('main') === 2, { withinMs: 1_000 })
  await setConnections(null)
  await eventually('it may have any', () => worker.connections('main') === Number.POSITIVE_INFINITY, {
    withinMs: 1_000,
  })
})

test('what can be read of a relay names its state, tokens and quota, and nothing of one that nobody has', async () => {
  await using fleet = openLimitFleet()
  const worker = await fleet.join({ ratePerSecond: 100, perDay: 1_000 })
  await fullBucket(worker, 25)
  const states = createLimitStates(fleet.redis, fleet.keys)
  expect(await states.relays()).toEqual(['main'])
  const reading = await states.read('main')
  expect(reading?.state.configured.perDay).toBe(1_000)
  expect(reading?.quotaUsed).toBe(25)
  expect(reading?.tokens['']).toBeLessThan(25)
  expect(await states.read('nobody')).toBeUndefined()
  expect(await states.change('nobody', (state) => state)).toBeUndefined()
})

test('while Redis hangs or is gone no permit is given, and what is known holds', async () => {
  await using own = await openOwnRedis()
  await using fleet = openLimitFleet(own.url)
  const worker = await fleet.join({ ratePerSecond: 100, perDay: 1_000 })
  const states = createLimitStates(fleet.redis, fleet.keys)
  await fullBucket(worker, 25)
  own.freeze()
  const hanging = worker.take('main', [bulk(5)], [])
  await expect(hanging).rejects.toMatchObject({ code: 'queue_unavailable' })
  const startedAt = performance.now()
  await expect(worker.take('main', [bulk(5)], [])).rejects.toMatchObject({ code: 'queue_unavailable' })
  expect(performance.now() - startedAt).toBeLessThan(100)
  expect(worker.limit('main', relayBucket).perSecond).toBe(100)
  own.thaw()
  // Those that came too late go back, and the quota knows of it.
  await eventually('permits are given again', () => worker.take('main', [], []))
  await eventually('none was lost', async () => (await states.read('main'))?.quotaUsed === 25)
  await own.kill()
  await eventually('it is seen', () =>
    worker.take('main', [bulk(1)], []).catch((error: { code: string }) => error.code === 'queue_unavailable'),
  )
  expect(await worker.state('main').configured.ratePerSecond).toBe(100)
  await own.start()
  await eventually('permits are given again', async () => {
    const { grants } = await worker.take('main', [bulk(1)], [])
    return grants[0] === 1
  })
})

test('permits are given, and limits changed, while Redis is full', async () => {
  await using own = await openOwnRedis()
  await using fleet = openLimitFleet(own.url)
  const worker = await fleet.join({ ratePerSecond: 400, maxConnections: 4 })
  await own.ask(async (redis) => {
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    await redis.config('SET', 'maxmemory', '1')
    await expect(redis.set('more', 'x')).rejects.toThrow(/OOM/)
  })
  await fullBucket(worker, 100)
  expect(await worker.change('main', setRate(5))).toBe(true)
  worker.wantConnections('main', 0, 2)
  await eventually('it has connections', () => worker.connections('main') === 2)
  expect(fleet.errors).toEqual([])
})
