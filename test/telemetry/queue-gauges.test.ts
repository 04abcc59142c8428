import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { exposed } from './exposed.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

const batchSeries = (id: string, state: string) =>
  `fluxmail_batch_deliveries{batch="${id}",lane="bulk",state="${state}"}`

test('a batch has its counts, its ETA and its pause while it lasts, and no series once it is over', async () => {
  await using flow = await openMailFlow()
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ratePerSecond: 4, burst: 2 } }
  const worker = await flow.work({ relays })
  const batch = await flow.queue.enqueueBatch(rowsTo(40), content, { batchId: 'spring' })
  await eventually(
    'some were sent',
    async () => Number(await exposed(worker, batchSeries('spring', 'sent'))) > 3,
  )
  expect(await exposed(worker, 'fluxmail_batches{lane="bulk",state="running"}')).toBe(1)
  expect(await exposed(worker, 'fluxmail_batch_eta_seconds{batch="spring",lane="bulk"}')).toBeGreaterThan(0)
  expect(await exposed(worker, 'fluxmail_batch_paused{batch="spring",lane="bulk"}')).toBe(0)
  await batch.pause()
  expect(await exposed(worker, 'fluxmail_batch_paused{batch="spring",lane="bulk"}')).toBe(1)
  expect(await exposed(worker, 'fluxmail_batch_eta_seconds{batch="spring",lane="bulk"}')).toBeUndefined()
  expect(await exposed(worker, 'fluxmail_batches{lane="bulk",state="paused"}')).toBe(1)
  expect(await exposed(worker, 'fluxmail_batches{lane="bulk",state="running"}')).toBe(0)
  await batch.cancel()
  await batch.wait()
  expect(await worker.metrics.expose()).not.toContain('batch="spring"')
  expect(await exposed(worker, 'fluxmail_batches{lane="bulk",state="cancelled"}')).toBe(0)
})

test('an unknown is counted for as long as nobody has resolved it', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work()
  const series = 'fluxmail_unknown{lane="bulk"}'
  expect(await exposed(worker, series)).toBe(0)
  const batch = await flow.queue.enqueueBatch([{ to: 'lost-x@example.com' }], content)
  await eventually('it is unknown', async () => (await exposed(worker, series)) === 1)
  await eventually('it is resolved', async () => {
    await flow.queue.resolve(`${batch.id}.0`, 'sent')
    return true
  })
  expect(await exposed(worker, series)).toBe(0)
  expect(await exposed(worker, 'fluxmail_unknown{lane="transactional"}')).toBe(0)
})

test('an unknown that nobody resolved is not counted any more once it is not kept any more', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work({ retention: { failedSeconds: 2 } })
  const series = 'fluxmail_unknown{lane="bulk"}'
  await flow.queue.enqueueBatch([{ to: 'lost-x@example.com' }], content)
  await eventually('it is unknown', async () => (await exposed(worker, series)) === 1)
  await eventually('its time is over', async () => (await exposed(worker, series)) === 0)
  expect(await flow.queue.status()).toMatchObject([{}, { lane: 'bulk', unknown: 1 }])
})

test('with shards each has a Redis of its own', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work({ shards: 2, relays: { main: { host: '127.0.0.1', port: 1 } } })
  const memory = [0, 1, 2].map((shard) => exposed(worker, `fluxmail_redis_memory_bytes{shard="${shard}"}`))
  const [first, second, third] = await Promise.all(memory)
  expect(first).toBeGreaterThan(0)
  expect(second).toBeGreaterThan(0)
  expect(third).toBeUndefined()
})
