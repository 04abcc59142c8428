import { expect, inject, onTestFinished, test } from 'vitest'
import { createRedis, keysOf } from '../../src/redis.js'
import { createBatchControlStore } from '../../src/store/batch-control.js'
import { createBatchStore } from '../../src/store/batches.js'
import { createChunkStore } from '../../src/store/chunks.js'
import { createContentStore } from '../../src/store/contents.js'
import { pack, textOf } from '../../src/store/packed-rows.js'
import { createTurns, type Look } from '../../src/store/turns.js'
import { freshName } from '../helpers/fresh-name.js'

const importer = { token: 'me', lifeMs: 60_000 }
const rows = Array.from({ length: 256 }, (_, index) => `["r${index}@example.com",null,{}]`)
const lane = 'bulk'
const most = { waiting: 100, jobs: 1_000, ofOneBatch: 100_000 }

async function opened() {
  const redis = createRedis(inject('redisUrl'), 'worker')
  onTestFinished(() => redis.disconnect())
  const keys = keysOf(freshName())
  const batches = createBatchStore(redis, keys)
  const chunks = createChunkStore(redis, keys)
  const turns = createTurns(redis, keys)
  const digest = textOf(rows)
  const packed = await pack(digest, rows)
  const add = async (id: string, count: number, options: { priority?: number; sendAt?: number } = {}) => {
    const batch = { fingerprint: id, lane, contentHash: 'h', createdAt: 5, ...options }
    await batches.open(id, batch, importer)
    const chunk = { batchId: id, lane, digest, packed, accepted: 256, rejected: 0 }
    for (let number = 0; number < count; number += 1) await chunks.store({ ...chunk, number }, importer)
  }
  const look = (options: { token?: string; now?: number; most?: Partial<typeof most> } = {}) =>
    turns.look({
      lane,
      token: options.token ?? 'one',
      now: options.now ?? 0,
      most: { ...most, ...options.most },
    })
  const drop = async (found: Look, witness?: string) => {
    if (found.kind !== 'chunk') throw new TypeError(`it was ${found.kind}`)
    const { name, args } = turns.drop(lane, found.chunk, 256, witness)
    return (redis as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>)[name]?.(...args)
  }
  /** Whose chunks are given up, in order. */
  const order = async (count: number) => {
    const given: string[] = []
    for (let turn = 0; turn < count; turn += 1) {
      const found = await look()
      await drop(found)
      if (found.kind === 'chunk') given.push(found.chunk.batchId)
    }
    return given
  }
  return { redis, keys, batches, chunks, turns, add, look, drop, order }
}

const times = (given: readonly string[], id: string) => given.filter((each) => each === id).length

test('one worker has the lease on a lane until it gives it back or is gone', async () => {
  const { redis, keys, turns, look } = await opened()
  expect(await look()).toEqual({ kind: 'idle', settled: 0 })
  expect(await look({ token: 'two' })).toEqual({ kind: 'other' })
  await turns.giveBack(lane, 'two')
  expect(await look({ token: 'two' })).toEqual({ kind: 'other' })
  await turns.giveBack(lane, 'one')
  expect(await look({ token: 'two' })).toMatchObject({ kind: 'idle' })
  expect(await redis.pttl(keys.unpacking(lane))).toBeGreaterThan(1_000)
})

test('the lowest chunk of a batch comes first, with all that its jobs need', async () => {
  const { redis, keys, add, look, drop } = await opened()
  await add('b', 2)
  await redis.setbit(keys.batchSettled('b'), 256 + 9, 1)
  const first = await look()
  expect(first).toMatchObject({
    kind: 'chunk',
    chunk: { batchId: 'b', number: 0, createdAt: 5, contentHash: 'h' },
  })
  expect(await drop(first)).toBe(1)
  const second = await look()
  expect(second).toMatchObject({ chunk: { number: 1, settled: Buffer.from([0, 64]) } })
  expect(await drop(second)).toBe(1)
  expect(await drop(second)).toBe(0)
  expect(await look()).toMatchObject({ kind: 'idle' })
  expect(await redis.hmget(keys.laneCounts(lane), 'accepted', 'packed')).toEqual(['512', '0'])
})

test('a chunk stays until its jobs are there', async () => {
  const { redis, keys, add, look, drop } = await opened()
  await add('b', 1)
  const found = await look()
  const job = `${keys.bullPrefix}:bulk:b.255`
  await expect(drop(found, job)).rejects.toThrow('MISSING the jobs of the chunk')
  expect(await look()).toMatchObject({ kind: 'chunk' })
  await redis.hset(job, 'data', '{}')
  expect(await drop(found, job)).toBe(1)
})

test('batches of one lane take turns, and one that comes later waits behind none of them', async () => {
  const { add, order } = await opened()
  await add('large', 40)
  expect(times(await order(10), 'large')).toBe(10)
  await add('small', 2)
  expect(times(await order(4), 'small')).toBe(2)
  await add('another', 20)
  const given = await order(20)
  expect(times(given, 'large')).toBe(10)
  expect(times(given, 'another')).toBe(10)
})

