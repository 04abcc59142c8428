import { expect, test } from 'vitest'
import type { LimitStore, Want } from '../../src/store/limits.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { openLimitFleet } from './limit-fleet.js'

const limits = {
  ratePerSecond: 200,
  maxConnections: 20,
  selfTuning: true,
  providers: { google: { ratePerSecond: 50 } },
}
const wants: Want[] = [
  { provider: 'google', lane: 'bulk', count: 5 },
  { provider: 'other', lane: 'bulk', count: 40 },
  { provider: 'other', lane: 'transactional', count: 2 },
]

/** The best of some batches: others may have the processor during the rest. */
async function bestMicroseconds(batches: number, calls: number, work: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let batch = 0; batch < batches; batch += 1) {
    const startedAt = performance.now()
    for (let call = 0; call < calls; call += 1) await work()
    best = Math.min(best, ((performance.now() - startedAt) * 1_000) / calls)
  }
  return best
}

test('whether a permit needs a lease is known, and one is counted as spent, in less than 5 microseconds', async () => {
  await using fleet = openLimitFleet()
  const store = await fleet.join(limits)
  const thousand = () => {
    for (let call = 0; call < 1_000; call += 1) {
      store.isLimited('main', 'google')
      store.spent('main', 'google', 'bulk')
    }
  }
  expect((await bestMicroseconds(20, 1, thousand)) / 1_000).toBeLessThan(5)
})

test('a call for permits costs Redis less than half a millisecond although twenty workers want more than there is', async () => {
  await using own = await openOwnRedis()
  await using fleet = openLimitFleet(own.url)
  const stores: LimitStore[] = []
  for (let index = 0; index < 20; index += 1) stores.push(await fleet.join(limits))
  let turn = 0
  const call = () => stores[turn++ % stores.length]?.take('main', wants, [])
  await bestMicroseconds(1, 200, call)
  const costs: number[] = []
  for (let batch = 0; batch < 10; batch += 1) {
    await fleet.redis.config('RESETSTAT')
    await bestMicroseconds(1, 100, call)
    const stats = await fleet.redis.info('commandstats')
    costs.push(Number(/cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(stats)?.[1]))
  }
  expect(Math.min(...costs)).toBeLessThan(500)
  expect(Math.min(...costs)).toBeGreaterThan(0)
})
