import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { openOwnRedis } from '../helpers/own-redis.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

test('a Redis that has forgotten its scripts refuses no producer, not even once, and counts each email once', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  const forget = () => redis.ask((client) => client.script('FLUSH'))
  const enqueue = (index: number, idempotencyKey?: string) => {
    const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [`e${index}@example.com`] })
    return flow.queue.enqueue(email, { idempotencyKey })
  }
  await enqueue(0)
  await forget()
  await enqueue(1, 'key')
  await forget()
  const receipts = await Promise.all([2, 3, 4, 5, 6, 7].map((index) => enqueue(index)))
  expect(receipts.every(({ repeated }) => !repeated)).toBe(true)
  await forget()
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 8, waiting: 8 })
  expect(await batch.status()).toMatchObject({ total: 600, pending: 600 })
})

test('a Redis that forgets its scripts while workers are busy costs nothing and repeats nothing', async () => {
  await using redis = await openOwnRedis()
  await using flow = await openMailFlow({}, redis.url)
  await flow.work()
  const rows = rowsTo(600, (index) => `${index % 5 === 0 ? 'defer-1-' : ''}r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rows, content)
  const forgetting = async () => {
    await redis.ask((client) => client.script('FLUSH'))
    return (await batch.status()).pending === 0
  }
  await eventually('all are sent', forgetting, { everyMs: 100, withinMs: 40_000 })
  expect(await batch.status()).toMatchObject({ sent: 600, failed: 0, unknown: 0, resent: 0 })
  expect([...flow.sink.copies().values()].filter((copies) => copies !== 1)).toEqual([])
}, 60_000)
