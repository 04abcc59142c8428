import { expect, inject, onTestFinished, test } from 'vitest'
import { createRedis, keysOf } from '../../src/redis.js'
import { createBatchStore } from '../../src/store/batches.js'
import { freshName } from '../helpers/fresh-name.js'

function open() {
  const redis = createRedis(inject('redisUrl'), 'ledger')
  onTestFinished(() => redis.disconnect())
  const keys = keysOf(freshName())
  const batches = createBatchStore(redis, keys)
  const chunk = { batchId: 'b', lane: 'bulk', number: 0, digest: 'x', accepted: 3, rejected: 1 }
  const commit = async (witness?: string) => {
    const { name, args } = batches.commit(chunk, witness)
    return (redis as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>)[name]?.(...args)
  }
  const counts = async () => {
    const { total = 0, rejected = 0 } = (await batches.read('b')) ?? {}
    return { total, rejected, accepted: Number(await redis.hget(keys.laneCounts('bulk'), 'accepted')) }
  }
  return { redis, keys, batches, chunk, commit, counts }
}

async function opened() {
  const all = open()
  await all.batches.open('b', { fingerprint: 'f', lane: 'bulk', contentHash: 'h', createdAt: 1 })
  return all
}

test('a chunk is counted once, and only when its jobs are there', async () => {
  const { redis, keys, batches, chunk, commit, counts } = await opened()
  expect(await batches.announce(chunk)).toBe('pending')
  const job = `${keys.bullPrefix}:bulk:b.2`
  await expect(commit(job)).rejects.toThrow('MISSING the jobs of the chunk')
  expect(await counts()).toEqual({ total: 0, rejected: 0, accepted: 0 })
  expect(await batches.announce(chunk)).toBe('pending')
  await redis.hset(job, 'data', '{}')
  expect(await commit(job)).toBe(1)
  expect(await commit(job)).toBe(0)
  expect(await counts()).toEqual({ total: 3, rejected: 1, accepted: 3 })
  expect(await batches.announce(chunk)).toBe('done')
})

test('rows that were announced are fixed, also before they are counted', async () => {
  const { batches, chunk, commit, counts } = await opened()
  await batches.announce(chunk)
  expect(await batches.announce({ ...chunk, digest: 'y' })).toBe('other')
  expect(await commit()).toBe(1)
  expect(await batches.announce({ ...chunk, digest: 'y' })).toBe('other')
  expect(await counts()).toMatchObject({ total: 3 })
})

test('a chunk that was never announced is not counted, nor one that follows the seal announced', async () => {
  const { batches, chunk, commit, counts } = await opened()
  expect(await commit()).toBe(0)
  expect(await counts()).toMatchObject({ total: 0 })
  expect(await batches.seal('b', 0, 1)).toBe(true)
  expect(await batches.announce(chunk)).toBe('other')
})
