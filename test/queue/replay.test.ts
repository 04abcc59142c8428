import { expect, test } from 'vitest'
import type { LaneConfig, MailQueue } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis } from '../helpers/mail-flow.js'

const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 60_000, maxAttempts: 1 }
/** One attempt, so that a recipient that is deferred once fails, and is taken when it is replayed. */
const onceOnly: Record<string, LaneConfig> = {
  transactional: { retry, unknown: 'hold' },
  bulk: { retry, unknown: 'hold' },
}

async function enqueueTo(flow: MailFlow, ...recipients: string[]): Promise<string[]> {
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients })
  const { deliveries } = await flow.queue.enqueue(email)
  return deliveries.map(({ id }) => id)
}

async function settled(queue: MailQueue, lane: string): Promise<Record<string, number>> {
  return eventually(`nothing is pending in ${lane}`, async () => {
    const found = (await queue.status()).find((each) => each.lane === lane)
    if (found?.pending !== 0 || found.active > 0) return undefined
    const { accepted, sent, failed, skipped, unknown, resent } = found
    return { accepted, sent, failed, skipped, unknown, resent }
  })
}

async function all<T>(each: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of each) found.push(one)
  return found
}

test('failures of an email tell recipient, reply, group and Message-ID, and are replayed and sent', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work({ lanes: onceOnly })
  const ids = await enqueueTo(flow, 'defer-1-a@example.com', 'defer-1-b@example.com', 'c@example.com')
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ accepted: 3, sent: 1, failed: 2 })
  const failures = await eventually('both are told of', async () => {
    const found = await all(flow.queue.failures())
    return found.length === 2 ? found : undefined
  })
  expect(failures.map(({ recipient }) => recipient).sort()).toEqual([
    'defer-1-a@example.com',
    'defer-1-b@example.com',
  ])
  expect(failures[0]).toMatchObject({
    lane: 'transactional',
    outcome: 'failed',
    code: 'expired',
    replays: 0,
    attempts: 1,
  })
  const [group, ...others] = await flow.queue.failures().groups()
  expect(others).toEqual([])
  expect(group).toMatchObject({
    count: 2,
    code: 'expired',
    text: expect.stringContaining('was: <address>: Recipient address rejected'),
  })
  const [sent] = flow.sink.messages
  expect(sent?.bytes.toString()).toContain(`Message-ID: ${failures[0]?.messageId}`)

  const dry = await flow.queue.replay({ group: group?.id }, { dryRun: true })
  expect(dry).toMatchObject({ dryRun: true, replayed: 2, groups: [{ count: 2 }], left: {} })
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ sent: 1, failed: 2 })
  expect(await flow.queue.replay({ group: group?.id }, { why: 'they greylist' })).toMatchObject({
    replayed: 2,
    left: {},
  })
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ accepted: 3, sent: 3, failed: 0 })
  expect([...flow.sink.copies().values()]).toEqual([1, 1, 1])
  expect(await all(flow.queue.failures())).toEqual([])
  const states = await Promise.all(ids.map(async (id) => (await flow.queue.delivery(id)).state))
  expect(states).toEqual(['sent', 'sent', 'sent'])
  await worker.close()
})

test('a recipient that was sent is never replayed, nor is one that is pending', async () => {
  await using flow = await openMailFlow()
  const [waiting = ''] = await enqueueTo(flow, 'a@example.com')
  await expect(flow.queue.replay({ id: waiting })).rejects.toMatchObject({ code: 'not_replayable' })
  await flow.work({ lanes: onceOnly })
  await settled(flow.queue, 'transactional')
  await expect(flow.queue.replay({ id: waiting })).rejects.toMatchObject({ code: 'not_replayable' })
  await expect(flow.queue.replay({ id: 'e1.1' })).rejects.toMatchObject({ code: 'delivery_not_found' })
  await expect(flow.queue.replay({})).rejects.toMatchObject({ code: 'invalid_params' })
  expect(flow.sink.copies().get('a@example.com')).toBe(1)
})

