import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { type DeliveryOutcome, MailQueue, type OutcomesOptions } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const streamOf = (flow: MailFlow) => `{${flow.name}}:v1:outcomes`

interface Reader {
  readonly given: DeliveryOutcome[]
  /** Ends the loop and waits for its end. */
  stop(): Promise<void>
}

/** Reads in the background and acknowledges, unless told otherwise; resolves when its group is there. */
async function read(
  flow: MailFlow,
  options: Partial<OutcomesOptions> = {},
  acknowledges: (outcome: DeliveryOutcome) => boolean = () => true,
): Promise<Reader> {
  const stopping = new AbortController()
  const given: DeliveryOutcome[] = []
  const group = options.group ?? 'app'
  const ended = (async () => {
    for await (const outcome of flow.queue.outcomes({ group, ...options, signal: stopping.signal })) {
      given.push(outcome)
      if (acknowledges(outcome)) await outcome.ack()
    }
  })()
  await using redis = openRedis(flow)
  await eventually('the group is there', async () => {
    const groups = (await redis.xinfo('GROUPS', streamOf(flow)).catch(() => [])) as string[][]
    return groups.some((facts) => facts.includes(group))
  })
  return {
    given,
    async stop() {
      stopping.abort()
      await ended
    },
  }
}

test('every settled delivery is given, with its outcome, code, reply and times', async () => {
  await using flow = await openMailFlow()
  const reader = await read(flow)
  await flow.work()
  const before = Date.now()
  const rows = ['a@example.com', 'reject-x@example.com', 'lost-x@example.com', 'defer-1-x@example.com']
  const batch = await flow.queue.enqueueBatch(
    rows.map((to) => ({ to })),
    content,
  )
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['b@example.com'] })
  const later = { sendAt: new Date(Date.now() + 3_600_000) }
  const { deliveries } = await flow.queue.enqueue(email, later)
  await flow.queue.cancel(deliveries[0]?.id ?? '')
  await eventually('five are given', () => reader.given.length === 5)
  const byRecipient = new Map(reader.given.map((outcome) => [outcome.recipient, outcome]))
  const row = (index: number, facts: object) => ({
    id: `${batch.id}.${index}`,
    batch: batch.id,
    lane: 'bulk',
    ...facts,
  })
  const reply = (start: string) => expect.stringMatching(new RegExp(`^${start}`))
  expect(byRecipient.get(rows[0])).toMatchObject(
    row(0, { outcome: 'sent', reply: reply('250 2.0.0 Ok: queued as') }),
  )
  expect(byRecipient.get(rows[1])).toMatchObject(
    row(1, { outcome: 'failed', code: '550 5.1.1', reply: reply('550 5.1.1 ') }),
  )
  expect(byRecipient.get(rows[2])).toMatchObject(row(2, { outcome: 'unknown', code: 'unknown' }))
  expect(byRecipient.get(rows[3])).toMatchObject(row(3, { outcome: 'sent' }))
  const cancelled = byRecipient.get('b@example.com')
  expect(cancelled).toMatchObject({
    id: deliveries[0]?.id,
    lane: 'transactional',
    outcome: 'skipped',
    code: 'cancelled',
  })
  expect(cancelled).not.toHaveProperty('batch')
  for (const { enqueuedAt, at } of reader.given) {
    expect(enqueuedAt?.getTime()).toBeGreaterThanOrEqual(before - 1)
    expect(at.getTime()).toBeGreaterThanOrEqual(enqueuedAt?.getTime() ?? Number.POSITIVE_INFINITY)
  }
  await reader.stop()
})

test('nothing is recorded before somebody has asked for it, nor after the last group has ended', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await flow.work()
  const send = async () => (await flow.queue.enqueueBatch(rowsTo(5), content)).wait({ intervalMs: 20 })
  await send()
  expect(await redis.exists(streamOf(flow))).toBe(0)
  const reader = await read(flow)
  await send()
  await eventually('five are given', () => reader.given.length === 5)
  await reader.stop()
  expect(await flow.queue.endOutcomes('app')).toBe(true)
  expect(await flow.queue.endOutcomes('app')).toBe(false)
  await send()
  expect(await redis.exists(streamOf(flow), `${streamOf(flow)}:kept`)).toBe(0)
})

test('each group is given all, and the consumers of one group share them', async () => {
  await using flow = await openMailFlow()
  const one = await read(flow, { group: 'one' })
  const shared = [await read(flow, { group: 'two', batch: 5 }), await read(flow, { group: 'two', batch: 5 })]
  await flow.work()
  await flow.queue.enqueueBatch(rowsTo(200), content)
  const ofTwo = () => shared.flatMap(({ given }) => given.map(({ id }) => id))
  await eventually('all are given', () => one.given.length === 200 && ofTwo().length === 200)
  expect(new Set(one.given.map(({ id }) => id)).size).toBe(200)
  expect(new Set(ofTwo()).size).toBe(200)
  for (const { given } of shared) expect(given.length).toBeGreaterThan(0)
  await Promise.all([one, ...shared].map((reader) => reader.stop()))
})

test('what was not acknowledged comes again: first to a consumer of the same name, later to any other', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const odd = ({ id }: DeliveryOutcome) => Number(id.split('.')[1]) % 2 === 1
  const first = await read(flow, { consumer: 'c1' }, odd)
  await flow.work()
  await flow.queue.enqueueBatch(rowsTo(20), content)
  await eventually('all are given', () => first.given.length === 20)
  await first.stop()
  const again = await read(flow, { consumer: 'c1' }, ({ id }) => !id.endsWith('.0'))
  await eventually('the even ones are given again', () => again.given.length === 10)
  expect(again.given.some(odd)).toBe(false)
  await again.stop()
  const other = await read(flow, { consumer: 'c2', claimAfterMs: 300 })
  await eventually('the last one is given to another', () => other.given.length === 1)
  expect(other.given[0]?.id).toMatch(/\.0$/)
  await eventually('nothing is pending', async () => (await redis.xpending(streamOf(flow), 'app'))[0] === 0)
  await other.stop()
})

