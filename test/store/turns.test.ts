import { expect, inject, onTestFinished, test } from 'vitest'
import { createRedis, keysOf } from '../../src/redis.js'
import { createBatchControlStore } from '../../src/store/batch-control.js'
import { createBatchStore } from '../../src/store/batches.js'
import { createChunkStore } from '../../src/store/chunks.js'
import { createContentStore } from '../../src/store/contents.js'
import { pack, setBit, textOf } from '../../src/store/packed-rows.js'
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

test('jobs that are set aside crowd nobody out, neither the lane nor their batch', async () => {
  const { redis, keys, add, look, drop } = await opened()
  await add('b', 2)
  await redis.zadd(`${keys.bullPrefix}:bulk:delayed`, 1, 'x', 2, 'y', 3, 'z')
  await drop(await look())
  expect(await look({ most: { jobs: 3 } })).toMatchObject({ kind: 'full' })
  await redis.sadd(keys.gates(lane), 'google/default')
  await redis.zadd(keys.aside(lane, 'google/default'), 1, 'x')
  expect(await look({ most: { jobs: 3 } })).toMatchObject({ kind: 'chunk' })
  // 256 jobs of it, of which these may be some.
  const ids = Array.from({ length: 157 }, (_, index) => [1, `b.${index}`]).flat()
  expect(await look({ most: { jobs: 2 } })).toMatchObject({ kind: 'full' })
  await redis.zadd(keys.aside(lane, 'google/default'), ...ids)
  await redis.zadd(`${keys.bullPrefix}:bulk:delayed`, ...ids)
  expect(await look({ most: { jobs: 2 } })).toMatchObject({ kind: 'chunk' })
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

const google = 'google/default'
const other = 'other/default'

/** A bit for each of 256 rows, set where it is to be taken. */
function bitsOf(isTaken: (place: number) => boolean): Buffer {
  const bits = Buffer.alloc(32)
  for (let place = 0; place < 256; place += 1) if (isTaken(place)) setBit(bits, place)
  return bits
}

/** Takes a part of a chunk and leaves the rest for some gates. */
async function taking() {
  const parts = await opened()
  const { redis, turns, keys } = parts
  const take = async (found: Look, isTaken: (place: number) => boolean, left: readonly string[]) => {
    if (found.kind !== 'chunk') throw new TypeError(`it was ${found.kind}`)
    const bits = bitsOf(isTaken)
    const { name, args } = turns.drop(lane, found.chunk, 0, undefined, { bits, left })
    return (redis as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>)[name]?.(...args)
  }
  const shutLook = (...shut: string[]) =>
    turns.look({ lane, token: 'one', now: 0, most, shut: new Set(shut) })
  const packed = () => redis.hmget(keys.batch('b'), 'packed').then(([count]) => Number(count))
  return { ...parts, take, shutLook, packed }
}

const isEven = (place: number) => place % 2 === 0

test('rows whose gate is shut stay in their chunk, the others go on, and they have their turn once it is open', async () => {
  const { chunks, add, take, shutLook, packed } = await taking()
  await add('b', 2)
  await take(await shutLook(google), isEven, [google])
  expect(await packed()).toBe(512 - 128)
  expect(await chunks.row('b', 0)).toBeUndefined()
  expect(await chunks.row('b', 1)).toMatchObject(['r1@example.com', null, {}])
  const second = await shutLook(google)
  expect(second).toMatchObject({ chunk: { number: 1 } })
  await take(second, isEven, [google])
  expect(await shutLook(google)).toMatchObject({ kind: 'full' })
  for (const number of [0, 1]) {
    const left = await shutLook()
    expect(left).toMatchObject({ kind: 'chunk', chunk: { number } })
    expect(await take(left, () => true, [])).toBe(1)
  }
  expect(await packed()).toBe(0)
  expect(await shutLook()).toMatchObject({ kind: 'idle' })
})

test('a chunk with rows for several gates has its turn when one of them is open, and keeps those of the others', async () => {
  const { redis, keys, add, take, shutLook } = await taking()
  await add('b', 1)
  await take(await shutLook(google, other), () => false, [google, other])
  expect(await shutLook(google, other)).toMatchObject({ kind: 'full' })
  await take(await shutLook(google), isEven, [google])
  expect(await redis.zrange(keys.batchLeft('b'), '0', '-1')).toEqual([`${google} 000000000`])
  expect(await shutLook(google)).toMatchObject({ kind: 'full' })
  expect(await shutLook(other)).toMatchObject({ chunk: { number: 0 } })
})

test('a batch of a route that is shut has no turn, and is looked into no further', async () => {
  const { redis, keys, add, shutLook } = await taking()
  await add('b', 3)
  expect(await shutLook('*/default')).toMatchObject({ kind: 'full' })
  expect(await redis.hget(keys.batch('b'), 'fresh')).toBeNull()
  expect(await shutLook('*/slow')).toMatchObject({ kind: 'chunk' })
})

test('rows that were taken out twice, or by somebody else meanwhile, are counted once', async () => {
  const { chunks, add, take, look, packed } = await taking()
  await add('b', 1)
  const found = await look()
  await take(found, isEven, [google])
  await take(found, isEven, [google])
  expect(await packed()).toBe(128)
  // Somebody who had not heard of it takes all.
  await take(found, () => true, [])
  expect(await packed()).toBe(0)
  expect(await chunks.numbers('b')).toEqual([])
})

test('a batch that is cancelled has its chunks taken away in order, also those with rows that were left', async () => {
  const { redis, keys, chunks, batches, add, take, shutLook, packed } = await taking()
  await add('b', 2)
  await take(await shutLook(google), isEven, [google])
  await createBatchControlStore(redis, keys).cancel('b', lane, { at: 1, by: 'me' })
  for (const number of [0, 1]) {
    expect(await shutLook(google)).toMatchObject({ kind: 'cancelled', number })
    await chunks.skipChunk('b', lane, number, 'cancelled')
  }
  // Those that had become jobs are settled by whoever takes them.
  expect(await batches.read('b')).toMatchObject({ total: 512, skipped: 384 })
  expect(await packed()).toBe(0)
  expect(await shutLook(google)).toMatchObject({ kind: 'idle' })
})

test('what is looked into in vain costs a turn, and however many batches wait for a gate, others have theirs', async () => {
  const { add, take, shutLook, turns, look } = await taking()
  await add('slow', 20)
  await add('quick', 20)
  const given: string[] = []
  for (let turn = 0; turn < 18; turn += 1) {
    const found = await shutLook(google)
    if (found.kind !== 'chunk') throw new TypeError(`it was ${found.kind}`)
    given.push(found.chunk.batchId)
    if (found.chunk.batchId === 'slow') await take(found, () => false, [google])
    else await turns.look({ lane, token: 'one', now: 0, most }).then((again) => take(again, () => true, []))
  }
  expect(times(given, 'quick')).toBeGreaterThan(0)
  expect(await look()).toMatchObject({ kind: 'chunk' })
})

test('a batch behind a hundred that wait for a gate has its turn', async () => {
  const { redis, keys, add, shutLook } = await taking()
  for (let index = 0; index < 100; index += 1) {
    await add(`a${index}`, 1)
    await redis.hset(keys.batch(`a${index}`), 'fresh', 1)
    await redis.zadd(keys.batchLeft(`a${index}`), 0, `${google} 000000000`)
  }
  // Of equal ones the first by name is looked at first, and this one is the last.
  await add('z', 1)
  await redis.zadd(keys.turns(lane), 5, 'z')
  expect(await shutLook(google)).toMatchObject({ kind: 'full' })
  expect(await shutLook(google)).toMatchObject({ chunk: { batchId: 'z' } })
})