test('an unknown is replayed only when it is named, and stays unknown when nobody knows again', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work({ lanes: onceOnly })
  const [id = ''] = await enqueueTo(flow, 'lost-a@example.com')
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ unknown: 1, resent: 0 })
  await eventually('its job has ended', async () => (await all(flow.queue.failures())).length === 1)
  expect(await flow.queue.replay({ lane: 'transactional' })).toMatchObject({
    replayed: 0,
    left: { unknown: 1 },
  })
  await expect(flow.queue.replay({ id })).rejects.toMatchObject({
    code: 'not_replayable',
    message: expect.stringContaining('includeUnknown'),
  })
  expect(await flow.queue.replay({ id }, { includeUnknown: true })).toMatchObject({ replayed: 1 })
  await eventually('the sink has a copy', () => flow.sink.copies().get('lost-a@example.com') === 2)
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ unknown: 1, sent: 0, resent: 1 })
  await worker.close()
  expect(await flow.queue.delivery(id)).toMatchObject({ state: 'unknown' })
})

test('an unknown is resolved as sent or as not sent, once, and counted as that', async () => {
  await using flow = await openMailFlow()
  await flow.work({ lanes: onceOnly })
  const [sent = '', not = '', fine = ''] = await enqueueTo(
    flow,
    'lost-a@example.com',
    'lost-b@example.com',
    'c@example.com',
  )
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ unknown: 2, sent: 1 })
  await eventually('the jobs have ended', async () => (await all(flow.queue.failures())).length === 2)
  await flow.queue.resolve(sent, 'sent')
  await flow.queue.resolve(not, 'not_sent')
  expect(await settled(flow.queue, 'transactional')).toMatchObject({
    accepted: 3,
    unknown: 0,
    sent: 2,
    failed: 1,
    resent: 0,
  })
  for (const id of [sent, not, fine])
    await expect(flow.queue.resolve(id, 'sent')).rejects.toMatchObject({ code: 'not_unknown' })
  await expect(flow.queue.resolve('e1.1', 'sent')).rejects.toMatchObject({ code: 'delivery_not_found' })
  const wrong = 'maybe' as 'sent'
  await expect(flow.queue.resolve(sent, wrong)).rejects.toMatchObject({ code: 'invalid_params' })
  expect(await all(flow.queue.failures())).toMatchObject([
    { id: not, outcome: 'failed', code: 'resolved_not_sent' },
  ])
  expect((await flow.queue.delivery(sent)).state).toBe('sent')
  expect((await flow.queue.delivery(not)).state).toBe('failed')
  expect(await flow.queue.replay({ code: 'resolved_not_sent' })).toMatchObject({ replayed: 1 })
  await expect(flow.queue.replay({ id: sent }, { includeUnknown: true })).rejects.toMatchObject({
    code: 'not_replayable',
  })
})

test('what a relay answers late is told of by the outcomes, and so is what a replay comes to', async () => {
  await using flow = await openMailFlow()
  const outcomes: string[] = []
  const stop = new AbortController()
  const reading = (async () => {
    for await (const { outcome, ack } of flow.queue.outcomes({ group: 'app', signal: stop.signal })) {
      outcomes.push(outcome)
      await ack()
    }
  })()
  await flow.work({ lanes: onceOnly })
  await enqueueTo(flow, 'defer-1-a@example.com')
  await settled(flow.queue, 'transactional')
  await eventually('its job has ended', async () => (await all(flow.queue.failures())).length === 1)
  await flow.queue.replay({ lane: 'transactional' })
  await eventually('both are told', () => outcomes.length === 2)
  expect(outcomes).toEqual(['failed', 'sent'])
  stop.abort()
  await reading
})

test('replays at the same time replay each delivery once', async () => {
  await using flow = await openMailFlow()
  await flow.work({ lanes: onceOnly })
  const recipients = Array.from({ length: 120 }, (_, index) => `defer-1-${index}@example.com`)
  await enqueueTo(flow, ...recipients)
  await settled(flow.queue, 'transactional')
  await eventually('all jobs have ended', async () => (await all(flow.queue.failures())).length === 120)
  const both = await Promise.all([1, 2, 3].map(() => flow.queue.replay({ lane: 'transactional' })))
  expect(both.reduce((sum, { replayed }) => sum + replayed, 0)).toBe(120)
  expect(await settled(flow.queue, 'transactional')).toMatchObject({
    accepted: 120,
    sent: 120,
    failed: 0,
    resent: 0,
  })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
})

