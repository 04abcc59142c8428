import { Redis } from 'ioredis'
import { beforeEach, expect, test } from 'vitest'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { MailQueue } from '../../src/index.js'
import { openIngress } from '../../src/ingress/ingress.js'
import { requireProgram } from '../helpers/programs.js'
import { openClient } from '../sink/clients.js'
import { greeted, handIn, letter } from './talk.js'

beforeEach((context) => {
  requireProgram(context, 'redis-server', 'valkey-server')
})

async function openOn(url: string) {
  const queue = new MailQueue({ redis: url })
  const logger = { debug() {}, info() {}, warn() {}, error() {} }
  const ingress = await openIngress({ queue, port: 0, logger })
  return {
    port: ingress.port,
    queue,
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
