import { setMaxListeners } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Delivery, Exchange, Pass, Permission } from '../../src/delivery/delivery.js'
import { createPace } from '../../src/delivery/permit.js'
import { createProviders } from '../../src/limits/providers.js'
import { createDesk } from '../../src/permits/desk.js'
import { createSpending } from '../../src/permits/spending.js'
import { Stock } from '../../src/permits/stock.js'
import type { Acquired, Lease } from '../../src/smtp/relays.js'
import { eventually } from '../helpers/eventually.js'
import { localLimits } from './local-limits.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const delivery = { lane: 'bulk', recipient: { address: 'a@example.com' } } as Delivery
const accepted: Exchange = { kind: 'accepted', response: '250 ok' }

/** Relays whose connections come when the test says so. */
function openScene(
  rate: number | undefined,
  connections: (relay: string) => number = () => Number.POSITIVE_INFINITY,
  usable: readonly string[] = ['main'],
) {
  const limits = localLimits(rate === undefined ? {} : { '': rate })
  const stock = new Stock({ relay: 'main', limits, clock: systemClock })
  const asked: ((acquired: Acquired) => void)[] = []
  const counts = { released: 0 }
  const lease: Lease = {
    relay: 'main',
    transmit: async () => accepted,
    release: () => void counts.released++,
  }
  const choice = () => ({
    relays: usable,
    isByWeight: false,
    choose: ([first]: readonly string[]) => first,
  })
  const desk = createDesk({
    clock: systemClock,
    providers: createProviders({ clock: systemClock }),
    stocks: new Map([
      ['main', stock],
      ['second', stock],
    ]),
    choice,
    isOneRoute: true,
    concurrency: 100,
    waited: () => undefined,
  })
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  const spending = createSpending({
    clock: systemClock,
    relays: {
      choice,
      acquire: (_route, signal) =>
        new Promise((resolve) => {
          asked.push(resolve)
          const stopped: Exchange = { kind: 'stopped', answer: 'closing' }
          const leave = () => resolve({ kind: 'refused', relay: 'main', exchange: stopped })
          signal.addEventListener('abort', leave, { once: true })
        }),
    },
    relayNames: ['main', ...usable],
    limits: { connections, now: () => systemClock.now() },
    desk,
    pace: createPace(undefined),
    heard: () => undefined,
    missing: () => undefined,
    timed: () => undefined,
  })
  closers.push(
    () => abort.abort(),
    () => stock.stop(),
  )
  const connect = (count = asked.length) => {
    for (const serve of asked.splice(0, count)) serve({ kind: 'lease', lease })
  }
  const look = async (): Promise<Pass | undefined> => {
    const passage = await desk.look(delivery, abort.signal)
    return passage.kind === 'open' ? passage.pass : undefined
  }
  const send = async (): Promise<Permission> =>
    spending.permit(delivery, abort.signal, 'n@example.com', await look())
  return { limits, stock, asked, counts, lease, abort, connect, look, send }
}

test('a permit that is kept is spent on the connection', async () => {
  const { limits, send, asked, connect } = openScene(100)
  const sending = send()
  await eventually('a connection is asked for', () => asked.length === 1)
  connect()
  expect((await sending).kind).toBe('granted')
  expect(limits.spends).toHaveLength(1)
  expect(limits.calls).toHaveLength(1)
})

test('without a limit what is sent is counted all the same', async () => {
  const { limits, send, asked, connect } = openScene(undefined)
  const sending = send()
  await eventually('a connection is asked for', () => asked.length === 1)
  connect()
  expect((await sending).kind).toBe('granted')
  expect(limits.spends).toHaveLength(1)
  expect(limits.calls).toHaveLength(0)
})

test('permits do not pile up behind busy connections, to leave in a burst', async () => {
  const { limits, send, asked, connect } = openScene(20)
  const sending = Array.from({ length: 40 }, send)
  await eventually('all wait for a connection', () => asked.length === 40)
  await eventually('their permits have gone back', () => limits.out === 0)
  connect()
  const startedAt = performance.now()
  await systemClock.sleep(1_000)
  const within = limits.spends.filter((at) => at < startedAt + 1_000).length
  expect(within).toBeGreaterThanOrEqual(18)
  expect(within).toBeLessThanOrEqual(20 + 5 + 1)
  await eventually('all are sent', () => {
    connect()
    return limits.spends.length === 40
  })
  for (const each of await Promise.all(sending)) expect(each.kind).toBe('granted')
})

test('a connection is not kept for long for a permit that does not come', async () => {
  const { limits, look, send, asked, connect, counts } = openScene(50)
  const sending = send()
  await eventually('a connection is asked for', () => asked.length === 1)
  limits.set('', 0.01)
  // The one in the bucket, and the one that comes back when it has grown old.
  for (let index = 0; index < 2; index += 1) expect((await look())?.spend()).toBe(true)
  connect()
  await eventually('the connection is given back', () => counts.released === 1)
  limits.set('', 50)
  await eventually('a connection is asked for again', () => asked.length === 1)
  connect()
  expect((await sending).kind).toBe('granted')
})

test('a worker that closes spends nothing, and gives back permit and connection', async () => {
  const { limits, abort, send, asked, lease, counts } = openScene(50)
  const sending = send()
  await eventually('a connection is asked for', () => asked.length === 1)
  abort.abort()
  asked.splice(0)[0]?.({ kind: 'lease', lease })
  expect(['closing', 'refused']).toContain((await sending).kind)
  expect(limits.spends).toHaveLength(0)
  expect(counts.released).toBeLessThanOrEqual(1)
  await eventually('every permit is back', () => limits.out === 0)
})

test('where other workers have all the connections it does not wait for ever', async () => {
  const { send } = openScene(50, () => 0)
  expect(await send()).toMatchObject({ kind: 'throttled', short: 'connections' })
})

test('who has no connection is not put off for longer the more there are', async () => {
  const { send } = openScene(undefined, () => 0)
  const sent = await Promise.all(Array.from({ length: 40 }, send))
  for (const each of sent) {
    expect(each).toMatchObject({ kind: 'throttled', short: 'connections' })
    expect(each.kind === 'throttled' && each.waitMs).toBeLessThanOrEqual(1_000)
  }
})

test('a place at a relay that is not asked is no reason to wait for ever', async () => {
  const { send } = openScene(50, (relay) => (relay === 'main' ? 0 : 10), ['main', 'second'])
  expect(await send()).toMatchObject({ kind: 'throttled', short: 'connections' })
})

test('who waits for a circuit is not told that it waits for a connection', async () => {
  const { send, asked } = openScene(undefined, () => 0, [])
  const sending = send()
  await systemClock.sleep(2_500)
  asked[0]?.({ kind: 'missing', route: 'default' })
  expect((await sending).kind).toBe('missing')
})
