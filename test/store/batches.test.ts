import { expect, inject, onTestFinished, test } from 'vitest'
import { createRedis, keysOf } from '../../src/redis.js'
import { createBatchStore } from '../../src/store/batches.js'
import { freshName } from '../helpers/fresh-name.js'

const importer = { token: 'me', lifeMs: 60_000 }
const facts = { fingerprint: 'f', lane: 'bulk', contentHash: 'h', createdAt: 1 }

function open() {
  const redis = createRedis(inject('redisUrl'), 'ledger')
  onTestFinished(() => redis.disconnect())
  const keys = keysOf(freshName())
  return { redis, keys, batches: createBatchStore(redis, keys) }
}

test('a batch is opened once, and what is not the same batch is refused', async () => {
  const { batches, redis, keys } = open()
  expect(await batches.open('b', facts, importer)).toBe('new')
  expect(await batches.open('b', { ...facts, createdAt: 2 }, importer)).toBe('same')
  expect(await batches.open('b', { ...facts, fingerprint: 'g' }, importer)).toBe('other')
  expect(await batches.read('b')).toMatchObject({ createdAt: 1, total: 0, rows: undefined })
  expect(await redis.zrange(keys.batches, '0', '-1', 'WITHSCORES')).toEqual(['b', '1'])
})

test('who enqueues is known to be there until it leaves, seals the batch or is not heard of', async () => {
  const { batches, redis, keys } = open()
  const importing = async () => (await batches.read('b'))?.importing
  await batches.open('b', facts, importer)
  expect(await importing()).toBe(true)
  await batches.leave('b', { ...importer, token: 'another' })
  expect(await importing()).toBe(true)
  await batches.leave('b', importer)
  expect(await importing()).toBe(false)
  await batches.renew('b', importer)
  expect(await redis.pttl(keys.batchImporter('b'))).toBeGreaterThan(50_000)
  expect(await batches.seal('b', 0, 0, 1)).toBe('sealed')
  expect(await importing()).toBe(false)
})

test('a batch is sealed with one number of rows, and never while chunks of it are missing', async () => {
  const { batches, redis, keys } = open()
  await batches.open('b', facts, importer)
  expect(await batches.seal('b', 300, 2, 1)).toBe('gap')
  await redis.hset(keys.batchChunks('b'), { '0': 'x', '1': 'y' })
  expect(await batches.seal('b', 256, 1, 1)).toBe('other')
  expect(await batches.seal('b', 300, 2, 1)).toBe('sealed')
  expect(await batches.seal('b', 300, 2, 2)).toBe('sealed')
  expect(await batches.seal('b', 301, 2, 2)).toBe('other')
  expect(await batches.read('b')).toMatchObject({ rows: 300 })
})