test('a rate is kept, and what was stopped goes on where it was', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work({ lanes: onceOnly })
  await enqueueTo(flow, ...Array.from({ length: 40 }, (_, index) => `defer-1-${index}@example.com`))
  await settled(flow.queue, 'transactional')
  await eventually('all jobs have ended', async () => (await all(flow.queue.failures())).length === 40)
  const stop = new AbortController()
  const startedAt = performance.now()
  const onProgress = (replayed: number) => replayed >= 10 && stop.abort()
  const first = await flow.queue.replay(
    { lane: 'transactional' },
    { ratePerSecond: 20, signal: stop.signal, onProgress },
  )
  expect(performance.now() - startedAt).toBeGreaterThan(400)
  expect(first).toMatchObject({ replayed: 10, stopped: true })
  const second = await flow.queue.replay({ lane: 'transactional' })
  expect(second).toMatchObject({ replayed: 30, stopped: false })
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ sent: 40, failed: 0 })
  await worker.close()
})

test('a delivery whose content is gone, or whose time is over, is left as it is', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const worker = await flow.work({ lanes: onceOnly })
  await enqueueTo(flow, 'reject-a@example.com')
  const email = flow.mail.create({ subject: 'Code', body: '1', recipients: ['reject-b@example.com'] })
  await flow.queue.enqueue(email, { expiresAt: new Date(Date.now() + 1_500) })
  await settled(flow.queue, 'transactional')
  await eventually('the jobs have ended', async () => (await all(flow.queue.failures())).length === 2)
  for (const key of await redis.keys(`{${flow.name}}:v1:content:*`)) await redis.del(key)
  await eventually('its time is over', async () => {
    const { left } = await flow.queue.replay({ lane: 'transactional' })
    return left.expired === 1 && left.content_missing === 1
  })
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ failed: 2 })
  await worker.close()
})

test('a Redis that forgets its scripts between two replays loses none', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work({ lanes: onceOnly })
  await enqueueTo(flow, 'defer-1-a@example.com')
  await settled(flow.queue, 'transactional')
  await eventually('its job has ended', async () => (await all(flow.queue.failures())).length === 1)
  // As a process leaves it that ended before the second of the two.
  const [id = ''] = await redis.zrange(`{${flow.name}}:transactional:failed`, 0, '-1')
  await redis.zrem(`{${flow.name}}:transactional:failed`, id)
  await redis.zadd(`{${flow.name}}:transactional:returning`, 1, id)
  await redis.hincrby(`{${flow.name}}:v1:counts:transactional`, 'failed', -1)
  await redis.del(`{${flow.name}}:v1:mark:${id}`)
  await flow.queue.replay({ lane: 'transactional' })
  expect(await settled(flow.queue, 'transactional')).toMatchObject({ accepted: 1, sent: 1, failed: 0 })
})

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }

async function countsOf(flow: MailFlow, id: string) {
  const { total, sent, failed, skipped, unknown, pending } = await flow.queue.batch(id).status()
  return { total, sent, failed, skipped, unknown, pending }
}

