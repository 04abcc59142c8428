import { expect, inject, onTestFinished, test } from 'vitest'
import { createRedis, keysOf, type ScriptCall } from '../../src/redis.js'
import { createBatchStore } from '../../src/store/batches.js'
import { createContentStore } from '../../src/store/contents.js'
import { createLedger } from '../../src/store/ledger.js'
import { createReceiptStore } from '../../src/store/receipts.js'
import { createRetentionStore } from '../../src/store/retention.js'
import { freshName } from '../helpers/fresh-name.js'

const importer = { token: 'me', lifeMs: 60_000 }
const bundle = {
  hash: 'h',
  content: { subject: 'Hi' } as never,
  files: [{ hash: 'f', content: Buffer.from('file') }],
}

async function opened() {
  const redis = createRedis(inject('redisUrl'), 'worker')
  onTestFinished(() => redis.disconnect())
  const keys = keysOf(freshName())
  const contents = createContentStore(redis, keys)
  const receipts = createReceiptStore(redis, keys)
  const ledger = createLedger(redis, keys)
  const lives = () => Promise.all([redis.ttl(keys.content('h')), redis.ttl(keys.file('f'))])
  const call = ({ name, args }: ScriptCall) =>
    (redis as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>)[name]?.(...args)
  /** What enqueueing an email of these deliveries ends with, its jobs being there. */
  const commit = async (digest: string, ...ids: string[]) => {
    for (const id of ids) await redis.hset(`${keys.bullPrefix}:lane:${id}`, 'timestamp', 1)
    const deliveries = ids.map((id) => ({ id, recipient: 'a@example.com' }))
    const receipt = { fingerprint: '', messageId: '<m@x>', deliveries }
    const witness = `${keys.bullPrefix}:lane:${ids[0]}`
    await call(receipts.commit({ digest, receipt, ttlSeconds: 60, lane: 'lane', contentHash: 'h', witness }))
  }
  const settle = (id: string, outcome: 'sent' | 'failed' | 'unknown', token = '') =>
    ledger.record({ id, lane: 'lane', contentHash: 'h' }, { outcome, token })
  /** What retention does with a finished job. */
  const drop = async (id: string, set: 'completed' | 'failed') => {
    await redis.zadd(`${keys.bullPrefix}:lane:${set}`, 1, id)
    const entry = { id, lane: 'lane', contentHash: 'h' }
    return createRetentionStore(redis, keys).dropJob({ entry, set, isOpen: false, files: [] }, 1)
  }
  return { redis, keys, contents, commit, settle, drop, lives, batches: createBatchStore(redis, keys) }
}

const gone = [-2, -2]
const forGood = [-1, -1]

test('a content that nobody holds is gone after an hour, and the time begins anew for each caller', async () => {
  const { redis, keys, contents, lives } = await opened()
  await contents.put(bundle)
  for (const life of await lives()) expect(life).toBeGreaterThan(3_500)
  for (const life of await lives()) expect(life).toBeLessThanOrEqual(3_600)
  await redis.expire(keys.content('h'), 5)
  await contents.put(bundle)
  expect((await lives())[0]).toBeGreaterThan(3_500)
})

test('a content lives for as long as one delivery is pending or failed, however often its end is told', async () => {
  const { contents, commit, settle, lives } = await opened()
  await contents.put(bundle)
  await commit('d', 'e.0', 'e.1', 'e.2')
  await commit('d', 'e.0', 'e.1', 'e.2')
  expect(await lives()).toEqual(forGood)
  await settle('e.0', 'sent')
  await settle('e.0', 'sent')
  await settle('e.1', 'failed')
  expect(await lives()).toEqual(forGood)
  await settle('e.2', 'sent')
  expect(await lives()).toEqual(forGood)
})

test('with its last delivery a content is gone at once, and an unknown that is sent after all lets go of it once', async () => {
  const { contents, commit, settle, lives } = await opened()
  await contents.put(bundle)
  await commit('d', 'e.0', 'e.1')
  await settle('e.0', 'unknown', 't')
  await settle('e.0', 'sent', 't')
  expect(await lives()).toEqual(forGood)
  await settle('e.1', 'sent')
  expect(await lives()).toEqual(gone)
})

test('a caller in the middle of enqueueing keeps a content that others have done with', async () => {
  const { contents, commit, settle, lives, redis, keys } = await opened()
  await contents.put(bundle)
  await commit('d', 'e.0')
  await contents.put(bundle)
  expect(await lives()).toEqual(forGood)
  await settle('e.0', 'sent')
  for (const life of await lives()) expect(life).toBeGreaterThan(3_500)
  await commit('other', 'f.0')
  expect(await lives()).toEqual(forGood)
  await settle('f.0', 'sent')
  expect(await lives()).toEqual(gone)
  // One who died in the middle of it, an hour ago.
  await contents.put(bundle)
  await redis.hset(keys.content('h'), 'until', 1)
  await redis.hset(keys.file('f'), 'until', 1)
  await contents.put(bundle)
  await commit('third', 'g.0')
  await settle('g.0', 'sent')
  expect(await lives()).toEqual(gone)
})

test('one batch and one email of the same content let go of it one after the other', async () => {
  const { contents, commit, settle, lives, batches } = await opened()
  await contents.put(bundle)
  const batch = { fingerprint: 'f', lane: 'bulk', contentHash: 'h', createdAt: 5 }
  for (const id of ['b', 'b']) await batches.open(id, batch, importer)
  await contents.put(bundle)
  await commit('d', 'e.0')
  await settle('e.0', 'sent')
  expect(await lives()).toEqual(forGood)
})

test('what the version before this one has stored lives on as it counted it', async () => {
  const { redis, keys, contents, settle, lives } = await opened()
  await redis.hset(keys.content('h'), { json: '{}', files: 'f', refs: 2 })
  await redis.hset(keys.file('f'), { bytes: 'file', refs: 1 })
  for (const key of [keys.content('h'), keys.file('f')]) await redis.expire(key, 60)
  for (const id of ['e.0', 'e.1']) await redis.hset(`${keys.bullPrefix}:lane:${id}`, 'timestamp', 1)
  expect(await contents.get('h')).toBe('{}')
  for (const life of await lives()) expect(life).toBeGreaterThan(29 * 24 * 3600)
  await settle('e.0', 'sent')
  expect((await lives())[0]).toBeGreaterThan(0)
  await settle('e.1', 'sent')
  expect(await lives()).toEqual(gone)
})

test('a reference of the version before this one is let go of once, also where the job is removed later', async () => {
  const { redis, keys, settle, drop, lives } = await opened()
  await redis.hset(keys.content('h'), { json: '{}', files: 'f', refs: 4 })
  await redis.hset(keys.file('f'), { bytes: 'file', refs: 1 })
  const ids = ['e.0', 'e.1', 'e.2', 'e.3']
  for (const id of ids) await redis.hset(`${keys.bullPrefix}:lane:${id}`, 'timestamp', 1)
  await settle('e.0', 'sent')
  expect(await drop('e.0', 'completed')).toBe(true)
  await settle('e.1', 'unknown', 'token')
  await settle('e.1', 'sent', 'token')
  expect(await drop('e.1', 'failed')).toBe(true)
  await settle('e.2', 'failed')
  expect(await drop('e.2', 'failed')).toBe(true)
  expect(await redis.hget(keys.content('h'), 'refs')).toBe('1')
  await settle('e.3', 'sent')
  expect(await lives()).toEqual(gone)
})
