import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createRedis, keysOf, type Redis, ready } from '../../src/redis.js'
import { createReplicas } from '../../src/store/replicas.js'
import { eventually } from '../helpers/eventually.js'
import { openRedisServer, type RedisServer } from '../helpers/redis-server.js'

const keys = keysOf('fluxmail')
const key = `${keys.outcomes}:test`
let [opened, connections]: [RedisServer[], Redis[]] = [[], []]

async function open(...args: string[]): Promise<RedisServer> {
  const server = await openRedisServer({ args })
  opened.push(server)
  return server
}

async function connect({ port }: RedisServer, role: 'producer' | 'replica'): Promise<Redis> {
  const redis = createRedis(`redis://127.0.0.1:${port}`, role)
  connections.push(redis)
  await ready(redis)
  return redis
}

beforeEach(() => {
  ;[opened, connections] = [[], []]
})

afterEach(async () => {
  for (const redis of connections) redis.disconnect()
  for (const server of opened) await server[Symbol.asyncDispose]()
})

async function openPair() {
  const primary = await open()
  const replica = await open('--replicaof', `127.0.0.1 ${primary.port}`)
  const link = async () => (await replica.ask((client) => client.info())).includes('master_link_status:up')
  await eventually('the replica follows', link)
  return { primary, replica }
}

const replaced = {
  code: 'queue_unavailable',
  message: expect.stringContaining('the primary may be another one now'),
}

test('what a replica has is confirmed, for all who wait together', async () => {
  const { primary, replica } = await openPair()
  const writer = await connect(primary, 'producer')
  const replicas = createReplicas({ writer, waiter: await connect(primary, 'replica'), keys })
  const store = async (value: number) => {
    const confirm = replicas.begin()
    await writer.rpush(key, value)
    await confirm()
  }
  await Promise.all(Array.from({ length: 20 }, (_, index) => store(index)))
  expect(await replica.ask((client) => client.llen(key))).toBe(20)
})

test('a primary that its writer is not connected to confirms nothing, however many replicas it has', async () => {
  const { primary } = await openPair()
  const writer = await connect(await open(), 'producer')
  const replicas = createReplicas({ writer, waiter: await connect(primary, 'replica'), keys })
  const confirm = replicas.begin()
  await writer.rpush(key, 1)
  await expect(confirm()).rejects.toMatchObject(replaced)
})

test('what was written before the connection was lost is not confirmed after it', async () => {
  const { primary } = await openPair()
  const writer = await connect(primary, 'producer')
  const replicas = createReplicas({ writer, waiter: await connect(primary, 'replica'), keys })
  const confirm = replicas.begin()
  await writer.rpush(key, 1)
  const kill = primary.ask((client) => client.call('CLIENT', 'KILL', 'TYPE', 'normal'))
  await Promise.all([once(writer, 'close'), kill])
  await eventually('it is connected again', () => ready(writer).then(() => true))
  await expect(confirm()).rejects.toMatchObject(replaced)
})

test('a wait whose connection is lost rejects, and is not begun anew on the next one', async () => {
  const { primary, replica } = await openPair()
  const writer = await connect(primary, 'producer')
  const waiter = await connect(primary, 'replica')
  const replicas = createReplicas({ writer, waiter, keys })
  replica.freeze()
  const confirm = replicas.begin()
  await writer.rpush(key, 1)
  const confirmed = confirm()
  const isWaiting = async () => /cmd=wait/.test(String(await primary.ask((client) => client.client('LIST'))))
  await eventually('it waits', isWaiting)
  waiter.disconnect(true)
  await expect(confirmed).rejects.toThrow()
  replica.thaw()
})
