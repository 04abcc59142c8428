import { expect, inject, onTestFinished, test } from 'vitest'
import { createRedis, keysOf } from '../../src/redis.js'
import { createBatchStore } from '../../src/store/batches.js'
import { createChunkStore } from '../../src/store/chunks.js'
import { pack, textOf } from '../../src/store/packed-rows.js'
import { freshName } from '../helpers/fresh-name.js'

const importer = { token: 'me', lifeMs: 60_000 }

async function opened() {
  const redis = createRedis(inject('redisUrl'), 'ledger')
  onTestFinished(() => redis.disconnect())
  const keys = keysOf(freshName())
  const batches = createBatchStore(redis, keys)
  const chunks = createChunkStore(redis, keys)
  await batches.open('b', { fingerprint: 'f', lane: 'bulk', contentHash: 'h', createdAt: 5 }, importer)
  const store = async (number: number, rows: readonly (string | undefined)[], digest = textOf(rows)) => {
    const accepted = rows.filter((row) => row !== undefined).length
    const packed = await pack(textOf(rows), rows)
    const counts = { accepted, rejected: rows.length - accepted }
    return chunks.store({ batchId: 'b', lane: 'bulk', number, digest, packed, ...counts }, importer)
  }
  const lane = () => redis.hgetall(keys.laneCounts('bulk'))
  return { redis, keys, batches, chunks, store, lane }
}

const rows = (count: number) =>
  Array.from({ length: count }, (_, index) => `["r${index}@example.com",null,{"n":${index}}]`)

test('a chunk is stored and counted once, and its batch has a turn', async () => {
  const { redis, keys, batches, store, lane } = await opened()
  const some = [...rows(3), undefined]
  expect(await store(0, some)).toBe('stored')
  expect(await store(0, some)).toBe('done')
  expect(await batches.read('b')).toMatchObject({ total: 3, rejected: 1 })
  expect(await lane()).toEqual({ accepted: '3', packed: '3' })
  expect(await redis.zrange(keys.turns('bulk'), '0', '-1')).toEqual(['b'])
})

test('rows that are stored are fixed, and none follow the seal', async () => {
  const { batches, store } = await opened()
  expect(await store(0, rows(256))).toBe('stored')
  expect(await store(0, rows(255))).toBe('other')
  expect(await batches.seal('b', 256, 1, 1)).toBe('sealed')
  expect(await store(0, rows(256))).toBe('done')
  expect(await store(1, rows(1))).toBe('other')
  expect(await batches.read('b')).toMatchObject({ total: 256, importing: false })
})

test('a chunk whose forerunner is lost is not stored', async () => {
  const { redis, keys, batches, store } = await opened()
  await store(0, rows(256))
  expect(await store(2, rows(256))).toBe('gap')
  await redis.del(keys.batch('b'))
  expect(await store(1, rows(256))).toBe('gap')
  expect(await batches.read('b')).toBeUndefined()
})

test('a chunk without a delivery takes no place and no turn', async () => {
  const { redis, keys, batches, chunks, store } = await opened()
  expect(await store(0, [undefined, undefined])).toBe('stored')
  expect(await chunks.numbers('b')).toEqual([])
  expect(await redis.exists(keys.turns('bulk'))).toBe(0)
  expect(await batches.read('b')).toMatchObject({ total: 0, rejected: 2 })
})

test('a paused batch gets no turn by being stored, nor does one that waits for its time', async () => {
  const { redis, keys, store } = await opened()
  await redis.hset(keys.batch('b'), 'paused', '{}')
  await store(0, rows(256))
  expect(await redis.exists(keys.turns('bulk'))).toBe(0)
  await redis.hdel(keys.batch('b'), 'paused')
  await redis.zadd(keys.later('bulk'), 9e12, 'b')
  await store(1, rows(256))
  expect(await redis.exists(keys.turns('bulk'))).toBe(0)
})

test('a row is read while its chunk waits', async () => {
  const { chunks, store } = await opened()
  await store(0, rows(256))
  await store(1, [...rows(2), undefined])
  expect(await chunks.row('b', 257)).toEqual(['r1@example.com', null, { n: 1 }])
  expect(await chunks.row('b', 258)).toBeUndefined()
  expect(await chunks.row('b', 5000)).toBeUndefined()
  expect(await chunks.row('other', 0)).toBeUndefined()
})

test('skipping a chunk settles and counts what was not settled, once', async () => {
  const { redis, keys, batches, chunks, store, lane } = await opened()
  await store(0, rows(256))
  await store(1, [...rows(10), undefined])
  // One row was settled while it waited.
  await redis.setbit(keys.batchSettled('b'), 256 + 3, 1)
  expect(await chunks.numbers('b')).toEqual([0, 1])
  expect(await chunks.skipChunk('b', 'bulk', 1, 'cancelled')).toBe(9)
  expect(await chunks.skipChunk('b', 'bulk', 1, 'cancelled')).toBe(0)
  expect(await batches.read('b')).toMatchObject({ total: 266, skipped: 9, failed: 0 })
  expect(await lane()).toEqual({ accepted: '266', packed: '256', skipped: '9' })
  expect(await redis.bitcount(keys.batchSettled('b'))).toBe(10)
  expect(await redis.getbit(keys.batchSettled('b'), 256 + 10)).toBe(0)
  expect(await chunks.skipChunk('b', 'bulk', 0, 'cancelled')).toBe(256)
  expect(await chunks.numbers('b')).toEqual([])
})

test('whoever reads outcomes is told of each skipped row, to whom and why', async () => {
  const { redis, keys, chunks, store } = await opened()
  await redis.set(keys.outcomesKept, 60)
  await store(0, rows(256))
  await store(1, [undefined, ...rows(2)])
  expect(await chunks.skipChunk('b', 'bulk', 1, 'cancelled')).toBe(2)
  const told = await redis.xrange(keys.outcomes, '-', '+')
  const common = ['l', 'bulk', 'q', '5', 'c', 'cancelled', 'r', '', 'b', '1']
  expect(told.map(([, fields]) => fields)).toEqual([
    ['i', 'b.257', 'o', 'skipped', 'a', 'r0@example.com', ...common],
    ['i', 'b.258', 'o', 'skipped', 'a', 'r1@example.com', ...common],
  ])
})

test('a chunk that cannot be read fails with its reason, whoever reads outcomes', async () => {
  const { redis, keys, batches, chunks, store } = await opened()
  await redis.set(keys.outcomesKept, 60)
  await store(0, rows(3))
  const packed = await redis.hgetBuffer(keys.batchRows('b'), '0')
  await redis.hset(
    keys.batchRows('b'),
    '0',
    Buffer.concat([packed?.subarray(0, 32) ?? Buffer.alloc(0), Buffer.from('?')]),
  )
  expect(await chunks.failChunk('b', 'bulk', 0, 'invalid_payload')).toBe(3)
  expect(await batches.read('b')).toMatchObject({ total: 3, failed: 3 })
  expect(await batches.failures('b')).toEqual({ invalid_payload: 3 })
  expect(await redis.xlen(keys.outcomes)).toBe(3)
})
