import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { type BatchControlStore, createBatchControlStore } from '../../src/store/batch-control.js'
import { createLedger, type Entry, type Ledger, type Verdict } from '../../src/store/ledger.js'
import { createSuppressionStore } from '../../src/store/suppressions.js'
import { freshName } from '../helpers/fresh-name.js'

let redis: Redis
let keys: Keys
let ledger: Ledger
let control: BatchControlStore

const row: Entry = { id: 'b.7', lane: 'bulk', contentHash: 'c', batch: { id: 'b', ordinal: 7 } }
const single: Entry = { id: 'e1.1', lane: 'bulk', contentHash: 'c' }
const stop = { at: 1, by: 'web-1', reason: 'wrong subject' }
const free = { takeOver: false, lifeMs: 60_000 }
const failed: Verdict = {
  outcome: 'failed',
  code: '550 5.1.1',
  message: 'no',
  recipient: 'Ada@example.com',
  token: 't',
}

beforeEach(async () => {
  redis = createRedis(inject('redisUrl'), 'worker')
  keys = keysOf(freshName())
  ledger = createLedger(redis, keys)
  control = createBatchControlStore(redis, keys)
  await redis.hset(keys.batch('b'), 'lane', 'bulk', 'total', 10)
  for (const { id } of [row, single]) {
    await redis.set(`${keys.bullPrefix}:bulk:${id}:lock`, 't')
    await redis.hset(`${keys.bullPrefix}:bulk:${id}`, 'timestamp', 1)
  }
})
afterEach(() => redis.disconnect())

test('a paused batch bars its rows from being claimed and marked, and says by whom and why', async () => {
  expect(await control.pause('b', 'bulk', stop)).toBe('done')
  const why = 'its batch was paused by web-1: wrong subject'
  expect(await ledger.claim(row)).toEqual({ kind: 'free', barrier: { kind: 'paused', why } })
  expect(await ledger.mark(row, 't', free)).toBe('paused')
  expect(await redis.exists(keys.mark(row.id))).toBe(0)
})

test('an attempt that had its mark before the pause may go on; another one may not take over', async () => {
  expect(await ledger.mark(row, 't', free)).toBe('ok')
  await control.pause('b', 'bulk', stop)
  expect(await ledger.mark(row, 't', free)).toBe('ok')
  await redis.set(`${keys.bullPrefix}:bulk:${row.id}:lock`, 'other')
  expect(await ledger.mark(row, 'other', { ...free, takeOver: true })).toBe('paused')
})

test('a delivery of no batch is never paused', async () => {
  await control.pause('b', 'bulk', stop)
  expect(await ledger.claim(single)).toEqual({ kind: 'free' })
  expect(await ledger.mark(single, 't', free)).toBe('ok')
})

test('resumed, all goes on', async () => {
  await control.pause('b', 'bulk', stop)
  expect(await control.resume('b', 'bulk')).toBe('done')
  expect(await control.resume('b', 'bulk')).toBe('same')
  expect(await ledger.claim(row)).toEqual({ kind: 'free' })
  expect(await ledger.mark(row, 't', free)).toBe('ok')
})

test('the first pause stands; a cancelled batch can be neither paused nor resumed', async () => {
  await control.pause('b', 'bulk', stop)
  expect(await control.pause('b', 'bulk', { ...stop, reason: 'another' })).toBe('same')
  expect((await control.observe('b', 'bulk')).paused).toEqual(stop)
  expect(await control.cancel('b', 'bulk', stop)).toBe('done')
  expect(await control.cancel('b', 'bulk', stop)).toBe('same')
  expect(await control.pause('b', 'bulk', stop)).toBe('cancelled')
  expect(await control.resume('b', 'bulk')).toBe('cancelled')
  expect(await control.observe('b', 'bulk')).toMatchObject({ paused: undefined, cancelled: stop })
  expect(await ledger.mark(row, 't', free)).toBe('cancelled')
  expect((await ledger.claim(row)).barrier?.kind).toBe('cancelled')
})

test.each(['pause', 'cancel'] as const)(
  '%s of a batch that is not there says so and makes none',
  async (call) => {
    expect(await control[call]('none', 'bulk', stop)).toBe('missing')
    expect(await redis.exists(keys.batch('none'))).toBe(0)
  },
)

test('a paused batch has no turn; a resumed one has, and a cancelled one at once, whatever it waited for', async () => {
  await redis.zadd(keys.turns('bulk'), 5, 'b')
  await control.pause('b', 'bulk', stop)
  expect(await redis.zscore(keys.turns('bulk'), 'b')).toBeNull()
  await control.resume('b', 'bulk')
  expect(await redis.zscore(keys.turns('bulk'), 'b')).not.toBeNull()
  await redis.zrem(keys.turns('bulk'), 'b')
  await redis.zadd(keys.later('bulk'), 9e12, 'b')
  await control.cancel('b', 'bulk', stop)
  expect(await redis.zscore(keys.later('bulk'), 'b')).toBeNull()
  expect(await redis.zscore(keys.turns('bulk'), 'b')).not.toBeNull()
})

