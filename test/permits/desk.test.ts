import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Delivery, Pass, Passage } from '../../src/delivery/delivery.js'
import { createProviders } from '../../src/limits/providers.js'
import { createDesk, type Desk } from '../../src/permits/desk.js'
import { Stock } from '../../src/permits/stock.js'
import { createRoute } from '../../src/smtp/route.js'
import { eventually } from '../helpers/eventually.js'
import { type LocalLimits, localLimits } from './local-limits.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface Scene {
  readonly desk: Desk
  readonly limits: { readonly main?: LocalLimits; readonly first?: LocalLimits }
  readonly abort: AbortController
  look(to: string, lane?: string): Promise<Passage>
}

type Rates = Readonly<Record<string, Readonly<Record<string, number>>>>

interface SceneOptions {
  readonly weights?: readonly number[]
  readonly isOneRoute?: boolean
  readonly concurrency?: number
}

function openScene(rates: Rates, options: SceneOptions = {}): Scene {
  const relays = Object.keys(rates)
  const { weights, isOneRoute = true, concurrency = 20 } = options
  const route = createRoute(
    weights ? relays.map((relay, index) => ({ relay, weight: weights[index] ?? 1 })) : relays,
  )
  const limits: Record<string, LocalLimits> = Object.fromEntries(
    relays.map((relay) => [relay, localLimits(rates[relay] ?? {})]),
  )
  const stocks = new Map(
    relays.map((relay) => [
      relay,
      new Stock({ relay, limits: limits[relay] ?? localLimits({}), clock: systemClock }),
    ]),
  )
  closers.push(() => Promise.all([...stocks.values()].map((stock) => stock.stop())))
  const desk = createDesk({
    clock: systemClock,
    providers: createProviders({ clock: systemClock }),
    stocks,
    choice: (name) => (name === 'missing' ? undefined : route),
    isOneRoute,
    concurrency,
    waited: () => undefined,
  })
  const abort = new AbortController()
  closers.push(() => abort.abort())
  const look = (to: string, lane = 'bulk') => desk.look(deliveryTo(to, lane), abort.signal)
  return { desk, limits, abort, look }
}

const deliveryTo = (address: string, lane: string) => ({ lane, recipient: { address } }) as Delivery

function passOf(passage: Passage): Pass {
  if (passage.kind !== 'open' || passage.pass === undefined) throw new Error(JSON.stringify(passage))
  return passage.pass
}

/** Those that come back at once, and how many wait. */
async function settledOf(looks: readonly Promise<Passage>[]): Promise<{ done: Passage[]; waiting: number }> {
  const done: Passage[] = []
  for (const look of looks) void look.then((passage) => done.push(passage))
  await systemClock.sleep(180)
  return { done: [...done], waiting: looks.length - done.length }
}

test('where nothing is limited nothing is kept', async () => {
  const { look, limits } = openScene({ main: {} })
  expect(await look('a@example.com')).toEqual({ kind: 'open' })
  expect(limits.main?.calls).toEqual([])
})

test('what is short for everybody is waited for in place', async () => {
  const { look } = openScene({ main: { '': 4 } })
  const { done, waiting } = await settledOf(Array.from({ length: 20 }, () => look('a@example.com')))
  expect(done.every(({ kind }) => kind === 'open')).toBe(true)
  expect(waiting).toBeGreaterThanOrEqual(18)
})

test('at a slow provider one waits in its place, and the others make room for other providers', async () => {
  const { look } = openScene({ main: { '': 1_000, google: 1 } })
  passOf(await look('a@gmail.com')).spend()
  const { done, waiting } = await settledOf(Array.from({ length: 20 }, () => look('b@gmail.com')))
  expect(waiting).toBe(1)
  expect(done).toHaveLength(19)
  for (const passage of done)
    expect(passage).toMatchObject({
      kind: 'throttled',
      relay: 'main',
      short: 'provider',
      gate: { provider: 'google' },
      perSecond: 1,
    })
  expect(passOf(await look('c@example.com')).relay).toBe('main')
})

test('a worker that sends one at a time keeps nobody waiting for a slow provider', async () => {
  const { look } = openScene({ main: { google: 0.1 } }, { concurrency: 1 })
  passOf(await look('a@gmail.com')).spend()
  const { done } = await settledOf([look('b@gmail.com')])
  expect(done).toMatchObject([{ kind: 'throttled', short: 'provider' }])
})

test('those that make room get appointments one after the other, at the rate of their gate', async () => {
  const { look } = openScene({ main: { google: 5 } })
  passOf(await look('a@gmail.com')).spend()
  const { done } = await settledOf(Array.from({ length: 12 }, () => look('b@gmail.com')))
  const waits = done.flatMap((passage) => (passage.kind === 'throttled' ? [passage.waitMs] : []))
  expect(waits.length).toBeGreaterThan(7)
  for (const [index, waitMs] of waits.entries()) {
    if (index > 0) expect(waitMs - (waits[index - 1] ?? 0)).toBeGreaterThan(150)
  }
})

