import { expect, test } from 'vitest'
import type { Batch } from '../../src/index.js'
import { keysOf } from '../../src/redis.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

/** Ordinals that are settled or have their wire mark, at one instant: nothing else may be on its way out. */
async function markedNow(flow: MailFlow, batch: Batch, total: number): Promise<Set<number>> {
  await using redis = openRedis(flow)
  const keys = keysOf(flow.name)
  const marks = keys.mark(`${batch.id}.`)
  const ordinals = await redis.eval(
    `local found = {}
     for ordinal = 0, ARGV[1] - 1 do
       local mark = redis.call('GET', ARGV[2] .. ordinal)
       local isMarked = mark and string.sub(mark, 1, 2) ~= 'd:'
       if isMarked or redis.call('GETBIT', KEYS[1], ordinal) == 1 then found[#found + 1] = ordinal end
     end
     return found`,
    1,
    keys.batchSettled(batch.id),
    total,
    marks,
  )
  return new Set(ordinals as number[])
}

function ordinalsAt({ sink }: MailFlow): number[] {
  return [...sink.copies().keys()].map((address) => Number(/\d+/.exec(address)?.[0]))
}

test('after pause has resolved only what had its wire mark goes out, with many in flight, round after round', async () => {
  const total = 2_000
  await using flow = await openMailFlow({ latencyMs: 3 })
  const batch = await flow.queue.enqueueBatch(rowsTo(total), content)
  await Promise.all([flow.work({ concurrency: 40 }), flow.work({ concurrency: 40 })])
  let pausedInTheMiddle = 0
  for (let round = 1; round <= 8; round += 1) {
    const before = flow.sink.messages.length
    await eventually('a good part of it went out', () => flow.sink.messages.length >= before + 100)
    expect(await batch.pause({ reason: `round ${round}` })).toBe(true)
    const marked = await markedNow(flow, batch, total)
    await eventually('nothing is on the wire', async () => (await batch.status()).active === 0)
    const sent = ordinalsAt(flow)
    expect(sent.filter((ordinal) => !marked.has(ordinal))).toEqual([])
    const status = await batch.status()
    expect(status).toMatchObject({ sent: marked.size, failed: 0, unknown: 0, skipped: 0 })
    expect(status.paused?.reason).toBe(`round ${round}`)
    if (marked.size < total) pausedInTheMiddle += 1
    expect(await batch.resume()).toBe(true)
  }
  expect(pausedInTheMiddle).toBe(8)
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ total, sent: total, failed: 0, resent: 0 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
  expect(flow.sink.messages).toHaveLength(total)
}, 120_000)

test('resume leaves what is deferred to its time', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [3_600_000], jitter: 0, maxAgeMs: 7_200_000 }
  const lanes = { bulk: { retry, unknown: 'hold' } } as const
  const rows = [{ to: 'full-x@example.com' }]
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'deferred' })
  await flow.work({ lanes })
  await eventually('it is deferred', async () => (await batch.status()).deferred === 1)
  await batch.pause()
  await batch.resume()
  expect(await batch.status()).toMatchObject({ deferred: 1, sent: 0, pending: 1 })
  expect(await flow.queue.delivery('deferred.0')).toMatchObject({ state: 'deferred', attempts: 1 })
})

test('a delivery that was claimed while its batch was paused says so, and who looks next finds it at once', async () => {
  await using flow = await openMailFlow({ latencyMs: 20 })
  await flow.work({ concurrency: 5 })
  const batch = await flow.queue.enqueueBatch(rowsTo(200), content)
  await flow.sink.waitForMessages(20)
  await batch.pause({ reason: 'wrong subject', by: 'ada' })
  const held = await eventually('the jobs are held', async () => {
    const status = await batch.status()
    return status.active === 0 && status.deferred > 0 && status.deferred === status.pending
      ? status
      : undefined
  })
  expect(held).toMatchObject({ paused: { by: 'ada', reason: 'wrong subject' }, waiting: 0 })
  expect(held.etaSeconds).toBeUndefined()
  expect(await flow.queue.delivery(`${batch.id}.199`)).toMatchObject({
    state: 'held',
    attempts: 0,
    lastReason: 'paused its batch was paused by ada: wrong subject',
  })
  await batch.resume()
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ sent: 200, pending: 0, failed: 0 })
  expect(result.paused).toBeUndefined()
})

test('a pause of one batch leaves the other one alone', async () => {
  await using flow = await openMailFlow()
  const [stopped, going] = await Promise.all([
    flow.queue.enqueueBatch(rowsTo(300), content),
    flow.queue.enqueueBatch(
      rowsTo(300, (index) => `o${index}@example.com`),
      content,
    ),
  ])
  await stopped.pause()
  await flow.work()
  expect(await going.wait({ intervalMs: 20 })).toMatchObject({ sent: 300 })
  expect(await stopped.status()).toMatchObject({ sent: 0, pending: 300, waiting: 300 })
})

test('a batch that is not there can be neither paused, resumed nor cancelled', async () => {
  await using flow = await openMailFlow()
  const batch = flow.queue.batch('none')
  for (const call of [() => batch.pause(), () => batch.resume(), () => batch.cancel()])
    await expect(call()).rejects.toMatchObject({ code: 'batch_not_found' })
  await expect(batch.pause({ reason: '' })).rejects.toMatchObject({ code: 'invalid_params' })
})

test('rate and time left follow what was settled, and end with the batch', async () => {
  await using flow = await openMailFlow({ latencyMs: 10 })
  await flow.work({ concurrency: 5 })
  const batch = await flow.queue.enqueueBatch(rowsTo(400), content)
  const midway = await eventually('it is under way', async () => {
    const status = await batch.status()
    return status.sent > 50 && status.pending > 50 ? status : undefined
  })
  expect(midway.rate).toBeGreaterThan(0)
  expect(midway.etaSeconds).toBe(Math.ceil(midway.pending / midway.rate))
  expect(midway.waiting + midway.active + midway.deferred).toBe(midway.pending)
  expect(midway.finishedAt).toBeUndefined()
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ etaSeconds: 0, waiting: 0, active: 0, deferred: 0 })
  expect(result.finishedAt?.getTime()).toBeGreaterThanOrEqual(result.createdAt.getTime())
  expect(await flow.queue.batches()).toMatchObject([{ id: batch.id, sent: 400 }])
  expect(await flow.queue.batches({ active: true })).toEqual([])
})
