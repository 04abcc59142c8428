import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import {
  type BatchCensus,
  batchStates,
  createBatchCensus,
  mergedCensus,
} from '../../src/store/batch-census.js'
import { createBatchStore } from '../../src/store/batches.js'
import { freshName } from '../helpers/fresh-name.js'

let redis: Redis
let keys: Keys
let census: () => Promise<BatchCensus>

beforeEach(() => {
  redis = createRedis(inject('redisUrl'), 'worker')
  keys = keysOf(freshName())
  census = createBatchCensus(redis, keys)
})
afterEach(() => redis.disconnect())

type Fields = Readonly<Record<string, string | number>>

/** A batch as it stands in Redis, sealed unless `rows` is taken from it. */
async function store(id: string, fields: Fields = {}, { sealed = true } = {}): Promise<void> {
  const { createdAt = 1, ...rest } = fields
  await createBatchStore(redis, keys).open(
    id,
    { lane: 'bulk', contentHash: 'c', createdAt: Number(createdAt), fingerprint: id },
    { token: 't', lifeMs: 60_000 },
  )
  if (sealed) await redis.del(keys.batchImporter(id))
  await redis.hset(keys.batch(id), { total: 10, ...(sealed ? { rows: 10 } : {}), ...rest })
}

const stateOf = async (id: string) => (await census()).newest.find((batch) => batch.id === id)?.state

test('each batch that is not over is counted under what it does, and one that is over nowhere', async () => {
  await store('running', { sent: 3 })
  await store('scheduled', { sendAt: Date.now() + 60_000 })
  await store('due', { sendAt: Date.now() - 60_000 })
  await store('paused', { paused: '{}', sendAt: Date.now() + 60_000 })
  await store('cancelled', { cancelled: '{}', skipped: 9 })
  await store('importing', { sent: 10 }, { sealed: false })
  await store('incomplete', { sent: 10 }, { sealed: false })
  await redis.del(keys.batchImporter('incomplete'))
  await store('over', { sent: 6, failed: 2, skipped: 1, unknown: 1 })
  await store('cancelled-and-over', { cancelled: '{}', skipped: 10 }, { sealed: false })
  await redis.del(keys.batchImporter('cancelled-and-over'))
  const { counts, newest } = await census()
  expect(Object.fromEntries(counts.map(({ lane, state, count }) => [`${lane} ${state}`, count]))).toEqual({
    'bulk running': 2,
    ...Object.fromEntries(
      batchStates.filter((state) => state !== 'running').map((state) => [`bulk ${state}`, 1]),
    ),
  })
  expect(newest.map(({ id }) => id).toSorted()).toEqual(
    ['cancelled', 'due', 'importing', 'incomplete', 'paused', 'running', 'scheduled'].toSorted(),
  )
  for (const state of batchStates) expect(await stateOf(state)).toBe(state)
})

test('the 20 newest come one by one, newest first, with their counts; all are counted', async () => {
  for (let index = 0; index < 25; index += 1) {
    await store(`b${index}`, { createdAt: 1_000 + index, sent: index % 5, failed: 1, unknown: 2 })
  }
  const { counts, newest } = await census()
  expect(counts).toEqual([{ lane: 'bulk', state: 'running', count: 25 }])
  expect(newest.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, index) => `b${24 - index}`))
  expect(newest[0]).toMatchObject({ sent: 4, failed: 1, skipped: 0, unknown: 2, pending: 3 })
})

test('a batch has an ETA by the rate of its last minute, and none without a rate or while it is paused', async () => {
  const bucket = Math.floor(Date.now() / 5_000)
  const rate = { first: Date.now() - 10_000, [bucket - 1]: 20, [bucket - 100]: 9_999 }
  await store('moving', { total: 120, sent: 20 })
  await redis.hset(keys.batchRate('moving'), rate)
  await store('paused', { total: 120, sent: 20, paused: '{}' })
  await redis.hset(keys.batchRate('paused'), rate)
  await store('still', { total: 120 })
  const { newest } = await census()
  const etaOf = (id: string) => newest.find((batch) => batch.id === id)?.etaSeconds
  expect(etaOf('moving')).toBeGreaterThanOrEqual(50)
  expect(etaOf('moving')).toBeLessThan(60)
  expect([etaOf('paused'), etaOf('still')]).toEqual([undefined, undefined])
})

test('of several shards the newest of all are told', () => {
  const at = (id: string, createdAt: number) => ({
    ...{ id, createdAt, lane: 'bulk', state: 'running' as const },
    ...{ sent: 0, failed: 0, skipped: 0, unknown: 0, pending: 1 },
  })
  const counts = [{ lane: 'bulk', state: 'running' as const, count: 15 }]
  const many = (prefix: string, from: number) =>
    Array.from({ length: 15 }, (_, index) => at(`${prefix}${index}`, from - index))
  const merged = mergedCensus([
    { counts, newest: many('old', 100) },
    { counts: [], newest: many('new', 200) },
  ])
  expect(merged.counts).toEqual(counts)
  expect(merged.newest).toHaveLength(20)
  expect(merged.newest.slice(0, 15).every(({ id }) => id.startsWith('new'))).toBe(true)
})
