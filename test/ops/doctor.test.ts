import { describe, expect, test } from 'vitest'
import { examine, type Facts, type Finding } from '../../src/ops/doctor.js'

const fine: Facts = {
  redis: {
    version: '7.0.15',
    evictionPolicy: 'noeviction',
    appendOnly: true,
    replicas: 1,
    clockAheadMs: 12,
    address: '-h 127.0.0.1 -p 6379',
  },
  eventLoopLagMs: 3,
  worker: { concurrency: 20, connections: 10, unbridled: [], lockMs: 30_000, durability: 'replicated' },
}

type Change = Partial<Facts['redis']> & Partial<NonNullable<Facts['worker']>> & { eventLoopLagMs?: number }

function factsWith(change: Change): Facts {
  const { eventLoopLagMs = fine.eventLoopLagMs } = change
  const worker = {
    concurrency: 20,
    connections: 10,
    unbridled: [],
    lockMs: 30_000,
    durability: 'replicated' as const,
  }
  return { redis: { ...fine.redis, ...change }, eventLoopLagMs, worker: { ...worker, ...change } }
}

function findingsWith(change: Change): Finding[] {
  return examine(factsWith(change)).filter(({ verdict }) => verdict !== 'ok')
}

test('where all is well, every check says so and what it saw', () => {
  const findings = examine(fine)
  expect(findings.map(({ verdict }) => verdict)).toEqual(findings.map(() => 'ok'))
  expect(findings.every(({ message }) => message !== '')).toBe(true)
  expect(findings.map(({ check }) => check)).toEqual([
    'eviction',
    'append-only file',
    'redis version',
    'clock',
    'event loop',
    'connections',
    'limits',
    'replica',
  ])
})

describe.each<[string, Change, Partial<Finding>]>([
  [
    'an eviction policy that throws keys away',
    { evictionPolicy: 'allkeys-lru' },
    {
      check: 'eviction',
      verdict: 'refused',
      mend: expect.stringContaining('redis-cli -h 127.0.0.1 -p 6379 CONFIG SET maxmemory-policy noeviction'),
    },
  ],
  [
    'one that throws away keys with a time to live',
    { evictionPolicy: 'volatile-ttl' },
    { verdict: 'refused' },
  ],
  ['a policy that is not said', { evictionPolicy: undefined }, { check: 'eviction', verdict: 'warning' }],
  [
    'no append-only file',
    { appendOnly: false },
    {
      check: 'append-only file',
      verdict: 'warning',
      mend: expect.stringContaining('CONFIG SET appendonly yes'),
    },
  ],
  ['an old Redis', { version: '6.0.16' }, { check: 'redis version', verdict: 'warning' }],
  ['a very old Redis', { version: '5.0.14' }, { check: 'redis version', verdict: 'warning' }],
  ['a Redis without a version', { version: undefined }, { check: 'redis version', verdict: 'warning' }],
  [
    'a clock that is ahead',
    { clockAheadMs: 3_600_000 },
    {
      check: 'clock',
      message: expect.stringMatching(/3600\.0 s ahead .*early/),
      mend: expect.stringContaining('ntp'),
    },
  ],
  [
    'a clock that is behind',
    { clockAheadMs: -2_001 },
    { check: 'clock', message: expect.stringMatching(/2\.0 s behind .*late/) },
  ],
  [
    'an event loop that stands still for a quarter of a lock',
    { eventLoopLagMs: 7_500 },
    { check: 'event loop', mend: expect.stringContaining('FLUXMAIL_CONCURRENCY') },
  ],
  ['a short lock', { eventLoopLagMs: 300, lockMs: 1_000 }, { check: 'event loop', verdict: 'warning' }],
  [
    'more than two deliveries for each connection',
    { concurrency: 21 },
    { check: 'connections', mend: expect.stringContaining('FLUXMAIL_MAX_CONNECTIONS') },
  ],
  [
    'a relay with no rate that does not tune itself',
    { unbridled: ['main', 'spare'] },
    {
      check: 'limits',
      message: expect.stringContaining('main, spare: no rate'),
      mend: expect.stringContaining('FLUXMAIL_RATE_PER_SECOND'),
    },
  ],
  [
    'no replica for who waits for one',
    { replicas: 0 },
    { check: 'replica', mend: expect.stringContaining('REPLICAOF') },
  ],
])('%s', (_, change, expected) => {
  test('is one finding with what mends it', () => {
    const findings = findingsWith(change)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject(expected)
    expect(findings[0]?.mend).toBeTruthy()
  })
})

test.each<[string, Change]>([
  ['6.2 is new enough', { version: '6.2.0' }],
  ['Valkey 8 is new enough', { version: '8.1.1' }],
  ['two seconds are near enough', { clockAheadMs: -2_000 }],
  ['two deliveries for each connection are not too many', { concurrency: 20, connections: 10 }],
  ['who does not wait for a replica needs none', { replicas: 0, durability: 'primary' }],
  ['a hosted Redis that does not say whether it has an append-only file', { appendOnly: undefined }],
])('%s', (_, change) => {
  expect(findingsWith(change)).toEqual([])
})

test('where no worker is configured, Redis is judged alone', () => {
  const findings = examine({ ...fine, worker: undefined })
  expect(findings.every(({ verdict }) => verdict === 'ok')).toBe(true)
})
