import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { defaultLanes, parseConfig, relaySchema, workerSchema } from '../../src/config.js'
import { connectionsOf } from '../../src/limits/connection-limit.js'
import { relayLimitsOf, sharesOf } from '../../src/limits/limit-options.js'

const relay = (input: object) => parseConfig(relaySchema, { host: 'a.example', ...input }, 'the relay')
const worker = (input: object, main: object = {}) =>
  parseConfig(
    workerSchema,
    { relays: { main: { host: 'a.example', ...main } }, ...input },
    'the configuration',
  )
const { bulk } = defaultLanes

test('a relay has no limit unless one is given, and tunes itself', () => {
  expect(relayLimitsOf(relay({}))).toEqual({ selfTuning: true, providers: {} })
  expect(relay({}).maxConnectionsPerWorker).toBe(10)
})

test('the limits of the fleet are those that were given', () => {
  const limits = {
    ratePerSecond: 200,
    burst: 50,
    maxConnections: 40,
    perDay: 50_000,
    warmup: { from: 100, to: 50_000, days: 14 },
    selfTuning: false,
    providers: { google: { ratePerSecond: 20, burst: 5 }, other: { ratePerSecond: 0.5 } },
  }
  expect(relayLimitsOf(relay({ ...limits, maxConnectionsPerWorker: 5 }))).toEqual(limits)
})

test('one process has the smaller of its own limit and that of the fleet', () => {
  expect(connectionsOf(relay({}))).toBe(10)
  expect(connectionsOf(relay({ maxConnections: 3 }))).toBe(3)
  expect(connectionsOf(relay({ maxConnections: 30 }))).toBe(10)
  expect(connectionsOf(relay({ maxConnections: 30, maxConnectionsPerWorker: 20 }))).toBe(20)
})

test.each([
  [{ ratePerSecond: 0 }, 'ratePerSecond: must be at least 0.001, and is 0'],
  [{ ratePerSecond: '5' }, 'ratePerSecond: must be a number, and is a string'],
  [
    { ratePerSecond: 100, burst: 24 },
    'burst: must be at least 25, a quarter of ratePerSecond, and is 24; leave it out for half',
  ],
  [{ ratePerSecond: 1, burst: 0.5 }, 'burst: must be at least 1, and is 0.5'],
  [{ burst: 10 }, 'burst: goes with ratePerSecond: give both, or leave burst out'],
  [{ providers: { google: { burst: 5 } } }, 'providers.google.burst: goes with ratePerSecond'],
  [
    { providers: { google: { ratePerSecond: 40, burst: 9 } } },
    'providers.google.burst: must be at least 10, a quarter',
  ],
  [
    { providers: { google: { rate: 5 } } },
    'providers.google.rate: there is no such option. Did you mean ratePerSecond?',
  ],
  [{ rate: 5 }, 'rate: there is no such option. Did you mean ratePerSecond?'],
  [{ maxConnections: 0 }, 'maxConnections: must be at least 1, and is 0'],
  [{ perDay: 1.5 }, 'perDay: must be a whole number, and is 1.5'],
  [
    { warmup: { from: 100, to: 100, days: 5 } },
    'warmup.to: must be more than from, 100, and is 100: a warm-up goes up',
  ],
  [{ warmup: { from: 100, to: 200, days: 1 } }, 'warmup.days: must be at least 2, and is 1'],
  [{ slowerReplies: [''] }, 'slowerReplies.0: must have at least 3 characters'],
])('%j is refused: %s', (options, message) => {
  expect(() => relay(options)).toThrow(message)
})

test('no provider is called all, which is what metrics call all of them together', () => {
  expect(() => worker({ providers: { 'shop.example': 'all' } })).toThrow(
    '"shop.example": must not be all, which means every provider',
  )
})

test('a limit for a provider that nobody knows is refused with those that there are', () => {
  const main = { providers: { gogle: { ratePerSecond: 5 } } }
  expect(() => worker({}, main)).toThrow(
    'relays.main.providers.gogle: there is no such provider; there are google, microsoft, yahoo, apple, other',
  )
  const known = worker({ providers: { 'shop.example': 'gogle' } }, main)
  expect(known.providers).toEqual({ 'shop.example': 'gogle' })
})

test('the table of providers has domains and names', () => {
  expect(() => worker({ providers: { 'no domain': 'google' } })).toThrow(
    'must be a domain such as example.com',
  )
  expect(() => worker({ providers: { 'shop.example': 'a/b' } })).toThrow(
    'providers."shop.example": must be 1 to 64 of',
  )
})

test('a lane has the share that is given, and else that of its name', () => {
  expect(sharesOf(worker({}))).toEqual({ transactional: 0.5, bulk: 0.25 })
  const lanes = { bulk, alerts: { ...bulk, share: 0.6 }, constructor: bulk }
  expect(sharesOf(worker({ lanes }))).toEqual({ bulk: 0.25, alerts: 0.6, constructor: 0 })
})

test('shares are together at most 1, those that were not given included', () => {
  const tenths = { a: 0.1, b: 0.2, c: 0.7 }
  const lanes = Object.fromEntries(Object.entries(tenths).map(([lane, share]) => [lane, { ...bulk, share }]))
  expect(sharesOf(worker({ lanes }))).toEqual(tenths)
  expect(() => worker({ lanes: { transactional: bulk, alerts: { ...bulk, share: 0.6 } } })).toThrow(
    'lanes: the shares of all lanes together must be at most 1, and are 1.1 (transactional 0.5, alerts 0.6); give a lower share',
  )
  expect(() => worker({ lanes: { bulk: { ...bulk, share: 1.5 } } })).toThrow(
    'lanes.bulk.share: must be at most 1',
  )
})

test('the configuration that the README has for limits is one', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const [, json = ''] = /^## Limits\n[\s\S]*?^```json\n([\s\S]*?)^```/m.exec(readme) ?? []
  const config = parseConfig(workerSchema, JSON.parse(json), 'the README')
  expect(relayLimitsOf(config.relays.main ?? relay({}))).toMatchObject({
    ratePerSecond: 200,
    maxConnections: 40,
  })
})
