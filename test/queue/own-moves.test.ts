// What our own scripts do to BullMQ's keys is what the installed BullMQ does to them. A new BullMQ that differs fails here.

import { type Job, Queue, Worker } from 'bullmq'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { createFinish } from '../../src/queue/finish-jobs.js'
import { TRIM_AT_ONCE } from '../../src/queue/finish-script.js'
import { createLaneQueues, type NewJob } from '../../src/queue/lane-queues.js'
import { createRedis, disconnect, keysOf } from '../../src/redis.js'
import { freshName } from '../helpers/fresh-name.js'

const LOCK_MS = 30_000
const TOKEN = 'token'
const KEPT = 10
let redis: Redis
const closers: (() => Promise<unknown>)[] = []

beforeAll(() => {
  redis = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null })
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => redis.disconnect())

/** A lane with a worker that fetches and finishes only when told; `own` by our scripts, else by BullMQ's alone. */
async function openLane(own: boolean) {
  const name = freshName()
  const ours = createRedis(inject('redisUrl'), 'worker', { name })
  const prefix = keysOf(name).bullPrefix
  const lanes = createLaneQueues(ours, keysOf(name), ['bulk'])
  const queue = new Queue('bulk', { connection: redis, prefix, streams: { events: { maxLen: 100 } } })
  const worker = new Worker('bulk', null, {
    ...{ connection: redis, prefix, lockDuration: LOCK_MS, removeOnComplete: { count: KEPT } },
    autorun: false,
  })
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  if (own) {
    const terms = { redis: ours, lockMs: LOCK_MS, kept: KEPT, clock: systemClock }
    worker.backend.moveToCompleted = createFinish({ ...terms, backend: worker.backend })
  }
  closers.push(async () => {
    await Promise.all([worker.close(true), queue.close(), lanes.close()])
    disconnect(ours)
  })
  const add = async (jobs: readonly NewJob[]) => {
    if (own) return lanes.add('bulk', jobs)
    const options = { attempts: 100_000, backoff: { type: 'lane' } }
    await queue.addBulk(
      jobs.map(({ id: jobId, delayMs: delay, enqueuedAt: timestamp, payload: data }) => ({
        ...{ name: 'other/default', data },
        opts: { ...options, jobId, delay, ...(timestamp === undefined ? {} : { timestamp }) },
      })),
    )
  }
  const dump = () => dumpOf(`${prefix}:bulk:`)
  const take = async () => (await worker.getNextJob(TOKEN, { block: false })) as Job | undefined
  return { queue, worker, add, take, dump, key: (part: string) => `${prefix}:bulk:${part}` }
}

const times = new Set(['finishedOn', 'processedOn', 'timestamp'])
/** What a job's options say that its key and its other fields say as well. */
const repeated = new Set(['jobId', 'timestamp'])

/** All that stands under a prefix but events, times left out. */
async function dumpOf(prefix: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const key of (await redis.keys(`${prefix}*`)).sort()) {
    const part = key.slice(prefix.length)
    if (part !== 'events') found[part] = await contentsOf(key)
  }
  return found
}

async function contentsOf(key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'string') return redis.get(key)
  if (type === 'list') return redis.lrange(key, 0, -1)
  if (type === 'set') return (await redis.smembers(key)).sort()
  if (type === 'zset') return redis.zrange(key, 0, '-1')
  const fields = Object.entries(await redis.hgetall(key)).filter(([field]) => !times.has(field))
  return Object.fromEntries(
    fields.map(([field, value]) => [field, field === 'opts' ? optionsOf(value) : value]),
  )
}

function optionsOf(text: string): unknown {
  const options = Object.entries(JSON.parse(text) as object)
  return Object.fromEntries(options.filter(([field, value]) => !repeated.has(field) && value !== 0))
}

