import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Pass } from '../../src/delivery/delivery.js'
import { Stock } from '../../src/permits/stock.js'
import { eventually } from '../helpers/eventually.js'
import { type LocalLimits, localLimits } from './local-limits.js'

const stocks: Stock[] = []
afterEach(async () => {
  for (const stock of stocks.splice(0)) await stock.stop()
})

function stockOf(limits: LocalLimits): Stock {
  const stock = new Stock({ relay: 'main', limits, clock: systemClock })
  stocks.push(stock)
  return stock
}

/** The next permit, with or without waiting. */
function next(stock: Stock, lane = 'bulk', provider = 'other'): Promise<Pass> {
  const pass = stock.take(provider, lane)
  if (pass) return Promise.resolve(pass)
  return new Promise((resolve) => void stock.join(provider, lane, resolve, () => undefined))
}

async function spendFor(stock: Stock, ms: number, senders: number): Promise<number> {
  const until = performance.now() + ms
  let spent = 0
  const send = async () => {
    while (performance.now() < until) {
      const pass = await next(stock)
      if (performance.now() < until && pass.spend()) spent += 1
      pass.release()
      await systemClock.sleep(2)
    }
  }
  await Promise.all(Array.from({ length: senders }, send))
  return spent
}

test('without a limit a permit costs no call', async () => {
  const limits = localLimits({})
  const stock = stockOf(limits)
  for (let index = 0; index < 100; index += 1) expect((await next(stock)).spend()).toBe(true)
  expect(limits.calls).toHaveLength(0)
  expect(limits.spends).toHaveLength(100)
})

test.each([50, 500, 2000])(
  'at %i a second nearly all of it is used, with some ten calls a second',
  async (rate) => {
    const limits = localLimits({ '': rate })
    const stock = stockOf(limits)
    const ms = 1_500
    const spent = await spendFor(stock, ms, 40)
    expect(spent).toBeGreaterThan((rate * ms * 0.9) / 1000)
    expect(spent).toBeLessThanOrEqual((rate * (ms + 100)) / 1000 + rate / 4 + 1)
    expect(limits.calls.length).toBeLessThanOrEqual((ms / 1000) * 10 + 2)
  },
)

test('whoever waits gets a permit at once where one is there', async () => {
  const stock = stockOf(localLimits({ '': 100 }))
  const startedAt = performance.now()
  expect((await next(stock)).spend()).toBe(true)
  expect(performance.now() - startedAt).toBeLessThan(90)
})

test('those who wait are served in the order in which they came', async () => {
  const stock = stockOf(localLimits({ '': 50 }))
  const served: number[] = []
  const all = Array.from({ length: 6 }, async (_, index) => {
    const pass = await next(stock)
    served.push(index)
    pass.spend()
  })
  await Promise.all(all)
  expect(served).toEqual([0, 1, 2, 3, 4, 5])
})

test('a permit that is let go of is the next one’s, and is let go of once', async () => {
  const limits = localLimits({ '': 2 })
  const stock = stockOf(limits)
  const first = await next(stock)
  const waiting = next(stock)
  first.release()
  first.release()
  expect(first.spend()).toBe(false)
  expect((await waiting).spend()).toBe(true)
  expect(limits.out).toBe(1)
})

test('a permit grows old, is spent no more, and goes back', async () => {
  const limits = localLimits({ '': 20 })
  const stock = stockOf(limits)
  const pass = await next(stock)
  await systemClock.sleep(300)
  expect(pass.spend()).toBe(false)
  await eventually('every permit is back', () => limits.out === 0)
  expect(limits.spends).toEqual([])
})

test('what nobody needs goes back by itself', async () => {
  const limits = localLimits({ '': 200 })
  const stock = stockOf(limits)
  const passes = await Promise.all(Array.from({ length: 20 }, () => next(stock)))
  for (const pass of passes) pass.release()
  expect(stock.count).toBeGreaterThan(0)
  await eventually('every permit is back', () => limits.out === 0)
  expect(stock.count).toBe(0)
})

test('all that is left goes back when it stops', async () => {
  const limits = localLimits({ '': 200 })
  const stock = new Stock({ relay: 'main', limits, clock: systemClock })
  const passes = await Promise.all(Array.from({ length: 20 }, () => next(stock)))
  for (const pass of passes) pass.release()
  await stock.stop()
  expect(limits.out).toBe(0)
})

test('whoever waits hears what is short', async () => {
  const limits = localLimits({ '': 100, google: 1 })
  const stock = stockOf(limits)
  ;(await next(stock, 'bulk', 'google')).spend()
  const heard = new Promise<unknown>((resolve) => void stock.join('google', 'bulk', () => undefined, resolve))
  expect(await heard).toMatchObject({ short: 'provider' })
  expect(stock.lack('google', 'bulk').short).toBe('provider')
  expect((await next(stock)).spend()).toBe(true)
})

test('what was short before is not what the next one waits for', async () => {
  const limits = localLimits({ google: 2 })
  const stock = stockOf(limits)
  ;(await next(stock, 'bulk', 'google')).spend()
  const heard = new Promise<unknown>((resolve) => {
    stock.join(
      'google',
      'bulk',
      (pass) => resolve(pass.spend()),
      ({ short }) => heardOf.push(short),
    )
  })
  const heardOf: string[] = []
  await heard
  expect(heardOf).toContain('provider')
  await systemClock.sleep(600)
  const waiting = next(stock, 'bulk', 'google')
  expect(stock.lack('google', 'bulk').short).toBe('none')
  ;(await waiting).spend()
})

test('below ten a second a block is one permit', async () => {
  const limits = localLimits({ '': 8 })
  const stock = stockOf(limits)
  await spendFor(stock, 500, 10)
  expect(Math.max(...limits.calls.map(({ wanted }) => wanted))).toBe(1)
})

test('a block is a fifth of a second’s worth at the most', async () => {
  const limits = localLimits({ '': 100 })
  const stock = stockOf(limits)
  await spendFor(stock, 500, 100)
  expect(Math.max(...limits.calls.map(({ wanted }) => wanted))).toBeLessThanOrEqual(20)
})

test('while Redis is so slow that every permit comes too late, some still go', async () => {
  const limits = localLimits({ '': 50 }, { delayMs: 300 })
  const stock = stockOf(limits)
  expect(await spendFor(stock, 1_500, 5)).toBeGreaterThan(0)
})