test('a batch that had finished is unfinished while what was replayed is pending, and its counts stay exact', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const worker = await flow.work({ lanes: onceOnly })
  const rows = Array.from({ length: 600 }, (_, index) => ({
    to:
      index % 3 === 0
        ? `defer-1-${index}@example.com`
        : index % 3 === 1
          ? `reject-${index}@example.org`
          : `r${index}@example.com`,
    name: `Name ${index}`,
  }))
  const batch = await flow.queue.enqueueBatch(rows, content, { batchId: 'spring' })
  await batch.wait({ intervalMs: 20 })
  expect(await countsOf(flow, 'spring')).toMatchObject({ total: 600, sent: 200, failed: 400, pending: 0 })
  await eventually(
    'all jobs have ended',
    async () => (await all(flow.queue.failures({ batch: 'spring' }))).length === 400,
  )
  await worker.close()
  const groups = await flow.queue.failures({ batch: 'spring' }).groups()
  expect(groups.map(({ code, count }) => [code, count]).sort()).toEqual([
    ['550 5.1.1', 200],
    ['expired', 200],
  ])
  expect((await flow.queue.failures({ batch: 'spring', code: '550' }).groups()).length).toBe(1)
  expect(
    await flow.queue.failures({ batch: 'spring', domain: 'example.org', code: 'expired' }).groups(),
  ).toEqual([])
  expect(await flow.queue.failures({ batch: 'spring', relay: 'main', outcome: 'unknown' }).groups()).toEqual(
    [],
  )

  const replayed = await flow.queue.replay({ batch: 'spring', code: 'expired' }, { why: 'patience' })
  expect(replayed).toMatchObject({ replayed: 200, left: {} })
  expect(await countsOf(flow, 'spring')).toMatchObject({ sent: 200, failed: 200, pending: 200 })
  expect((await batch.status()).failures).toEqual({ '550 5.1.1': 200 })
  expect(await redis.hexists(`{${flow.name}}:v1:batch:spring`, 'finishedAt')).toBe(0)
  const explained = await flow.queue.explain('spring')
  expect(explained).toMatchObject({
    kind: 'batch',
    replays: [{ count: 200, why: 'patience', what: 'batch spring, code expired' }],
  })
  expect(await flow.queue.replay({ batch: 'spring', code: 'expired' })).toMatchObject({ replayed: 0 })

  await flow.work({ lanes: onceOnly })
  await batch.wait({ intervalMs: 20 })
  expect(await countsOf(flow, 'spring')).toMatchObject({ total: 600, sent: 400, failed: 200, pending: 0 })
  const [lane] = (await flow.queue.status()).filter((each) => each.lane === 'bulk')
  expect(lane).toMatchObject({ accepted: 600, sent: 400, failed: 200, resent: 0 })
  expect([...flow.sink.copies().values()].every((copies) => copies === 1)).toBe(true)
  expect(flow.sink.copies().size).toBe(400)
  await expect(flow.queue.replay({ batch: 'no-such' })).rejects.toMatchObject({ code: 'batch_not_found' })
})

test('counts add up at every moment of a replay', async () => {
  await using flow = await openMailFlow()
  await flow.work({ lanes: onceOnly })
  const rows = Array.from({ length: 300 }, (_, index) => ({ to: `defer-2-${index}@example.com` }))
  const batch = await flow.queue.enqueueBatch(rows, { ...content, subject: 'Hello' })
  await batch.wait({ intervalMs: 20 })
  await eventually(
    'all jobs have ended',
    async () => (await all(flow.queue.failures({ batch: batch.id }))).length === 300,
  )
  let isOver = false
  const watching = (async () => {
    let looks = 0
    while (!isOver) {
      const { total, sent, failed, skipped, unknown, pending } = await batch.status()
      expect(Math.min(sent, failed, skipped, unknown, pending)).toBeGreaterThanOrEqual(0)
      expect(sent + failed + skipped + unknown + pending).toBe(total)
      looks += 1
    }
    return looks
  })()
  const { replayed } = await flow.queue.replay({ batch: batch.id })
  expect(replayed).toBe(300)
  await batch.wait({ intervalMs: 20 })
  isOver = true
  expect(await watching).toBeGreaterThan(3)
  const { sent, failed } = await batch.status()
  expect([sent, failed]).toEqual([0, 300])
  await eventually('all jobs have ended', async () => {
    const failures = await all(flow.queue.failures({ batch: batch.id }))
    return failures.length === 300 && failures.every(({ replays }) => replays === 1)
  })
})

test('who is suppressed, as by a bounce, is left as failed, and replayed once that is taken back', async () => {
  await using flow = await openMailFlow()
  await flow.work()
  const content = { subject: 'Hi', text: 'Hi', sender: 'news@example.com' }
  const batch = await flow.queue.enqueueBatch([{ to: 'reject-x@example.com' }], content)
  expect(await settled(flow.queue, 'bulk')).toMatchObject({ failed: 1 })
  await eventually('its job is failed', async () =>
    (await all(flow.queue.failures({ batch: batch.id }))).length === 1 ? true : undefined,
  )
  for (const dryRun of [true, false]) {
    const result = await flow.queue.replay({ batch: batch.id }, { dryRun })
    expect(result).toMatchObject({ replayed: 0, left: { suppressed: 1 } })
  }
  expect(await batch.status()).toMatchObject({ failed: 1, skipped: 0 })
  await flow.queue.suppressions.remove('reject-x@example.com')
  expect(await flow.queue.replay({ batch: batch.id })).toMatchObject({ replayed: 1, left: {} })
})
