import { setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { RelayConfig } from '../../src/config.js'
import { type Acquired, createRelays, type Relays, type RelaysOptions } from '../../src/smtp/relays.js'
import { openScriptedRelay, type ScriptedRelay } from './scripted-relay.js'
import { forwardClock, messageTo, never, relayTo } from './sending.js'

interface Options extends RelaysOptions {
  readonly clock?: Clock
  readonly routes?: Record<string, string[]>
}

function relaysOf(configs: Record<string, RelayConfig>, options: Options = {}): Relays & Disposable {
  const { clock = systemClock, routes = {}, ...rest } = options
  const events = { opened: () => undefined, closed: () => undefined }
  const relays = createRelays(configs, routes, clock, events, rest)
  return Object.assign(relays, { [Symbol.dispose]: () => relays.drop() })
}

/** A port on which nobody listens, as far as can be known. */
async function deadPort(): Promise<number> {
  await using relay = await openScriptedRelay()
  return relay.port
}

/** The relay that a lease was had from; it is given back. */
async function relayOf(acquiring: Promise<Acquired>): Promise<string> {
  const acquired = await acquiring
  if (acquired.kind !== 'lease') return acquired.kind
  acquired.lease.release()
  return acquired.lease.relay
}

const away = { kind: 'refused', exchange: { kind: 'broken', phase: 'connect', code: 'ECONNREFUSED' } }
const stopped = { kind: 'refused', exchange: { kind: 'stopped', answer: 'closing' } }

test('a lease names its relay and carries a message', async () => {
  await using relay = await openScriptedRelay()
  using relays = relaysOf({ main: relayTo(relay.port) })
  const acquired = await relays.acquire(undefined, never)
  if (acquired.kind !== 'lease') throw new Error(acquired.kind)
  expect(acquired.lease.relay).toBe('main')
  expect(relays.open()).toEqual(new Map([['main', 1]]))
  expect(await acquired.lease.transmit(messageTo('a@example.com'))).toMatchObject({ kind: 'accepted' })
})

for (const route of ['nosuch', 'constructor', 'toString', '__proto__', 'hasOwnProperty']) {
  test(`the route ${route} is missing unless it was named`, async () => {
    using relays = relaysOf({ main: relayTo(1) }, { routes: { bulk: ['main'] } })
    expect(await relays.acquire(route, never)).toEqual({ kind: 'missing', route })
  })
}

test('a relay that is away is left alone for its rest, and then tried again', async () => {
  const clock = forwardClock()
  const port = await deadPort()
  using relays = relaysOf({ main: relayTo(port) }, { clock })
  expect(await relays.acquire(undefined, never)).toMatchObject(away)
  expect(clock.slept).toEqual([])
  await using _back = await openScriptedRelay({}, port)
  expect(await relayOf(relays.acquire(undefined, never))).toBe('main')
  expect(clock.slept).toHaveLength(1)
  expect(clock.slept[0]).toBeGreaterThan(4_000)
  expect(clock.slept[0]).toBeLessThanOrEqual(5_000)
})

test('a success clears the mark at once', async () => {
  const clock = forwardClock()
  const port = await deadPort()
  using relays = relaysOf({ main: relayTo(port, { maxConnections: 3 }) }, { clock })
  await relays.acquire(undefined, never)
  await using back = await openScriptedRelay({}, port)
  const first = await relays.acquire(undefined, never)
  expect(await relayOf(relays.acquire(undefined, never))).toBe('main')
  expect(first.kind).toBe('lease')
  expect(clock.slept).toHaveLength(1)
  expect(back.connections).toBe(2)
})

test('all who waited for the rest to be over knock once, and all hear of it', async () => {
  const clock = forwardClock()
  await using relay = await openScriptedRelay({ greet: () => '421 4.3.2 not now' })
  using relays = relaysOf({ main: relayTo(relay.port) }, { clock })
  await relays.acquire(undefined, never)
  expect(relay.connections).toBe(1)
  const waiting = Array.from({ length: 20 }, () => relays.acquire(undefined, never))
  for (const acquired of await Promise.all(waiting)) expect(acquired.kind).toBe('refused')
  expect(relay.connections).toBe(2)
})

test('with no rest each acquire connects again', async () => {
  await using relay = await openScriptedRelay({
    greet: ({ index }) => (index < 3 ? '421 4.3.2 not now' : '220 ready'),
  })
  using relays = relaysOf({ main: relayTo(relay.port) }, { restMs: 0 })
  for (let tries = 0; tries < 3; tries += 1)
    expect(await relays.acquire(undefined, never)).toMatchObject({ kind: 'refused', relay: 'main' })
  expect(await relayOf(relays.acquire(undefined, never))).toBe('main')
  expect(relay.connections).toBe(4)
})

test('the rest of a relay is not waited for once the signal says stop', async () => {
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  using relays = relaysOf({ main: relayTo(await deadPort()) })
  await relays.acquire(undefined, never)
  const waiting = Array.from({ length: 20 }, () => relays.acquire(undefined, abort.signal))
  abort.abort()
  for (const acquired of await Promise.all(waiting)) expect(acquired).toMatchObject(stopped)
})

test('close lets go whoever waits for the rest of a relay', async () => {
  using relays = relaysOf({ main: relayTo(await deadPort()) })
  await relays.acquire(undefined, never)
  const waiting = relays.acquire(undefined, never)
  relays.close()
  expect(await waiting).toMatchObject(stopped)
  expect(await relays.acquire(undefined, never)).toMatchObject(stopped)
})

interface Pair extends AsyncDisposable {
  readonly firstPort: number
  readonly second: ScriptedRelay
  readonly relays: Relays
}

async function openPair(clock: Clock): Promise<Pair> {
  const firstPort = await deadPort()
  const second = await openScriptedRelay()
  const relays = createRelays(
    { first: relayTo(firstPort), second: relayTo(second.port) },
    { both: ['first', 'second'] },
    clock,
    { opened: () => undefined, closed: () => undefined },
  )
  const dispose = async () => {
    relays.drop()
    await second[Symbol.asyncDispose]()
  }
  return { firstPort, second, relays, [Symbol.asyncDispose]: dispose }
}

test('a route goes on with its second relay while the first is away, without a wait', async () => {
  const clock = forwardClock()
  await using pair = await openPair(clock)
  const acquiring = Array.from({ length: 20 }, () => relayOf(pair.relays.acquire('both', never)))
  expect(new Set(await Promise.all(acquiring))).toEqual(new Set(['second']))
  expect(clock.slept).toEqual([])
})

test('a route comes back to its first relay when that one was passed over for a while', async () => {
  const clock = forwardClock()
  await using pair = await openPair(clock)
  expect(await relayOf(pair.relays.acquire('both', never))).toBe('second')
  await using _first = await openScriptedRelay({}, pair.firstPort)
  clock.forward(29_000)
  expect(await relayOf(pair.relays.acquire('both', never))).toBe('second')
  clock.forward(1_000)
  expect(await relayOf(pair.relays.acquire('both', never))).toBe('first')
  expect(await relayOf(pair.relays.acquire('both', never))).toBe('first')
})

test('only one message finds out whether the first relay is back', async () => {
  const clock = forwardClock()
  await using pair = await openPair(clock)
  await relayOf(pair.relays.acquire('both', never))
  await using first = await openScriptedRelay({ greet: () => '' }, pair.firstPort)
  clock.forward(30_000)
  const probe = pair.relays.acquire('both', never)
  const acquiring = Array.from({ length: 20 }, () => relayOf(pair.relays.acquire('both', never)))
  expect(new Set(await Promise.all(acquiring))).toEqual(new Set(['second']))
  await expect.poll(() => first.connections).toBe(1)
  pair.relays.close()
  expect(await probe).toMatchObject(stopped)
})

test('when both relays are away a message is refused once both were tried', async () => {
  const clock = forwardClock()
  const configs = { first: relayTo(await deadPort()), second: relayTo(await deadPort()) }
  using relays = relaysOf(configs, { clock, routes: { both: ['first', 'second'] } })
  expect(await relays.acquire('both', never)).toMatchObject({ ...away, relay: 'second' })
  expect(clock.slept).toEqual([])
  expect(await relays.acquire('both', never)).toMatchObject({ ...away, relay: 'first' })
  expect(clock.slept).toHaveLength(1)
})

test('drop hangs up the messages of all relays at once', async () => {
  await using one = await openScriptedRelay({ answerBody: () => '' })
  await using two = await openScriptedRelay({ answerBody: () => '' })
  const routes = { one: ['one'], two: ['two'] }
  using relays = relaysOf({ one: relayTo(one.port), two: relayTo(two.port) }, { routes })
  const sending = Object.keys(routes).map(async (route) => {
    const acquired = await relays.acquire(route, never)
    if (acquired.kind !== 'lease') throw new Error(acquired.kind)
    return acquired.lease.transmit(messageTo('a@example.com'))
  })
  await expect.poll(() => one.bodies.length + two.bodies.length).toBe(2)
  relays.drop()
  for (const exchange of await Promise.all(sending))
    expect(exchange).toMatchObject({ kind: 'broken', phase: 'window' })
  await expect.poll(() => one.open + two.open).toBe(0)
})