const jobs = (count: number, delayMs = 0): NewJob[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `batch.${delayMs}.${index}`,
    payload: { v: 2, c: 'c', a: `${index}@example.com` },
    ...{ provider: 'other', delayMs, enqueuedAt: 1_700_000_000_000 },
  }))

test('jobs are added as BullMQ adds them, whatever is in them', async () => {
  const [own, stock] = await Promise.all([openLane(true), openLane(false)])
  const added = fc.array(
    fc.record({
      id: fc.stringMatching(/^[a-z]\.[0-9]{1,2}$/),
      text: fc.string({ unit: 'binary' }),
      delayMs: fc.constantFrom(0, 0, 3_600_000),
      enqueuedAt: fc.integer({ min: 1, max: 2_000_000_000_000 }),
    }),
    { minLength: 1, maxLength: 20 },
  )
  const rule = fc.asyncProperty(added, async (rows) => {
    const wanted = rows.map(({ id, text, delayMs, enqueuedAt }) => ({
      ...{ id, delayMs, enqueuedAt, provider: 'other' },
      payload: { v: 2 as const, c: 'c', a: 'a@example.com', d: { text } },
    }))
    // Delayed ones come last with us, which no worker can tell.
    const sorted = wanted.toSorted((one, other) => one.delayMs - other.delayMs)
    await own.add(sorted)
    await stock.add(sorted)
    expect(await own.dump()).toEqual(await stock.dump())
  })
  await fc.assert(rule, { numRuns: 40 })
})

test('more jobs than one call takes are all added, in their order', async () => {
  const own = await openLane(true)
  await own.add(jobs(2_500))
  const waiting = await redis.lrange(own.key('wait'), 0, -1)
  expect(waiting.reverse()).toEqual(jobs(2_500).map(({ id }) => id))
})

test('a job is finished, and the next one taken, as BullMQ does it', async () => {
  const lanes = await Promise.all([openLane(true), openLane(false)])
  for (const lane of lanes) {
    await lane.add(jobs(3))
    const [first, second] = [await lane.take(), await lane.take()]
    const next = await first?.moveToCompleted({ sent: 'yes' }, TOKEN, true)
    expect(next).toMatchObject([{ name: 'other/default' }, 'batch.0.2', 0, 0])
    await second?.moveToCompleted(undefined, TOKEN, false)
  }
  const [own, stock] = await Promise.all(lanes.map((lane) => lane.dump()))
  expect(own).toEqual(stock)
  expect(Object.keys(own ?? {})).toContain('batch.0.2:lock')
})

test('many that end at once are finished in one call, each with a next one of its own', async () => {
  const lane = await openLane(true)
  await lane.add(jobs(40))
  const taken = await Promise.all(Array.from({ length: 20 }, () => lane.take()))
  const next = await Promise.all(taken.map((job) => job?.moveToCompleted(1, TOKEN, true)))
  expect(new Set(next.map((answer) => (answer as unknown[])[1])).size).toBe(20)
  expect(await lane.queue.getJobCounts('active', 'waiting', 'completed')).toMatchObject({
    ...{ active: 20, waiting: 0 },
  })
})

test.each(['missing lock', "another's lock", 'no job', 'not active'])(
  'with %s it is refused as BullMQ refuses it, and those beside it are finished',
  async (fault) => {
    const refusals: string[] = []
    for (const lane of [await openLane(true), await openLane(false)]) {
      await lane.add(jobs(2))
      const [bad, good] = [await lane.take(), await lane.take()]
      const key = lane.key(bad?.id ?? '')
      if (fault === 'missing lock') await redis.del(`${key}:lock`)
      if (fault === "another's lock") await redis.set(`${key}:lock`, 'other')
      if (fault === 'no job') await redis.del(key)
      if (fault === 'not active') await redis.lrem(lane.key('active'), 0, bad?.id ?? '')
      const [refused] = await Promise.allSettled([
        bad?.moveToCompleted(1, TOKEN, false),
        good?.moveToCompleted(1, TOKEN, false),
      ])
      refusals.push(String(refused.status === 'rejected' && refused.reason))
      expect(await good?.getState()).toBe('completed')
    }
    expect(refusals[0]).toBe(refusals[1])
    expect(refusals[0]).toMatch(/moveToFinished/)
  },
)