test('what a reader held that was killed is given to another one of its group', async () => {
  await using flow = await openMailFlow()
  const args = ['test/flow/fixtures/reading.mjs', flow.redisUrl, flow.name]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const given: string[] = []
  createInterface(child.stdout).on('line', (id) => {
    given.push(id)
    if (given.length === 5) child.kill('SIGKILL')
  })
  const stream = streamOf(flow)
  await using redis = openRedis(flow)
  await eventually('it reads', async () => await redis.exists(stream))
  await flow.work()
  await flow.queue.enqueueBatch(rowsTo(30), content)
  await once(child, 'close')
  const reader = await read(flow, { claimAfterMs: 500 })
  await eventually('all are given', () => new Set(reader.given.map(({ id }) => id)).size === 30)
  expect(given.length).toBeGreaterThanOrEqual(5)
  await reader.stop()
}, 60_000)

test('no more than one fetch is ahead of a reader that takes its time', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const outcomes = flow.queue.outcomes({ group: 'app', batch: 10 })
  const first = outcomes.next()
  await eventually('it reads', async () => await redis.exists(streamOf(flow)))
  await flow.work()
  const batch = await flow.queue.enqueueBatch(rowsTo(100), content)
  await batch.wait({ intervalMs: 20 })
  await first
  const [pending] = await redis.xpending(streamOf(flow), 'app')
  expect(pending).toBeLessThanOrEqual(10)
  await outcomes.return()
})

test('what waited for its turn so long that another consumer was given it is not given twice', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const outcomes = flow.queue.outcomes({ group: 'app', batch: 10, claimAfterMs: 400 })
  const first = outcomes.next()
  await eventually('it reads', async () => await redis.exists(streamOf(flow)))
  const early = await flow.queue.enqueueBatch(rowsTo(10), content)
  await flow.work()
  await first
  await early.wait({ intervalMs: 20 })
  const other = await read(flow, { claimAfterMs: 400 })
  await eventually('another one was given the rest', () => other.given.length >= 9)
  await other.stop()
  const next = outcomes.next()
  const late = await flow.queue.enqueueBatch(rowsTo(1), content)
  expect((await next).value).toMatchObject({ id: `${late.id}.0` })
  await outcomes.return()
})

test('what every group has acknowledged is dropped, and what is too old as well', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  await using brief = new MailQueue({ redis: flow.redisUrl, name: flow.name, outcomesTtlSeconds: 1 })
  const lazy = brief.outcomes({ group: 'lazy' })
  void lazy.next()
  await eventually('it is kept for a second', async () => (await redis.get(`${streamOf(flow)}:kept`)) === '1')
  await flow.work()
  const send = async (count: number) =>
    (await flow.queue.enqueueBatch(rowsTo(count), content)).wait({ intervalMs: 20 })
  await send(300)
  const { 0: oldest } = (await redis.xrange(streamOf(flow), '-', '+', 'COUNT', 1))[0] ?? []
  const age = async () => Number((await redis.time())[0]) * 1000 - Number(oldest?.split('-')[0])
  await eventually('they are old', async () => (await age()) > 2_000)
  await send(200)
  // Redis drops whole nodes of some hundred entries.
  expect(await redis.xlen(streamOf(flow))).toBeLessThan(400)
  await brief.close()
})

test('a loop ends when its signal is aborted, when the queue is closed, and when it is left', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const queue = new MailQueue({ redis: flow.redisUrl, name: flow.name })
  const aborted = await read(flow)
  await aborted.stop()
  const closing = (async () => {
    for await (const outcome of queue.outcomes({ group: 'other' })) await outcome.ack()
    return 'ended'
  })()
  await eventually('it reads', async () => {
    const groups = (await redis.xinfo('GROUPS', streamOf(flow))) as string[][]
    return groups.length === 2
  })
  await queue.close()
  expect(await closing).toBe('ended')
  await flow.work()
  await flow.queue.enqueueBatch(rowsTo(2), content)
  for await (const outcome of flow.queue.outcomes({ group: 'app' })) {
    await outcome.ack()
    break
  }
  // A consumer that has left nothing behind is forgotten.
  await eventually('none is left but the one that was given more', async () => {
    const consumers = (await redis.xinfo('CONSUMERS', streamOf(flow), 'app')) as unknown[]
    return consumers.length <= 1
  })
})

test('wrong options are refused at once, and so is a closed queue', async () => {
  const queue = new MailQueue({ redis: 'redis://127.0.0.1:1' })
  const invalid = expect.objectContaining({ code: 'invalid_params' })
  for (const options of [
    {},
    { group: '' },
    { group: 'a', batch: 0 },
    { group: 'a', signal: 1 },
    { group: 'a', grup: 'b' },
  ])
    expect(() => queue.outcomes(options as never)).toThrow(invalid)
  const away = queue.outcomes({ group: 'a' }).next()
  await expect(away).rejects.toMatchObject({ code: 'queue_unavailable' })
  await queue.close()
  expect(() => queue.outcomes({ group: 'a' })).toThrow(expect.objectContaining({ code: 'closed' }))
})
