import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { content, messageIds, openStage, readUnheard } from './window-stage.js'

const rows = [{ to: 'a@example.com' }]

test('a verdict that comes late turns a held unknown into sent: the worker was stopped inside the window', async () => {
  await using stage = await openStage({ unknown: 'hold', replyTimeoutMs: 30_000 })
  const { flow } = stage
  await using first = await stage.work()
  const whole = stage.at('whole', () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rows, content)
  await whole
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ unknown: 1, pending: 0 })
  first.signal('SIGCONT')
  await eventually('the late verdict is in', async () => (await batch.status()).sent === 1)
  expect(await batch.status()).toMatchObject({ total: 1, sent: 1, unknown: 0, failed: 0, pending: 0 })
  expect((await flow.queue.delivery(`${batch.id}.0`)).state).toBe('sent')
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
}, 60_000)

test('a verdict that comes late turns a held unknown into sent: the worker was stopped after the reply', async () => {
  await using stage = await openStage({ unknown: 'hold' })
  const { flow, toRedis } = stage
  await using first = await stage.work('held way')
  const read = readUnheard(stage, () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rows, content)
  await read
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ unknown: 1, pending: 0 })
  first.signal('SIGCONT')
  toRedis.stalled = false
  await eventually('the late verdict is in', async () => (await batch.status()).sent === 1)
  expect(await batch.status()).toMatchObject({ total: 1, sent: 1, unknown: 0, failed: 0, pending: 0 })
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
}, 60_000)

test('a worker stopped after the reply: resend has waited, sends once more with the same Message-ID, and the late verdict changes nothing', async () => {
  await using stage = await openStage({ unknown: 'resend' })
  const { flow, toRedis } = stage
  await using first = await stage.work('held way')
  const read = readUnheard(stage, () => first.signal('SIGSTOP'))
  const batch = await flow.queue.enqueueBatch(rows, content)
  await read
  await using _second = await stage.work()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 1, resent: 1, unknown: 0, pending: 0 })
  first.signal('SIGCONT')
  toRedis.stalled = false
  first.signal('SIGTERM')
  await first.exited
  expect(await batch.status()).toMatchObject({ total: 1, sent: 1, resent: 1, unknown: 0, pending: 0 })
  expect(flow.sink.copies().get('a@example.com')).toBe(2)
  expect(messageIds(flow)).toHaveLength(1)
}, 60_000)

test('lost recipients under resend are sent again with the same Message-ID, and end as unknown, never as failed', async () => {
  await using stage = await openStage({ unknown: 'resend', maxAgeMs: 1_500 })
  const { flow } = stage
  await using _worker = await stage.work()
  const batch = await flow.queue.enqueueBatch([{ to: 'lost-1@example.com' }], content)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 0, unknown: 1, failed: 0, pending: 0 })
  const copies = flow.sink.copies().get('lost-1@example.com') ?? 0
  expect(copies).toBeGreaterThan(1)
  expect(await batch.status()).toMatchObject({ resent: copies - 1 })
  expect(messageIds(flow)).toHaveLength(1)
}, 60_000)
