import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createRedis, ready, whenWritten } from '../src/redis.js'
import { openRedisServer } from './helpers/redis-server.js'

const numbers = Array.from({ length: 200 }, (_, index) => `${index}`)

test('what is asked in one turn is kept until the turn is over, and written then', async () => {
  await using server = await openRedisServer()
  const redis = createRedis(`redis://127.0.0.1:${server.port}`, 'ledger')
  await ready(redis)
  const asked = numbers.map((number) => redis.echo(number))
  expect(redis.stream.writableLength).toBeGreaterThan(numbers.length)
  expect(await Promise.all(asked)).toEqual(numbers)
  expect(redis.stream.writableLength).toBe(0)
  redis.disconnect()
})

test('a connection that is lost in the turn in which it is asked answers once it is back', async () => {
  await using server = await openRedisServer()
  const redis = createRedis(`redis://127.0.0.1:${server.port}`, 'worker')
  await ready(redis)
  const asked = numbers.map((number) => redis.echo(number))
  redis.stream.destroy()
  expect(await Promise.all(asked)).toEqual(numbers)
  expect(await redis.echo('more')).toBe('more')
  const ended = once(redis, 'end')
  redis.disconnect()
  await ended
})

test('a command that is followed by the end of its connection in one turn is written', async () => {
  await using server = await openRedisServer()
  const redis = createRedis(`redis://127.0.0.1:${server.port}`, 'worker')
  await ready(redis)
  const [set, quit] = [redis.set('key', 'value'), redis.quit()]
  expect(await Promise.all([set, quit])).toEqual(['OK', 'OK'])
})

test('who waits for the end of a turn may still ask in it, and is written with what was asked before', async () => {
  await using server = await openRedisServer()
  const redis = createRedis(`redis://127.0.0.1:${server.port}`, 'ledger')
  await ready(redis)
  const last = new Promise<[corked: number, answer: string]>((resolve, reject) => {
    whenWritten(redis, () => {
      const corked = redis.stream.writableCorked
      redis.echo('last').then((answer) => resolve([corked, answer]), reject)
    })
  })
  expect(await Promise.all([redis.echo('first'), last])).toEqual(['first', [1, 'last']])
  redis.disconnect()
})

test('who waits for the end of a turn is called before there is a connection, and when it is closed', async () => {
  await using server = await openRedisServer()
  const redis = createRedis(`redis://127.0.0.1:${server.port}`, 'ledger')
  await new Promise<void>((resolve) => whenWritten(redis, resolve))
  expect(await redis.echo('there')).toBe('there')
  const called: string[] = []
  whenWritten(redis, () => called.push('closed'))
  redis.disconnect()
  expect(called).toEqual(['closed'])
})
