import { Redis } from 'ioredis'
import { beforeEach, expect, test } from 'vitest'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { systemClock } from '../../src/clock.js'
import { MailQueue } from '../../src/index.js'
import { openIngress } from '../../src/ingress/ingress.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { eventually } from '../helpers/eventually.js'
import { requireProgram } from '../helpers/programs.js'
import { openClient } from '../sink/clients.js'
import { greeted, handIn, letter } from './talk.js'

beforeEach((context) => {
  requireProgram(context, 'redis-server', 'valkey-server')
})

/** `look` is the ingress' own look at Redis, that else comes every few seconds. */
async function openOn(url: string) {
  const queue = new MailQueue({ redis: url })
  const lines: { level: string; message: string; error?: string }[] = []
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields })
  const logger = { debug() {}, info: at('info'), warn() {}, error: at('error') }
  const metrics = createMetrics()
  let look: () => void = () => undefined
  const every = (_ms: number, run: () => void) => {
    look = run
    return () => undefined
  }
  const ingress = await openIngress({
    queue,
    port: 0,
    logger,
    metrics,
    clock: { ...systemClock, every },
  })
  return {
    port: ingress.port,
    queue,
    look: () => look(),
    /** What was said of Redis. */
    said: () => lines.filter(({ message }) => message.startsWith('redis ')),
    up: async () => /^fluxmail_ingress_redis_up (\d)$/m.exec(await metrics.expose())?.[1],
    async [Symbol.asyncDispose]() {
      await ingress.close({ deadlineMs: 0 })
      await queue.close()
    },
  }
}

test('while Redis is away clients are told to try again, and what they repeat is taken once it is back', async () => {
  const redis = await openPrivateRedis()
  await using open = await openOn(redis.url)
  using talk = await greeted(open.port)
  expect(await handIn(talk)).toMatch(/^250 /)
  await redis.close()
  expect(await handIn(talk)).toBe('451 4.3.0 The queue cannot be reached; try again later')
  using other = await greeted(open.port)
  expect(await handIn(other)).toMatch(/^451 4\.3\.0/)
  await using back = await openPrivateRedis({ port: redis.port })
  expect(back.port).toBe(redis.port)
  // The connection of the queue comes back by itself; until then the answer is still to try again.
  let reply = ''
  for (let tries = 0; tries < 100 && !reply.startsWith('250'); tries += 1) reply = await handIn(talk)
  expect(reply).toMatch(/^250 2\.0\.0/)
  expect((await open.queue.status())[0]?.accepted).toBe(1)
}, 60_000)

test('a Redis that is not there is an error in the log, once, and a gauge', async () => {
  await using open = await openOn('redis://127.0.0.1:1')
  await eventually('it is told', async () => (await open.up()) === '0')
  using talk = await greeted(open.port)
  for (let n = 0; n < 3; n += 1) {
    expect(await handIn(talk)).toMatch(/^451 4\.3\.0/)
    open.look()
  }
  await expect(open.queue.status()).rejects.toThrow()
  expect(open.said()).toMatchObject([
    {
      level: 'error',
      message: 'redis cannot be reached; clients are told to try again',
      error: expect.stringContaining('127.0.0.1:1'),
    },
  ])
})

test('when Redis goes and when it comes back is said once each, with and without mail', async () => {
  const redis = await openPrivateRedis()
  await using open = await openOn(redis.url)
  await eventually('it is up', async () => (await open.up()) === '1')
  expect(open.said()).toEqual([])
  await redis.close()
  using talk = await greeted(open.port)
  for (let n = 0; n < 3; n += 1) expect(await handIn(talk)).toMatch(/^451/)
  await eventually('it is down', async () => (await open.up()) === '0')
  await using _back = await openPrivateRedis({ port: redis.port })
  await eventually('it is up again', async () => {
    open.look()
    return (await open.up()) === '1'
  })
  expect(open.said().map(({ level, message }) => [level, message])).toEqual([
    ['error', 'redis cannot be reached; clients are told to try again'],
    ['info', 'redis is back'],
  ])
}, 60_000)

test('while Redis is over its memory nothing is taken, and the reply says so', async () => {
  await using redis = await openPrivateRedis()
  const admin = new Redis(redis.url)
  try {
    await using open = await openOn(redis.url)
    using client = await openClient(open.port ?? 0)
    await client.send('bob@example.org', letter)
    await admin.config('SET', 'maxmemory', '1')
    await expect(client.send('bob@example.org', letter)).rejects.toMatchObject({
      responseCode: 452,
      response: '452 4.3.1 The queue has no room for the message; try again later',
    })
    await admin.config('SET', 'maxmemory', '0')
    expect((await client.send('bob@example.org', letter)).response).toMatch(/^250/)
    expect((await open.queue.status())[0]?.accepted).toBe(2)
  } finally {
    admin.disconnect()
  }
}, 60_000)

test('a process that is no ingress says nothing of its Redis, so that no alarm takes it for one that is away', async () => {
  const text = await createMetrics().expose()
  expect(text).not.toMatch(/^fluxmail_ingress_redis_up \d/m)
})