test('an attempt that lets go hears that its batch was cancelled meanwhile', async () => {
  await ledger.mark(row, 't', free)
  expect(await ledger.release(row, 't')).toBe('released')
  await control.cancel('b', 'bulk', stop)
  expect(await ledger.release(row, 't')).toBe('cancelled')
  expect(await ledger.release(single, 't')).toBe('released')
})

test('a suppressed address bars, in any case of its local part, and so does its domain', async () => {
  const store = createSuppressionStore(redis, keys)
  const bars = async (address: string) => (await ledger.claim(single, address)).barrier?.kind
  await store.put([['ada@example.com', { r: 'complaint', s: 1 }]])
  expect(await bars('ADA@example.com')).toBe('suppressed')
  expect(await bars('bob@example.com')).toBeUndefined()
  await store.put([['@example.com', { r: 'manual', s: 1 }]])
  expect(await bars('bob@example.com')).toBe('suppressed')
  expect(await bars('bob@sub.example.com')).toBeUndefined()
})

test('a suppression whose time is over bars nobody', async () => {
  const store = createSuppressionStore(redis, keys)
  await store.put([['ada@example.com', { r: 'manual', s: 1, x: 2 }]])
  expect(await ledger.claim(single, 'ada@example.com')).toEqual({ kind: 'free' })
  await store.put([['ada@example.com', { r: 'manual', s: 1, x: 9e12 }]])
  expect((await ledger.claim(single, 'ada@example.com')).barrier).toEqual({
    kind: 'suppressed',
    why: 'nothing is sent to the recipient: manual',
  })
})

test('a bounce suppresses in the step that records it, once, and what stands there stays', async () => {
  const [get, put] = [createSuppressionStore(redis, keys).get, createSuppressionStore(redis, keys).put]
  await ledger.mark(row, 't', free)
  await ledger.record(row, { ...failed, suppress: true })
  expect(await get(['ada@example.com'])).toEqual([{ r: 'bounce', s: expect.any(Number), c: '550 5.1.1' }])
  await put([['ada@example.com', { r: 'complaint', s: 1 }]])
  await ledger.mark(single, 't', free)
  await ledger.record(single, { ...failed, suppress: true })
  expect(await get(['ada@example.com'])).toEqual([{ r: 'complaint', s: 1 }])
})

test('a failure that may be none after all suppresses nobody', async () => {
  await ledger.mark(row, 'earlier', free)
  await redis.set(keys.mark(row.id), 'd:earlier')
  await ledger.mark(row, 't', free)
  expect(await ledger.record(row, { ...failed, suppress: true })).toMatchObject({ outcome: 'unknown' })
  expect(await createSuppressionStore(redis, keys).get(['ada@example.com'])).toEqual([undefined])
})

test('ordinals that failed or are unknown are kept by when, until it turns out that they were sent', async () => {
  const kept = () => redis.zrange(keys.batchFailed('b'), 0, '-1')
  const other: Entry = { ...row, id: 'b.8', batch: { id: 'b', ordinal: 8 } }
  await ledger.record(row, failed)
  await ledger.record(other, { outcome: 'unknown', token: 't8' })
  expect((await kept()).sort()).toEqual(['7', '8'])
  await ledger.record(other, { outcome: 'sent', token: 't8' })
  expect(await kept()).toEqual(['7'])
})

test('what is settled is counted into the rate, once each', async () => {
  for (let ordinal = 0; ordinal < 5; ordinal += 1) {
    const entry: Entry = { ...row, id: `b.${ordinal}`, batch: { id: 'b', ordinal } }
    for (let time = 0; time < 2; time += 1) await ledger.record(entry, { outcome: 'sent' })
  }
  const { first, ...buckets } = await redis.hgetall(keys.batchRate('b'))
  expect(Object.values(buckets).reduce((sum, count) => sum + Number(count), 0)).toBe(5)
  expect(Number(first)).toBeGreaterThan(0)
  expect((await control.observe('b', 'bulk')).ratePerSecond).toBeGreaterThan(0)
  expect(await redis.ttl(keys.batchRate('b'))).toBeGreaterThan(60)
})

test('the rate is of the last minute alone, and old counts are removed', async () => {
  const now = Date.now()
  const bucket = Math.floor(now / 5_000)
  const counts = { first: now - 600_000, [bucket - 100]: 1_000_000, [bucket - 6]: 600, [bucket - 3]: 600 }
  await redis.hset(keys.batchRate('b'), counts)
  expect((await control.observe('b', 'bulk')).ratePerSecond).toBe(20)
  await ledger.record(row, { outcome: 'sent' })
  expect(await redis.hexists(keys.batchRate('b'), String(bucket - 100))).toBe(0)
  expect(await redis.hexists(keys.batchRate('b'), String(bucket - 3))).toBe(1)
})

test('a batch is finished when all its rows are there and settled, and at that instant', async () => {
  const finishedAt = async () => (await control.observe('b', 'bulk')).finishedAt
  await redis.hset(keys.batch('b'), 'total', 1)
  await ledger.record(row, { outcome: 'sent' })
  expect(await finishedAt()).toBeUndefined()
  await redis.hset(keys.batch('b'), 'rows', 1)
  await control.finish('b')
  expect(await finishedAt()).toBeGreaterThan(0)
})
