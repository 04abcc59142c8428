import { Queue, Worker } from 'bullmq'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createLaneQueues } from '../../src/queue/lane-queues.js'
import { type Payload, payloadOf } from '../../src/queue/payload.js'
import { createRedis, keysOf } from '../../src/redis.js'
import { createAsideStore, type SettingAside } from '../../src/store/aside.js'
import { freshName } from '../helpers/fresh-name.js'

const lane = 'bulk'
const google = 'google/default'
const contentHash = '0'.repeat(64)

async function opened() {
  const redis = createRedis(inject('redisUrl'), 'worker')
  const keys = keysOf(freshName())
  const queues = createLaneQueues(redis, keys, [lane])
  const queue = new Queue(lane, { connection: redis, prefix: keys.bullPrefix })
  onTestFinished(async () => {
    await Promise.all([queues.close(), queue.close()])
    redis.disconnect()
  })
  const store = createAsideStore(redis, keys)
  const add = (provider: string, ids: readonly string[], more: Partial<Payload> = {}, route?: string) => {
    const recipient = { address: `${provider}@example.com` }
    const payload = {
      ...payloadOf({ contentHash, recipient, route, variables: { s: 1, w: 'own' } }),
      ...more,
    }
    return queues.add(
      lane,
      ids.map((id) => ({ id, payload, provider, delayMs: 0 })),
    )
  }
  const now = Date.now()
  const setAside = (options: Partial<SettingAside> = {}) =>
    store.setAside(lane, {
      ...{ now, gate: google, perSecond: 1, why: 'throttled it is slow', taken: [], others: [] },
      ...options,
    })
  const dues = () => redis.zrange(keys.aside(lane, google), '0', '-1', 'WITHSCORES').then(pairs)
  /** Ids in the order in which they are taken. */
  const waiting = async () => (await redis.lrange(queue.toKey('wait'), 0, -1)).reverse()
  const job = async (id: string) => {
    const found = await queue.getJob(id)
    if (!found) throw new TypeError(`there is no job ${id}`)
    return found
  }
  return { redis, keys, queue, store, add, now, setAside, dues, waiting, job }
}

function pairs(flat: readonly string[]) {
  const entries = flat.flatMap((id, index) => (index % 2 === 0 ? [[id, Number(flat[index + 1])]] : []))
  return new Map(entries as [string, number][])
}

