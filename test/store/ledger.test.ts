import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { createLedger, type Entry, type Ledger } from '../../src/store/ledger.js'
import { freshName } from '../helpers/fresh-name.js'

let redis: Redis
let keys: Keys
let ledger: Ledger

beforeEach(() => {
  redis = createRedis(inject('redisUrl'), 'worker')
  keys = keysOf(freshName())
  ledger = createLedger(redis, keys)
})
afterEach(() => redis.disconnect())

const single: Entry = { id: 'e1.1', lane: 'transactional', contentHash: 'c' }
const row: Entry = { id: 'b.7', lane: 'bulk', contentHash: 'c', batch: { id: 'b', ordinal: 7 } }
const sent = { outcome: 'sent', json: 'sent' } as const
const failed = {
  outcome: 'failed',
  json: 'failed 550_5.1.1',
  reason: '550 5.1.1',
  error: '{"code":"550 5.1.1"}',
} as const

async function lock(entry: Entry, token: string): Promise<void> {
  await redis.set(`${keys.bullPrefix}:${entry.lane}:${entry.id}:lock`, token)
}

test('a delivery that nobody has touched is free', async () => {
  expect(await ledger.claim(single)).toEqual({ kind: 'free' })
})

test('only the owner of the job may mark', async () => {
  expect(await ledger.mark(single, 'token', false)).toBe('superseded')
  await lock(single, 'other')
  expect(await ledger.mark(single, 'token', false)).toBe('superseded')
  await lock(single, 'token')
  expect(await ledger.mark(single, 'token', false)).toBe('ok')
})

test('a mark without a verdict is seen by whoever claims next, with its time', async () => {
  await lock(single, 'token')
  await ledger.mark(single, 'token', false)
  const standing = await ledger.claim(single)
  expect(standing.kind).toBe('marked')
  expect(standing.kind === 'marked' && Math.abs(standing.markedAt - Date.now())).toBeLessThan(5000)
})

test('another attempt takes a mark over only when it says so', async () => {
  await lock(single, 'first')
  await ledger.mark(single, 'first', false)
  await lock(single, 'second')
  expect(await ledger.mark(single, 'second', false)).toBe('marked')
  expect(await ledger.mark(single, 'second', true)).toBe('ok')
})

test('the same attempt may mark again, for its second connection', async () => {
  await lock(single, 'token')
  await ledger.mark(single, 'token', false)
  expect(await ledger.mark(single, 'token', false)).toBe('ok')
})

test('a released mark leaves the delivery free; another attempt cannot release it', async () => {
  await lock(single, 'token')
  await ledger.mark(single, 'token', false)
  await ledger.release(single, 'other')
  expect((await ledger.claim(single)).kind).toBe('marked')
  await ledger.release(single, 'token')
  expect(await ledger.claim(single)).toEqual({ kind: 'free' })
})

test('a verdict is counted once, however often it is recorded', async () => {
  for (let time = 0; time < 3; time += 1) await ledger.record(single, sent)
  await ledger.record(single, failed)
  expect(await redis.hgetall(keys.laneCounts('transactional'))).toEqual({ sent: '1' })
  expect(await ledger.claim(single)).toEqual({ kind: 'settled', verdict: 'sent' })
})

test('after a verdict nothing is marked, whoever owns the job', async () => {
  await ledger.record(single, sent)
  await lock(single, 'token')
  expect(await ledger.mark(single, 'token', true)).toBe('settled')
})

test('a row stays settled after its verdict was forgotten, by its bit', async () => {
  await ledger.record(row, failed)
  await ledger.forget([row.id])
  expect(await ledger.claim(row)).toEqual({ kind: 'settled', verdict: 'settled' })
  await lock(row, 'token')
  expect(await ledger.mark(row, 'token', false)).toBe('settled')
  expect((await ledger.record(row, sent)).kind).toBe('settled')
  expect(await redis.hgetall(keys.batch('b'))).toEqual({ failed: '1' })
  expect(await ledger.claim({ ...row, batch: { id: 'b', ordinal: 8 }, id: 'b.8' })).toEqual({ kind: 'free' })
})

test('the failures of a batch are counted by reason and kept word for word', async () => {
  await ledger.record(row, failed)
  expect(await redis.hgetall(keys.batchFailures('b'))).toEqual({ '550 5.1.1': '1' })
  expect(await redis.lrange(keys.batchErrors('b'), 0, -1)).toEqual(['{"code":"550 5.1.1"}'])
})

test('a cancellation spares what is on the wire', async () => {
  await lock(single, 'token')
  await ledger.mark(single, 'token', false)
  const cancelled = await ledger.record(
    single,
    { outcome: 'skipped', json: 'skipped cancelled' },
    { spareMarked: true },
  )
  expect(cancelled.kind).toBe('marked')
  expect(await redis.exists(keys.laneCounts('transactional'))).toBe(0)
})
