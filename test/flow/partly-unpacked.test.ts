import { expect, test } from 'vitest'
import type { Batch } from '../../src/index.js'
import { type Keys, keysOf } from '../../src/redis.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const TOTAL = 1_200
const QUICK = TOTAL / 4
const lane = 'bulk'
const gate = 'google/default'

type Look = ReturnType<typeof openRedis>

const received = (flow: MailFlow, domain: string) =>
  flow.sink.messages.filter(({ to }) => to[0]?.endsWith(domain)).length

/** Three of four rows for a provider at 1 a second: the others are sent, and most of these wait in their chunks. */
async function workOnPart(flow: MailFlow, redis: Look, keys: Keys, batchId = 'part'): Promise<Batch> {
  const rows = rowsTo(TOTAL, (index) => `r${index}@${index % 4 === 0 ? 'example.com' : 'gmail.com'}`)
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId })
  await flow.work({
    relays: {
      main: { host: '127.0.0.1', port: flow.sink.smtpPort, providers: { google: { ratePerSecond: 1 } } },
    },
  })
  await eventually('the others are there', () => received(flow, '@example.com') === QUICK, {
    withinMs: 30_000,
  })
  await eventually('some are set aside', async () => (await redis.zcard(keys.aside(lane, gate))) >= 200)
  await eventually('rows are left', async () => (await redis.zcard(keys.batchLeft(batchId))) > 0)
  expect(Number(await redis.hget(keys.batch(batchId), 'packed'))).toBeGreaterThan(QUICK)
  return batch
}

const jobsOf = async (flow: MailFlow, redis: Look) => {
  const [wait = 0, delayed = 0, active = 0] = await Promise.all([
    redis.llen(`{${flow.name}}:${lane}:wait`),
    redis.zcard(`{${flow.name}}:${lane}:delayed`),
    redis.llen(`{${flow.name}}:${lane}:active`),
  ])
  return { wait, delayed, active }
}

/** Nobody is set aside any more, and nothing of it is kept. */
const isForgotten = async (redis: Look, keys: Keys) =>
  (await redis.exists(keys.gates(lane), keys.aside(lane, gate))) === 0

test('a partly unpacked batch that is paused sends nothing more however open its gate, says why, and goes on', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const batch = await workOnPart(flow, redis, keys)
  const lastRow = `${batch.id}.${TOTAL - 1}`
  const explained = await eventually('its limit is used up', async () => {
    const found = await flow.queue.explain(lastRow)
    return found.waits.length > 1 ? found : undefined
  })
  expect(explained.waits).toEqual([
    expect.objectContaining({ kind: 'limit', text: expect.stringMatching(/^mail to google goes through/) }),
    { kind: 'turn', text: expect.stringContaining('its row stays in its chunk') },
  ])
  expect(explained).not.toHaveProperty('ahead')
  expect(await batch.pause({ by: 'ada', reason: 'a wrong price' })).toBe(true)
  const packed = await redis.hget(keys.batch(batch.id), 'packed')
  await flow.queue.limits.set('main', { provider: 'google', ratePerSecond: null })
  await eventually('who was set aside has come back', () => isForgotten(redis, keys), { withinMs: 30_000 })
  await eventually('nobody is at work', async () => {
    const { wait, active } = await jobsOf(flow, redis)
    return wait + active === 0
  })
  const { sent, pending, deferred } = await batch.status()
  expect(received(flow, '.com')).toBe(sent)
  expect(sent).toBeLessThan(QUICK + 60)
  expect(await redis.hget(keys.batch(batch.id), 'packed')).toBe(packed)
  expect(deferred).toBe(pending - Number(packed))
  const why = {
    kind: 'paused',
    text: expect.stringMatching(/^its batch was paused by ada at .*: a wrong price$/),
  }
  for (const id of [batch.id, lastRow])
    expect(await flow.queue.explain(id)).toMatchObject({ waits: expect.arrayContaining([why]) })
  expect(await batch.resume()).toBe(true)
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total: TOTAL, sent: TOTAL })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
  expect(await redis.exists(keys.batchLeft(batch.id), keys.batchRows(batch.id))).toBe(0)
}, 120_000)

test('a partly unpacked batch that is cancelled is skipped at once, though nothing passes its gate', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const batch = await workOnPart(flow, redis, keys)
  await batch.cancel()
  const isOver = async () => {
    const { pending, ...status } = await batch.status()
    return pending === 0 ? status : undefined
  }
  const { sent, skipped } = await eventually('all have ended', isOver)
  expect(sent + skipped).toBe(TOTAL)
  expect(received(flow, '.com')).toBe(sent)
  await eventually('no job is left', async () => {
    const { wait, delayed, active } = await jobsOf(flow, redis)
    return wait + delayed + active === 0
  })
  await eventually('nobody is set aside', () => isForgotten(redis, keys))
}, 120_000)

test('a partly unpacked batch that was cancelled can be deleted while another waits for the same gate', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const batch = await workOnPart(flow, redis, keys)
  const rows = rowsTo(400, (index) => `s${index}@gmail.com`)
  const other = await flow.queue.enqueueBatch(rows, content, { batchId: 'other' })
  await batch.cancel()
  await eventually('it can be deleted', async () => {
    await batch.delete()
    return true
  })
  expect(await redis.keys(`${keys.batch(batch.id)}*`)).toEqual([keys.batchSettled(batch.id)])
  expect(await redis.keys(`{${flow.name}}:${lane}:${batch.id}.*`)).toEqual([])
  await flow.queue.limits.set('main', { provider: 'google', ratePerSecond: null })
  expect(await other.wait({ intervalMs: 50 })).toMatchObject({ total: 400, sent: 400 })
  await eventually('nobody is set aside', () => isForgotten(redis, keys), { withinMs: 30_000 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
}, 120_000)