test('a batch of twice the priority has twice the turns', async () => {
  const { add, order } = await opened()
  await add('one', 20)
  await add('two', 20, { priority: 20 })
  const given = await order(18)
  expect(times(given, 'one')).toBe(6)
  expect(times(given, 'two')).toBe(12)
})

test('what could not have its turn has not saved it up', async () => {
  const { redis, keys, add, order } = await opened()
  await add('stuck', 20)
  await add('other', 40)
  // It has all the jobs that one batch may have: none of its deliveries ends.
  await redis.hincrby(keys.batch('stuck'), 'total', 100_000)
  expect(times(await order(20), 'other')).toBe(20)
  await redis.hincrby(keys.batch('stuck'), 'total', -100_000)
  expect(times(await order(10), 'stuck')).toBe(5)
})

test('nothing is given while so many jobs wait, or so many are there of the batch', async () => {
  const { redis, keys, add, look } = await opened()
  await add('b', 1)
  expect(await look({ most: { ofOneBatch: 0 } })).toMatchObject({ kind: 'full' })
  await redis.lpush(`${keys.bullPrefix}:bulk:wait`, 'x', 'y')
  expect(await look({ most: { waiting: 2 } })).toMatchObject({ kind: 'full' })
  expect(await look({ most: { waiting: 3 } })).toMatchObject({ kind: 'chunk' })
})

test('however many jobs of a lane are scheduled or held, a batch has its turn, for as many as may wait', async () => {
  const { redis, keys, add, look, drop } = await opened()
  await add('b', 2)
  await redis.zadd(`${keys.bullPrefix}:bulk:delayed`, 1, 'x', 2, 'y', 3, 'z')
  await drop(await look({ most: { jobs: 3 } }))
  expect(await look({ most: { jobs: 3 } })).toMatchObject({ kind: 'full' })
  expect(await look({ most: { jobs: 4 } })).toMatchObject({ kind: 'chunk' })
  await redis.hset(keys.batch('b'), 'sent', 200)
  expect(await look({ most: { jobs: 3 } })).toMatchObject({ kind: 'chunk', chunk: { number: 1 } })
})

test('a batch that is paused has no turn, and one that is cancelled is told as such however full it is', async () => {
  const { redis, keys, add, look } = await opened()
  await add('b', 1)
  await redis.hset(keys.batch('b'), 'paused', '{}')
  expect(await look()).toMatchObject({ kind: 'idle' })
  await redis.hset(keys.batch('b'), 'cancelled', '{}')
  await redis.zadd(keys.turns(lane), 0, 'b')
  const found = await look({ most: { waiting: 0 } })
  expect(found).toEqual({ kind: 'cancelled', settled: 0, batchId: 'b', number: 0 })
})

test('a batch with a time has no turn before it, nor one that is put off', async () => {
  const { add, look, turns } = await opened()
  await add('b', 1, { sendAt: 1_000 })
  expect(await look({ now: 999 })).toMatchObject({ kind: 'idle' })
  expect(await look({ now: 1_000 })).toMatchObject({ kind: 'chunk' })
  await turns.postpone(lane, 'b', 2_000)
  expect(await look({ now: 1_999 })).toMatchObject({ kind: 'idle' })
  expect(await look({ now: 2_000 })).toMatchObject({ kind: 'chunk' })
})

test('a batch that is cancelled while it is put off keeps its turn', async () => {
  const { redis, keys, add, look, turns } = await opened()
  await add('b', 1)
  expect(await look()).toMatchObject({ kind: 'chunk' })
  const stop = { at: 1, by: 'me' }
  expect(await createBatchControlStore(redis, keys).cancel('b', lane, stop)).toBe('done')
  await turns.postpone(lane, 'b', 2_000)
  expect(await look()).toMatchObject({ kind: 'cancelled', batchId: 'b' })
})

test('the content of a batch whose rows wait has no time to live, nor have its files', async () => {
  const { redis, keys, batches } = await opened()
  const contents = createContentStore(redis, keys)
  const content = { subject: 'Hi' } as never
  const bundle = { hash: 'h', content, files: [{ hash: 'f', content: Buffer.from('file') }] }
  await contents.put(bundle)
  const lives = () => Promise.all([redis.ttl(keys.content('h')), redis.ttl(keys.file('f'))])
  expect(Math.min(...(await lives()))).toBeGreaterThan(0)
  const batch = { fingerprint: 'f', lane, contentHash: 'h', createdAt: 5 }
  await batches.open('b', batch, importer)
  expect(await lives()).toEqual([-1, -1])
  await contents.put(bundle)
  await contents.get('h')
  expect(await lives()).toEqual([-1, -1])
})