test('where other routes have other relays, a slow relay is no reason to wait in place', async () => {
  const { look } = openScene({ main: { '': 1 } }, { isOneRoute: false })
  passOf(await look('a@example.com')).spend()
  const { done, waiting } = await settledOf(Array.from({ length: 10 }, () => look('b@example.com')))
  expect(waiting).toBe(1)
  for (const passage of done) expect(passage).toMatchObject({ kind: 'throttled', short: 'relay', gate: {} })
})

test('each lane has places of its own at a gate', async () => {
  const { look } = openScene({ main: { google: 1 } })
  passOf(await look('a@gmail.com')).spend()
  const bulk = await settledOf(Array.from({ length: 5 }, () => look('b@gmail.com')))
  const other = await settledOf([look('c@gmail.com', 'transactional')])
  expect(bulk.waiting).toBe(1)
  expect(other.waiting).toBe(1)
})

test('a route by weight passes over a relay that has no permit now', async () => {
  const { look } = openScene({ slow: { '': 1 }, fast: {} }, { weights: [1, 1] })
  const relays: string[] = []
  for (let index = 0; index < 10; index += 1) {
    const pass = passOf(await look('a@example.com'))
    pass.spend()
    relays.push(pass.relay)
  }
  expect(relays.filter((relay) => relay === 'fast').length).toBeGreaterThanOrEqual(9)
})

test('in a route by weight whoever waits takes the first permit of any relay', async () => {
  const { look } = openScene({ slow: { '': 0.1 }, other: { '': 20 } }, { weights: [1, 1] })
  const passes = [look('a@example.com'), look('b@example.com'), look('c@example.com'), look('d@example.com')]
  const relays = (await Promise.all(passes)).map((passage) => passOf(passage).relay)
  expect(relays.filter((relay) => relay === 'other').length).toBeGreaterThanOrEqual(3)
})

test('a route in order goes on to the next relay only when the first has sent its messages of the day', async () => {
  const { look, limits } = openScene({ first: { '': 100 }, second: { '': 100 } })
  for (let index = 0; index < 10; index += 1) expect(passOf(await look('a@example.com')).relay).toBe('first')
  limits.first?.endDay(true)
  const relays = new Set<string>()
  for (let index = 0; index < 40; index += 1) relays.add(passOf(await look('a@example.com')).relay)
  expect([...relays].at(-1)).toBe('second')
})

test('when every relay has sent its messages of the day mail comes back later', async () => {
  const { look, limits } = openScene({ main: { '': 100 } })
  limits.main?.endDay(true)
  const passage = await look('a@example.com')
  expect(passage).toMatchObject({ kind: 'throttled', short: 'day', relay: 'main', gate: {} })
  expect(passage.kind === 'throttled' && passage.waitMs).toBeGreaterThanOrEqual(30_000)
})

test('whoever waits is let go when the worker closes, and holds nothing', async () => {
  const { look, limits, abort } = openScene({ main: { '': 1 } })
  passOf(await look('a@example.com')).release()
  passOf(await look('a@example.com')).spend()
  const looks = Array.from({ length: 5 }, () => look('b@example.com'))
  await systemClock.sleep(20)
  abort.abort()
  for (const passage of await Promise.all(looks)) expect(passage.kind).toBe('closing')
  await eventually('nothing but what was spent is out', () => limits.main?.out === 1)
})

test('a route that is not there is looked at no further', async () => {
  const { desk, abort } = openScene({ main: { '': 1 } })
  const delivery = { ...deliveryTo('a@example.com', 'bulk'), route: 'missing' }
  expect(await desk.look(delivery, abort.signal)).toEqual({ kind: 'open' })
})

test('how far a gate is open follows what is short', async () => {
  const { desk, look } = openScene({ main: { '': 100, google: 2 } })
  expect(desk.isOpen({ provider: 'google' }, 'bulk')).toEqual({ permits: 1, perSecond: 2 })
  expect(desk.isOpen({ provider: 'other' }, 'bulk')).toEqual({ permits: 25, perSecond: 100 })
  passOf(await look('a@gmail.com')).spend()
  await settledOf([look('b@gmail.com'), look('c@gmail.com')])
  expect(desk.isOpen({ provider: 'google' }, 'bulk').permits).toBe(0)
  expect(desk.isOpen({ provider: 'other' }, 'bulk').permits).toBe(25)
})

test('a gate stays shut until messages of the day are left, or more of them are allowed', async () => {
  const { desk, look, limits } = openScene({ main: {} })
  limits.main?.endDay(true)
  await look('a@example.com')
  await systemClock.sleep(1_100)
  expect(desk.isOpen({}, 'bulk')).toEqual({ permits: 0, perSecond: 0 })
  limits.main?.endDay(false)
  limits.main?.set('', 100)
  passOf(await look('a@example.com'))
  expect(desk.isOpen({}, 'bulk').perSecond).toBe(100)
})

test('without a limit a gate is wide open', () => {
  const { desk } = openScene({ main: {} })
  expect(desk.isOpen({ provider: 'google' }, 'bulk')).toEqual({ permits: Infinity, perSecond: Infinity })
})
