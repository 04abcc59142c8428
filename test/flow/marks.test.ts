import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const kinds = ['', 'reject-', 'defer-1-', 'lost-', '', '', '', '', '', '']
const hour = 3600

/** What the ledger remembers, by delivery: for how many seconds. */
async function remembered(flow: MailFlow): Promise<Map<string, number>> {
  await using redis = openRedis(flow)
  const prefix = `{${flow.name}}:v1:mark:`
  const marks = await redis.keys(`${prefix}*`)
  const lives = await Promise.all(marks.map((mark) => redis.ttl(mark)))
  return new Map(marks.map((mark, index) => [mark.slice(prefix.length), lives[index] ?? -1]))
}

test('of a thousand settled deliveries the ledger remembers those that may still be answered, and no other', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const rows = Array.from({ length: 1_000 }, (_, index) => ({
    to: `${kinds[index % 10]}r${index}@example.com`,
  }))
  const batch = await flow.queue.enqueueBatch(rows, content)
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 800, failed: 100, unknown: 100 })
  await eventually('the rest is forgotten', async () => (await remembered(flow)).size === 100)
  const month = 28 * 24 * hour
  await eventually('they are as old as their jobs at the most', async () =>
    [...(await remembered(flow)).values()].every((life) => life > 0 && life <= month),
  )
  await using redis = openRedis(flow)
  const unknown = await redis.zrange(`{${flow.name}}:bulk:failed`, '0', '-1')
  expect([...(await remembered(flow)).keys()].every((id) => unknown.includes(id))).toBe(true)
}, 60_000)

test('of emails nothing is remembered, and of those with an idempotency key for an hour in which their caller may come again', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const to = (index: number) =>
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [`r${index}@example.com`] })
  const keyed: string[] = []
  for (let index = 0; index < 100; index += 1) {
    const options = index % 2 ? { idempotencyKey: `k${index}` } : {}
    const { deliveries } = await flow.queue.enqueue(to(index), options)
    if (index % 2) keyed.push(deliveries[0]?.id ?? '')
  }
  await eventually('all are sent', async () => (await flow.queue.status())[0]?.sent === 100)
  await eventually('the rest is forgotten', async () => (await remembered(flow)).size === 50)
  expect([...(await remembered(flow)).keys()].sort()).toEqual(keyed.sort())
  await eventually('they go within the hour', async () =>
    [...(await remembered(flow)).values()].every((life) => life > 0 && life <= hour),
  )
})

test('a delivery whose workers died a hundred times waits with its reason, and is sent in the end', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] })
  const { deliveries } = await flow.queue.enqueue(email)
  const id = deliveries[0]?.id ?? ''
  await redis.hset(`{${flow.name}}:transactional:${id}`, 'stc', '100')
  await flow.work()
  await eventually('it waits', async () => (await flow.queue.delivery(id)).state === 'held')
  expect((await flow.queue.delivery(id)).lastReason).toMatch(/died 100 times/)
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, failed: 0, pending: 1 })
  // Its time has come.
  await redis.zadd(`{${flow.name}}:transactional:delayed`, 'XX', 1, id)
  await redis.zadd(`{${flow.name}}:transactional:marker`, 0, '0')
  await eventually('it is sent', async () => (await flow.queue.status())[0]?.sent === 1)
})
