import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { openSlowProxy } from '../helpers/slow-proxy.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

test('a consumer that takes none of the jobs that wait is rebuilt, then not ready, and ready again when it takes one', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const rebuilt: object[] = []
  const warn = (fields: object, message: string) => {
    if (message.includes('none was taken')) rebuilt.push(fields)
  }
  // As a limit of BullMQ's for the whole queue, which gives nobody a job.
  await redis.hset(`{${flow.name}}:bulk:meta`, 'concurrency', 0)
  const worker = await flow.work({ lockMs: 1_000, logger: { debug() {}, info() {}, warn, error() {} } })
  await eventually('it is ready', () => worker.isReady)
  const batch = await flow.queue.enqueueBatch(rowsTo(50), content)
  await eventually('it is rebuilt', () => rebuilt.length === 1)
  expect(rebuilt).toEqual([{ lane: 'bulk' }])
  expect(worker.isReady).toBe(true)
  await eventually('it is not ready', () => !worker.isReady)
  expect(rebuilt.length).toBe(2)
  await redis.hdel(`{${flow.name}}:bulk:meta`, 'concurrency')
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 50, pending: 0 })
  expect(worker.isReady).toBe(true)
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
})

test('a worker with nothing to take, or with its hands full, is left alone', async () => {
  await using flow = await openMailFlow()
  const warned: string[] = []
  const warn = (_fields: object, message: string) => void warned.push(message)
  const worker = await flow.work({
    lockMs: 1_000,
    concurrency: 1,
    logger: { debug() {}, info() {}, warn, error() {} },
  })
  const rows = rowsTo(2, (index) => `slow-2.5-r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rows, content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 2 })
  expect(warned).toEqual([])
  expect(worker.isReady).toBe(true)
})

test('connections to Redis that are half open are noticed and replaced, and the work goes on', async () => {
  await using redis = await openOwnRedis()
  await using proxy = await openSlowProxy(redis.port)
  await using flow = await openMailFlow({ latencyMs: 5 }, redis.url)
  const worker = await flow.work({
    redis: `redis://127.0.0.1:${proxy.port}`,
    lockMs: 12_000,
    logLevel: 'silent',
  })
  const batch = await flow.queue.enqueueBatch(rowsTo(300), content)
  await flow.sink.waitForMessages(50)
  proxy.swallow()
  await eventually('it is not ready', () => !worker.isReady, { withinMs: 15_000 })
  await eventually('it is ready again by itself', () => worker.isReady, { withinMs: 15_000 })
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 300, unknown: 0, pending: 0 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
}, 120_000)
