import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { createAside, type HeldAtGate } from '../../src/queue/aside.js'
import type { AsideStore, SettingAside } from '../../src/store/aside.js'

const google = { provider: 'google' }

/** A store that notes what it is asked for; each call waits until it is let go. */
function opened(named: Record<string, Record<string, string>> = {}) {
  const calls: SettingAside[] = []
  const waiting: (() => void)[] = []
  const hasMore: boolean[] = []
  const store: Pick<AsideStore, 'setAside' | 'named'> = {
    async setAside(_lane, options) {
      const call = calls.push(options)
      await new Promise<void>((resolve) => waiting.push(resolve))
      const dues = options.taken.map((_, index) => call * 1_000 + index)
      return { dues, count: 0, hasMore: hasMore.shift() ?? false }
    },
    named: async (_lane, name) => new Map(Object.entries(named[name] ?? {})),
  }
  const aside = createAside({
    store,
    lane: 'bulk',
    clock: systemClock,
    providerOf: (address) => (address.endsWith('@own.example') ? 'google' : 'other'),
  })
  const put = (id: string, more: Partial<HeldAtGate> = {}) =>
    aside.put({ id, name: 'google/default', gate: google, perSecond: 2, why: 'slow', ...more })
  const letGo = async () => {
    // What was asked for until now is asked of the store first, and heard of before this resolves.
    await new Promise((resolve) => setImmediate(resolve))
    waiting.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { calls, put, letGo, more: (...answers: boolean[]) => void hasMore.push(...answers) }
}

test('all who find a gate shut while it is worked on are one call, each with a time of its own', async () => {
  const { calls, put, letGo } = opened()
  const first = put('a')
  const others = [put('b'), put('c')]
  const elsewhere = put('d', { gate: { route: 'slow' }, name: '*/slow' })
  await letGo()
  expect(await first).toBe(1_000)
  for (let call = 0; call < 3; call += 1) await letGo()
  expect(await Promise.all([...others, elsewhere])).toEqual([3_000, 3_001, 2_000])
  expect(calls.map(({ gate, taken }) => [gate, taken])).toEqual([
    ['google/default', ['a']],
    ['*/slow', ['d']],
    ['google/default', ['b', 'c']],
  ])
})

test('as long as there may be more in line they are set aside, and nobody waits for that', async () => {
  const { calls, put, letGo, more } = opened()
  more(true, true, false)
  const first = put('a')
  await letGo()
  expect(await first).toBe(1_000)
  for (let call = 0; call < 4; call += 1) await letGo()
  expect(calls.map(({ taken }) => taken)).toEqual([['a'], [], []])
  const again = put('b')
  await letGo()
  expect(await again).toBe(4_000)
})

test('jobs that somebody named who knew less are found by their addresses', async () => {
  const data = (a: string, r?: string) => JSON.stringify({ a, r })
  const { calls, put, letGo } = opened({
    'other/default': { x: data('x@own.example'), y: data('y@example.com'), z: 'no JSON' },
    d: { w: data('w@own.example'), v: data('v@own.example', 'slow') },
  })
  const both = [put('a', { name: 'other/default' })]
  await letGo()
  await Promise.all(both)
  const old = put('b', { name: 'd' })
  await letGo()
  await letGo()
  await old
  expect(calls.map(({ others }) => others)).toEqual([['x'], ['w']])
})

test('where a whole route is shut, older jobs are found by their route', async () => {
  const data = (r?: string) => JSON.stringify({ a: 'a@example.com', r })
  const { calls, put, letGo } = opened({
    d: { w: data('slow'), v: data() },
    'other/slow': { u: data('slow') },
  })
  const gate = { route: 'slow' }
  const both = [put('a', { gate, name: 'd' }), put('b', { gate, name: 'other/slow' })]
  for (let call = 0; call < 2; call += 1) await letGo()
  await Promise.all(both)
  expect(calls.map(({ others }) => others)).toEqual([['w'], []])
})

test('who cannot be set aside hears why', async () => {
  const aside = createAside({
    store: { setAside: async () => Promise.reject(new Error('away')), named: async () => new Map() },
    lane: 'bulk',
    clock: systemClock,
    providerOf: () => 'google',
  })
  const held = { id: 'a', name: 'google/default', gate: google, perSecond: 1, why: 'slow' }
  await expect(aside.put(held)).rejects.toThrow('away')
  await expect(aside.put(held)).rejects.toThrow('away')
})
