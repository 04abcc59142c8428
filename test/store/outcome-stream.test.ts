import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { createLedger } from '../../src/store/ledger.js'
import { createOutcomeStream, type OutcomeStream, readEntries } from '../../src/store/outcome-stream.js'
import { createResolver } from '../../src/store/resolve.js'
import { freshName } from '../helpers/fresh-name.js'

const week = 7 * 24 * 3600
let redis: Redis
let keys: Keys
let stream: OutcomeStream

beforeEach(() => {
  redis = createRedis(inject('redisUrl'), 'worker')
  keys = keysOf(freshName())
  stream = createOutcomeStream(redis, keys)
})
afterEach(() => redis.disconnect())

async function settle(count: number): Promise<void> {
  const ledger = createLedger(redis, keys)
  const reply = { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 4bZk2m3xYzz1Xq' }
  const ordinals = Array.from({ length: count }, (_, ordinal) => ordinal)
  await Promise.all(
    ordinals.map((ordinal) => {
      const entry = { id: `b.${ordinal}`, lane: 'bulk', contentHash: 'c', batch: { id: 'b', ordinal } }
      const recipient = `recipient-${ordinal}@example.com`
      return ledger.record(entry, { outcome: 'sent', reply, recipient, enqueuedAt: 1_700_000_000_000 })
    }),
  )
  await ledger.forget(ordinals.map((ordinal) => `b.${ordinal}`))
}

async function acknowledgeAll(group: string): Promise<void> {
  for (;;) {
    const options = { which: 'new', count: 1_000, waitMs: 1 } as const
    const entries = await readEntries(redis, keys, { group, consumer: 'c' }, options)
    if (entries.length === 0) return
    await Promise.all(entries.map(({ id }) => stream.acknowledge(group, id)))
  }
}

test('a settled delivery costs under 150 bytes while somebody reads, and nothing while nobody does', async () => {
  await settle(5_000)
  expect(await redis.exists(keys.outcomes)).toBe(0)
  await stream.join('app', week)
  await redis.del(keys.batchSettled('b'))
  await settle(5_000)
  expect(await redis.xlen(keys.outcomes)).toBe(5_000)
  const bytes = Number(await redis.memory('USAGE', keys.outcomes, 'SAMPLES', 0)) / 5_000
  expect(bytes).toBeGreaterThan(50)
  expect(bytes).toBeLessThan(150)
})

test('what every group has acknowledged is dropped, and nothing that one of them still needs', async () => {
  await stream.join('quick', week)
  await stream.join('slow', week)
  await settle(1_000)
  await acknowledgeAll('quick')
  await stream.sweep()
  expect(await redis.xlen(keys.outcomes)).toBe(1_000)
  const options = { which: 'new', count: 500, waitMs: 1 } as const
  const given = await readEntries(redis, keys, { group: 'slow', consumer: 'c' }, options)
  await stream.sweep()
  expect(await redis.xlen(keys.outcomes)).toBe(1_000)
  for (const { id } of given.slice(0, 400)) await stream.acknowledge('slow', id)
  await stream.sweep()
  const left = await redis.xlen(keys.outcomes)
  expect(left).toBeGreaterThanOrEqual(600)
  expect(left).toBeLessThanOrEqual(700)
  await acknowledgeAll('slow')
  await Promise.all(given.map(({ id }) => stream.acknowledge('slow', id)))
  await stream.sweep()
  // Redis drops whole nodes of a hundred entries.
  expect(await redis.xlen(keys.outcomes)).toBeLessThanOrEqual(100)
})

test('a group begins with what is settled after it, and a second call changes nothing', async () => {
  await stream.join('first', week)
  await settle(3)
  await stream.join('second', week)
  await stream.join('first', 60)
  const read = (group: string) =>
    readEntries(redis, keys, { group, consumer: 'c' }, { which: 'new', count: 10, waitMs: 1 })
  expect(await read('first')).toHaveLength(3)
  expect(await read('second')).toHaveLength(0)
  expect(await redis.get(keys.outcomesKept)).toBe('60')
})

test('what a person says of an unknown is told as any outcome is', async () => {
  await stream.join('app', week)
  const entry = { id: 'b.0', lane: 'bulk', contentHash: 'c', batch: { id: 'b', ordinal: 0 } }
  const recipient = 'a@example.com'
  await createLedger(redis, keys).record(entry, {
    outcome: 'unknown',
    code: 'unknown',
    recipient,
    enqueuedAt: 5,
  })
  await createResolver(redis, keys)({ entry, verdict: 'not_sent', recipient, enqueuedAt: 5 })
  const options = { which: 'new', count: 10, waitMs: 1 } as const
  const [first, second] = await readEntries(redis, keys, { group: 'app', consumer: 'c' }, options)
  expect(first?.fields).toMatchObject({ i: 'b.0', o: 'unknown', a: recipient, l: 'bulk', q: '5' })
  expect(second?.fields).toMatchObject({
    ...{ i: 'b.0', o: 'failed', a: recipient, l: 'bulk', q: '5' },
    c: 'resolved_not_sent',
  })
})