test('a key that holds something else harms no other job', async () => {
  const lane = await openLane(true)
  await lane.add(jobs(2))
  const [bad, good] = [await lane.take(), await lane.take()]
  await redis.set(lane.key(bad?.id ?? ''), 'no job')
  const ended = await Promise.allSettled([
    bad?.moveToCompleted(1, TOKEN, false),
    good?.moveToCompleted(1, TOKEN, false),
  ])
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  expect(await good?.getState()).toBe('completed')
})

/** What was delayed by a millisecond is due. */
async function comesDue(): Promise<void> {
  const until = systemClock.now() + 5
  while (systemClock.now() < until) await redis.ping()
}

test('jobs whose time has come are taken in their turn, as BullMQ does it', async () => {
  const lanes = await Promise.all([openLane(true), openLane(false)])
  for (const lane of lanes) {
    await lane.add(jobs(2))
    await lane.queue.add('x', {}, { jobId: 'due', delay: 1 })
    const first = await lane.take()
    await comesDue()
    const second = (await first?.moveToCompleted(1, TOKEN, true)) as unknown[]
    expect(second[1]).toBe('batch.0.1')
    const third = await lane.take()
    expect(third?.id).toBe('due')
  }
  const [own, stock] = await Promise.all(lanes.map((lane) => lane.dump()))
  expect(own).toEqual(stock)
})

test.each([
  ['the lane is paused', (queue: Queue) => queue.pause()],
  [
    'a delayed job with a priority is due',
    (queue: Queue) => queue.add('x', {}, { jobId: 'due', delay: 1, priority: 1 }),
  ],
  ['the lane has a limit of its own', (queue: Queue) => queue.setGlobalConcurrency(1)],
])('where %s the next job is left for BullMQ to take', async (_, arrange) => {
  const lane = await openLane(true)
  await lane.add(jobs(2))
  const first = await lane.take()
  await arrange(lane.queue)
  await comesDue()
  expect(await first?.moveToCompleted(1, TOKEN, true)).toBeUndefined()
  expect(await first?.getState()).toBe('completed')
  expect(await redis.llen(lane.key('active'))).toBe(0)
})

test('of finished jobs the newest stay, and old ones go together', async () => {
  const lane = await openLane(true)
  const count = KEPT + TRIM_AT_ONCE + 5
  await lane.add(jobs(count))
  for (let job = await lane.take(); job; job = await lane.take()) await job.moveToCompleted(1, TOKEN, false)
  const kept = await redis.zrange(lane.key('completed'), 0, '-1')
  expect(kept).toHaveLength(KEPT + 5)
  expect(kept.at(-1)).toBe(`batch.0.${count - 1}`)
  const hashes = (await redis.keys(lane.key('batch.*'))).length
  expect(hashes).toBe(kept.length)
})

test('the events that BullMQ writes for jobs that it takes itself stay few', async () => {
  const lane = await openLane(true)
  await lane.add(jobs(500))
  for (let job = await lane.take(); job; job = await lane.take()) await job.moveToCompleted(1, TOKEN, false)
  const written = await redis.xlen(lane.key('events'))
  expect(written).toBeGreaterThan(0)
  expect(written).toBeLessThan(250)
})

test.each([
  ['paused', '1'],
  ['concurrency', '0'],
])('jobs of a lane with %s %s wake nobody, as with BullMQ', async (field, value) => {
  for (const lane of [await openLane(true), await openLane(false)]) {
    await redis.hset(lane.key('meta'), field, value)
    await lane.add(jobs(2))
    expect(await redis.exists(lane.key('marker'))).toBe(0)
    expect(await redis.llen(lane.key('wait'))).toBe(2)
  }
})
