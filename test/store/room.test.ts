import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRedis, type Redis, ready } from '../../src/redis.js'
import { createRoom } from '../../src/store/room.js'
import { type OwnRedis, openOwnRedis } from '../helpers/own-redis.js'

let own: OwnRedis
let redis: Redis

beforeAll(async () => {
  own = await openOwnRedis()
  redis = createRedis(own.url, 'producer')
  await ready(redis)
  await redis.set('junk', 'x'.repeat(30_000_000))
})
afterAll(async () => {
  redis.disconnect()
  await own[Symbol.asyncDispose]()
})

/** A room whose clock stands still until it is set. */
function roomAt(): { check(): Promise<void>; clock: { now: number } } {
  const clock = { now: 0 }
  return { ...createRoom(redis, { monotonicMs: () => clock.now }), clock }
}

async function limitTo(share: number): Promise<void> {
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
  await redis.config('SET', 'maxmemory', Math.round(used / share))
}

async function looks(): Promise<number> {
  return Number(/cmdstat_info:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1])
}

test.each([
  [0.85, 'there is room'],
  [0.95, 'queue_full'],
  [1.2, 'queue_full'],
])('with %d of its memory used: %s', async (share, expected) => {
  await limitTo(share)
  const answer = await roomAt()
    .check()
    .then(
      () => 'there is room',
      ({ code }) => code,
    )
  expect(answer).toBe(expected)
})

test('a Redis without a limit has room', async () => {
  await redis.config('SET', 'maxmemory', 0)
  await expect(roomAt().check()).resolves.toBeUndefined()
})

test('however many ask, it looks four times a second', async () => {
  await redis.config('SET', 'maxmemory', 0)
  const room = roomAt()
  const before = await looks()
  for (let ms = 0; ms < 1_000; ms += 1) {
    room.clock.now = ms
    await room.check()
  }
  // One more is the question of the test itself.
  expect((await looks()) - before).toBe(5)
})

test('where INFO is forbidden, Redis itself has to say that it is full', async () => {
  await redis.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', '-info')
  const app = createRedis(own.url.replace('//', '//app:secret@'), 'producer')
  try {
    await ready(app)
    await limitTo(0.95)
    await expect(createRoom(app, { monotonicMs: () => 0 }).check()).resolves.toBeUndefined()
  } finally {
    app.disconnect()
    await redis.config('SET', 'maxmemory', 0)
  }
})