const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}.${index}`)

test('jobs of a gate get appointments as fast as they pass, after those that were taken, and the others stay in line', async () => {
  const { add, setAside, waiting, dues, now, job, queue } = await opened()
  await add('google', ['a.0'])
  await add('yahoo', ['b.0'])
  await add('google', ['a.1'])
  await add('yahoo', ['b.1', 'b.2'])
  await add('google', ['a.2'])
  const answer = await setAside({ taken: ['t.0', 't.1'] })
  expect(answer).toEqual({ dues: [now + 2_000, now + 3_000], count: 3, hasMore: false })
  expect(await waiting()).toEqual(['b.0', 'b.1', 'b.2'])
  expect([...(await dues())]).toEqual([
    ...[['t.0', now + 2_000] as const, ['t.1', now + 3_000] as const],
    ...[4, 5, 6].map((second, index) => [`a.${index}`, now + second * 1_000]),
  ])
  expect(await (await job('a.1')).getState()).toBe('delayed')
  expect(await queue.getJobCounts('waiting', 'delayed')).toEqual({ waiting: 3, delayed: 3 })
  const { timestamp, delay } = await job('a.1')
  expect(timestamp + delay).toBe(now + 5_000)
  // Those who come later go on where these end.
  expect(await setAside({ taken: ['t.2'] })).toEqual({ dues: [now + 7_000], count: 0, hasMore: false })
})

test('nobody’s appointment is later than half a minute, and who would get a later one comes within as long again', async () => {
  const { add, setAside, dues, now } = await opened()
  await add('google', numbered('a', 120))
  expect((await setAside()).count).toBe(120)
  const seconds = [...(await dues()).values()].map((due) => (due - now) / 1_000)
  expect(seconds.slice(0, 29)).toEqual(Array.from({ length: 29 }, (_, index) => index + 2))
  const far = seconds.slice(29)
  expect(Math.min(...far)).toBeGreaterThan(30)
  expect(Math.max(...far)).toBeLessThanOrEqual(60.001)
  for (const from of [30, 40, 50]) {
    expect(far.filter((at) => at > from && at <= from + 10).length).toBeGreaterThan(25)
  }
})

test('no more than 500 are set aside at once, those who would be taken next', async () => {
  const { add, setAside, waiting } = await opened()
  await add('google', numbered('a', 700))
  expect(await setAside()).toEqual({ dues: [], count: 500, hasMore: true })
  expect((await waiting())[0]).toBe('a.500')
})

test('a gate without a provider is that of all on its route', async () => {
  const { add, setAside, waiting } = await opened()
  await add('google', ['a.0'], {}, 'slow')
  await add('yahoo', ['a.1'], {}, 'slow')
  await add('google', ['a.2'])
  expect((await setAside({ gate: '*/slow' })).count).toBe(2)
  expect(await waiting()).toEqual(['a.2'])
})

test('a job that was set aside says why and since when, keeps all else, and grows no longer by being set aside again', async () => {
  const { redis, queue, store, add, setAside, job, now } = await opened()
  await add('google', ['a.0'])
  await add('google', ['a.1'], { f: 5, s: 77, h: 3 })
  const before = (await job('a.0')).data as Payload
  await setAside()
  expect((await job('a.0')).data).toEqual({ ...before, s: now, w: 'throttled it is slow' })
  // It had an attempt: the time since its retry was due was no age, and stays none.
  expect((await job('a.1')).data).toMatchObject({ f: 5, s: 77, h: 3, w: 'throttled it is slow' })
  const length = async () => (await redis.hget(queue.toKey('a.0'), 'data'))?.length
  const once = await length()
  for (const why of ['throttled it is slow', 'throttled it is even slower', 'throttled it is slow']) {
    await store.callBack(lane, google, now, 10)
    await setAside({ why })
  }
  expect(await length()).toBe(once)
  expect((await job('a.0')).data).toMatchObject({ s: now, d: { s: 1, w: 'own' } })
})

test('what BullMQ does with delayed jobs it does with those that were set aside', async () => {
  const { redis, queue, add, setAside, job, now } = await opened()
  await add('google', ['a.0', 'a.1', 'a.2'])
  // So long ago that the first is due.
  await setAside({ now: now - 2_500 })
  await (await job('a.2')).promote()
  expect(await (await job('a.2')).getState()).toBe('waiting')
  await (await job('a.1')).remove()
  expect(await queue.getJob('a.1')).toBeUndefined()
  const taken: string[] = []
  const connection = redis.duplicate()
  const worker = new Worker(lane, async ({ id }) => void taken.push(id ?? ''), {
    connection,
    prefix: queue.opts.prefix ?? '',
  })
  await new Promise<void>((resolve) => {
    worker.on('completed', () => taken.length === 2 && resolve())
  })
  expect(taken.sort()).toEqual(['a.0', 'a.2'])
  await worker.close()
  connection.disconnect()
})

test('a sleeping worker wakes up for the first appointment', async () => {
  const { redis, queue, add, setAside, now } = await opened()
  await add('google', ['a.0'])
  await redis.del(queue.toKey('marker'))
  await setAside({ perSecond: 20 })
  expect(Number(await redis.zscore(queue.toKey('marker'), '1'))).toBeCloseTo(now + 1_050, 0)
})

test('who is called back waits in front, in order; who has moved on is left where it is', async () => {
  const { redis, queue, store, add, setAside, waiting, job, now, dues } = await opened()
  await add('google', numbered('a', 6))
  await add('yahoo', ['b.0'])
  await setAside()
  await (await job('a.0')).promote()
  // It was tried meanwhile, and is to be tried again at another time.
  await redis.zadd(queue.toKey('delayed'), (now + 90_000) * 4_096, 'a.1')
  expect(await store.callBack(lane, google, now, 4)).toBe(2)
  expect(await waiting()).toEqual(['a.2', 'a.3', 'b.0', 'a.0'])
  expect(await (await job('a.1')).getState()).toBe('delayed')
  expect((await job('a.2')).delay).toBe(0)
  expect([...(await dues()).keys()]).toEqual(['a.4', 'a.5'])
  expect(await store.callBack(lane, google, now, Number.POSITIVE_INFINITY)).toBe(2)
})

test('a gate is counted by those who are still set aside at it, and forgotten with the last of them', async () => {
  const { store, add, setAside, job, now } = await opened()
  await add('google', numbered('a', 4))
  await setAside()
  const counts = (at = now, checked = 100) => store.counts(lane, at, checked)
  expect(await counts()).toEqual(new Map([[google, 4]]))
  await (await job('a.1')).promote()
  expect(await counts(now, 0)).toEqual(new Map([[google, 4]]))
  expect(await counts()).toEqual(new Map([[google, 3]]))
  expect(await counts(now + 4_000)).toEqual(new Map([[google, 1]]))
  expect(await counts(now + 5_000)).toEqual(new Map([[google, 0]]))
  expect(await counts(now)).toEqual(new Map())
})

test('jobs that belong to them under another name are set aside by their ids and named anew', async () => {
  const { store, add, setAside, waiting, job } = await opened()
  await add('other', ['a.0', 'a.1', 'a.2'])
  expect([...(await store.named(lane, 'other/default')).keys()].sort()).toEqual(['a.0', 'a.1', 'a.2'])
  expect((await setAside({ others: ['a.1'] })).count).toBe(1)
  expect((await job('a.1')).name).toBe(google)
  expect(await waiting()).toEqual(['a.0', 'a.2'])
})

test('a job that cannot be read is set aside as it is, and keeps nobody from it', async () => {
  const { redis, queue, add, setAside, waiting } = await opened()
  await add('google', ['a.0', 'a.1', 'a.2'])
  const spoilt = '{"c":"s":1}'
  await redis.hset(queue.toKey('a.1'), 'data', spoilt)
  expect((await setAside()).count).toBe(3)
  expect(await waiting()).toEqual([])
  expect(await redis.hget(queue.toKey('a.1'), 'data')).toBe(spoilt)
})

test('what is noted of them goes by itself where nobody works any more, after the last appointment', async () => {
  const { redis, keys, add, setAside } = await opened()
  await setAside({ taken: ['t.0'] })
  const left = () => Promise.all([keys.gates(lane), keys.aside(lane, google)].map((key) => redis.ttl(key)))
  for (const seconds of await left()) expect(seconds).toBeGreaterThan(3_600)
  await redis.del(keys.aside(lane, google))
  await add('google', ['a.0'])
  await setAside()
  for (const seconds of await left()) expect(seconds).toBeGreaterThan(3_600)
})
