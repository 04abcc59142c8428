import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, quickLanes } from '../helpers/mail-flow.js'
import { unpackRows } from '../helpers/unpacked.js'

const email = (flow: MailFlow, to: string) =>
  flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [to] })

const poison: [string, unknown][] = [
  ['whose data is of another shape', { hello: 'world' }],
  ['of an unknown version', { v: 9, c: 'x'.repeat(43), a: 'a@example.com' }],
  ['with data of the wrong types', { v: 1, c: 12, a: ['a@example.com'] }],
  ['with no data', undefined],
]

test.each(poison)('a job %s fails with its reason, and the next one is sent', async (_what, data) => {
  await using flow = await openMailFlow()
  const redis = new Redis(flow.redisUrl, { maxRetriesPerRequest: null })
  const queue = new Queue('transactional', { connection: redis, prefix: `{${flow.name}}` })
  const job = await queue.add('d', data, { jobId: 'poison' })
  await flow.work({ logLevel: 'silent' })
  await flow.queue.enqueue(email(flow, 'a@example.com'))
  await flow.sink.waitForMessages(1)
  await eventually('the job is failed', async () => (await job.getState()) === 'failed')
  expect((await queue.getJob('poison'))?.failedReason).toContain('the job is no delivery of ours')
  await queue.close()
  redis.disconnect()
})

test.each([
  ['not JSON', 'this is {not json'],
  ['the JSON of nothing', 'null'],
  ['cut short', '{"v":1,"c":"'],
])(
  'deliveries whose stored data is %s fail with their reason, are counted, and stop nothing',
  async (_what, data) => {
    await using flow = await openMailFlow()
    await using redis = openRedis(flow)
    const { deliveries } = await flow.queue.enqueue(email(flow, 'poison@example.com'))
    const content = { subject: 'Hi', text: 'Hi', sender: 'news@example.com' }
    const rows = Array.from({ length: 60 }, (_, index) => ({ to: `r${index}@example.com` }))
    const batch = await flow.queue.enqueueBatch(rows, content)
    const single = deliveries[0]?.id ?? ''
    await unpackRows(flow)
    await redis.hset(`{${flow.name}}:transactional:${single}`, 'data', data)
    // Some are fetched when the one before them is finished, and some by a worker that waits.
    for (const ordinal of [0, 30, 59])
      await redis.hset(`{${flow.name}}:bulk:${batch.id}.${ordinal}`, 'data', data)
    await flow.work({ logLevel: 'silent', concurrency: 2 })
    expect(await batch.wait({ intervalMs: 20 })).toMatchObject({
      total: 60,
      sent: 57,
      failed: 3,
      pending: 0,
      failures: { invalid_payload: 3 },
    })
    await eventually('the other is counted', async () => (await flow.queue.status())[0]?.failed === 1)
    expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, pending: 0, active: 0 })
    const job = `{${flow.name}}:bulk:${batch.id}.30`
    await eventually(
      'it is dead',
      async () => await redis.zscore(`{${flow.name}}:bulk:failed`, `${batch.id}.30`),
    )
    expect(await redis.hget(job, 'failedReason')).toContain('the job is no delivery of ours')
    await expect(flow.queue.delivery(single)).rejects.toMatchObject({ code: 'invalid_payload' })
    await expect(flow.queue.cancel(single)).rejects.toMatchObject({ code: 'invalid_payload' })
  },
)

test('a job of somebody else, which nothing had accepted, changes no count', async () => {
  await using flow = await openMailFlow()
  const redis = new Redis(flow.redisUrl, { maxRetriesPerRequest: null })
  const queue = new Queue('transactional', { connection: redis, prefix: `{${flow.name}}` })
  const job = await queue.add('d', { hello: 'world' }, { jobId: 'poison' })
  await flow.work({ logLevel: 'silent' })
  await eventually('the job is failed', async () => (await job.getState()) === 'failed')
  expect((await flow.queue.status())[0]).toMatchObject({ accepted: 0, failed: 0, pending: 0 })
  await queue.close()
  redis.disconnect()
})

test.each([
  'a@example.com\r\nRCPT TO:<b@example.com>',
  'a@example.com, b@example.com',
  'a@example.com>',
  'nobody',
])(
  'a delivery whose stored address is %j fails, and no other recipient is named to the relay',
  async (address) => {
    await using flow = await openMailFlow()
    await using redis = openRedis(flow)
    const { deliveries } = await flow.queue.enqueue(email(flow, 'a@example.com'))
    const id = deliveries[0]?.id ?? ''
    const job = `{${flow.name}}:transactional:${id}`
    const data = JSON.parse((await redis.hget(job, 'data')) ?? '')
    await redis.hset(job, 'data', JSON.stringify({ ...data, a: address }))
    await flow.work({ logLevel: 'silent' })
    await eventually('it has failed', async () => (await flow.queue.status())[0]?.failed === 1)
    expect(flow.sink.messages).toHaveLength(0)
    expect((await flow.queue.status())[0]).toMatchObject({ accepted: 1, pending: 0 })
  },
)

test('a delivery whose content is gone fails with its reason', async () => {
  await using flow = await openMailFlow()
  const redis = new Redis(flow.redisUrl)
  const { deliveries } = await flow.queue.enqueue(email(flow, 'a@example.com'))
  await redis.del(...(await redis.keys(`{${flow.name}}:v1:content:*`)))
  redis.disconnect()
  await flow.work()
  const id = deliveries[0]?.id ?? ''
  await eventually('it failed', async () => (await flow.queue.delivery(id)).state === 'failed')
  expect((await flow.queue.delivery(id)).lastReason).toContain('content_missing')
})

test('a delivery older than its lane allows fails as expired, with the last reply kept', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 120 }
  await flow.work({ lanes: { ...quickLanes, bulk: { retry, unknown: 'hold' } } })
  const content = { subject: 'Hi', text: 'Hi', sender: 'news@example.com' }
  const batch = await flow.queue.enqueueBatch([{ to: 'full-x@example.com' }], content)
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ failed: 1, failures: { expired: 1 } })
  expect(result.errors[0]?.message).toMatch(/allows 0 s; the last reason was: 452 4\.2\.2/)
})

test('a lane may limit the number of attempts', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [10], jitter: 0, maxAgeMs: 60_000, maxAttempts: 3 }
  await flow.work({ lanes: { ...quickLanes, bulk: { retry, unknown: 'hold' } } })
  const content = { subject: 'Hi', text: 'Hi', sender: 'news@example.com' }
  const batch = await flow.queue.enqueueBatch([{ to: 'full-x@example.com' }], content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ failed: 1 })
  expect(flow.sink.replies.get(452)).toBe(3)
})
