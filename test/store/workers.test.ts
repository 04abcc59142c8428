import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { keysOf } from '../../src/redis.js'
import { createHeartbeat, goneMs, readWorkers } from '../../src/store/workers.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'

const facts = { lanes: ['bulk'], relays: ['main'], routes: { default: ['main'] } }
const holdings = { connections: () => new Map([['main', 3]]), stock: () => new Map([['main', 7]]) }

function open() {
  const redis = new Redis(inject('redisUrl'))
  onTestFinished(() => redis.disconnect())
  return { redis, keys: keysOf(freshName()) }
}

test('a worker says what it holds at once, and is gone as soon as it is stopped', async () => {
  const { redis, keys } = open()
  const heartbeat = createHeartbeat({ redis, keys, clock: systemClock, id: 'one', facts, holdings })
  const [worker] = await eventually('it is there', async () => {
    const there = await readWorkers(redis, keys)
    return there.length > 0 ? there : undefined
  })
  const own = { id: 'one', pid: process.pid, connections: { main: 3 }, permits: { main: 7 } }
  expect(worker).toMatchObject({ ...facts, ...own, version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
  await heartbeat.stop()
  expect(await readWorkers(redis, keys)).toEqual([])
})

test("who is gone is said by Redis' clock: a worker whose clock is an hour behind is there", async () => {
  const { redis, keys } = open()
  const behind = { ...systemClock, now: () => systemClock.now() - 3_600_000 }
  const heartbeat = createHeartbeat({ redis, keys, clock: behind, id: 'behind', facts, holdings })
  onTestFinished(() => heartbeat.stop())
  await eventually('it is there', async () => (await readWorkers(redis, keys)).length === 1)
})

test('one that was silent for six seconds is forgotten, and so is what nobody can read', async () => {
  const { redis, keys } = open()
  const [seconds] = await redis.time()
  const said = (ago: number) => `${Number(seconds) * 1000 - ago} ${JSON.stringify({ id: 'x', startedAt: 0 })}`
  await redis.hset(keys.workers, { gone: said(goneMs + 1_000), there: said(0), older: '{"seenAt":1}' })
  expect(await readWorkers(redis, keys)).toHaveLength(1)
  expect(await redis.hkeys(keys.workers)).toEqual(['there'])
})
