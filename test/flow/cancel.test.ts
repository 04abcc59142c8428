import { expect, test } from 'vitest'
import { keysOf } from '../../src/redis.js'
import { createBatchControlStore } from '../../src/store/batch-control.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

test('a batch that nobody works on is skipped as a whole, in its chunks', async () => {
  await using flow = await openMailFlow()
  const batch = await flow.queue.enqueueBatch(rowsTo(1_000), content)
  expect(await batch.cancel({ reason: 'wrong list', by: 'ada' })).toBe(true)
  const status = await batch.wait({ intervalMs: 20 })
  expect(status).toMatchObject({ total: 1_000, skipped: 1_000, sent: 0, pending: 0, waiting: 0 })
  expect(status.cancelled).toMatchObject({ by: 'ada', reason: 'wrong list' })
  expect(status.finishedAt).toBeInstanceOf(Date)
  expect(await batch.cancel()).toBe(false)
  await expect(flow.queue.explain(`${batch.id}.4`)).rejects.toThrow(/has ended, and no more is kept of it/)
  await expect(batch.resume()).rejects.toMatchObject({ code: 'batch_cancelled' })
  await expect(batch.pause()).rejects.toMatchObject({ code: 'batch_cancelled' })
  await flow.work()
  const other = await flow.queue.enqueueBatch([{ to: 'last@example.com' }], content)
  await other.wait({ intervalMs: 20 })
  expect([...flow.sink.copies().keys()]).toEqual(['last@example.com'])
})

test('cancelled in the middle, what is not out is skipped, and every row is counted once', async () => {
  await using flow = await openMailFlow({ latencyMs: 3 })
  await Promise.all([flow.work(), flow.work()])
  const batch = await flow.queue.enqueueBatch(rowsTo(3_000), content)
  await flow.sink.waitForMessages(200)
  await batch.cancel()
  const { sent, skipped, ...rest } = await batch.wait({ intervalMs: 20 })
  expect(rest).toMatchObject({ failed: 0, unknown: 0, pending: 0 })
  expect(sent + skipped).toBe(3_000)
  expect(skipped).toBeGreaterThan(0)
  expect(flow.sink.messages).toHaveLength(sent)
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
}, 60_000)

test('deferred, scheduled and paused deliveries do not keep a cancelled batch waiting', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [3_600_000], jitter: 0, maxAgeMs: 7_200_000 }
  await flow.work({ lanes: { bulk: { retry, unknown: 'hold' } } })
  const deferred = await flow.queue.enqueueBatch(
    rowsTo(5, (index) => `full-${index}@example.com`),
    content,
  )
  const scheduled = await flow.queue.enqueueBatch(rowsTo(5), content, {
    sendAt: new Date(Date.now() + 3_600_000),
  })
  await eventually('they are deferred', async () => (await deferred.status()).deferred === 5)
  const paused = await flow.queue.enqueueBatch(rowsTo(5), content, { batchId: 'paused' })
  await paused.pause()
  for (const batch of [deferred, scheduled, paused]) await batch.cancel()
  expect(await deferred.wait({ intervalMs: 20 })).toMatchObject({ skipped: 5, deferred: 0 })
  expect(await scheduled.wait({ intervalMs: 20 })).toMatchObject({ skipped: 5 })
  const { sent, skipped } = await paused.wait({ intervalMs: 20 })
  expect(sent + skipped).toBe(5)
})

test('what is deferred after its batch was cancelled is skipped at once, and not after its delay', async () => {
  await using flow = await openMailFlow()
  let refuse: () => void = () => undefined
  await using relay = await openScriptedRelay({
    answer(command, session) {
      if (!command.startsWith('RCPT')) return undefined
      refuse = () => session.say('451 4.7.1 Greylisted')
      return ''
    },
  })
  const retry = { delaysMs: [3_600_000], jitter: 0, maxAgeMs: 7_200_000 }
  await flow.work({
    lanes: { bulk: { retry, unknown: 'hold' } },
    relays: { main: { host: '127.0.0.1', port: relay.port } },
  })
  const batch = await flow.queue.enqueueBatch([{ to: 'a@example.com' }], content)
  await eventually('its recipient is with the relay', () =>
    relay.commands.some((each) => each.startsWith('RCPT')),
  )
  await batch.cancel()
  expect(await batch.status()).toMatchObject({ pending: 1, skipped: 0 })
  refuse()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ skipped: 1, pending: 0 })
  expect(relay.commands.filter((each) => each.startsWith('RCPT'))).toHaveLength(1)
})

test('a caller that dies in the middle of cancelling leaves a batch that the workers finish', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(2_000), content)
  await batch.pause()
  await createBatchControlStore(redis, keysOf(flow.name)).cancel(batch.id, 'bulk', { at: 1, by: 'x' })
  expect(await batch.status()).toMatchObject({ pending: 2_000 })
  await flow.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ skipped: 2_000, sent: 0, pending: 0 })
  expect(flow.sink.messages).toHaveLength(0)
  expect((await batch.status()).finishedAt).toBeInstanceOf(Date)
})
