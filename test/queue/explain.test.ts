import { expect, test } from 'vitest'
import type { DeliveryExplanation, LaneConfig, Wait } from '../../src/index.js'
import { keysOf } from '../../src/redis.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const closedPort = 1
const clock = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`

async function enqueueTo(flow: MailFlow, recipient: string, options = {}): Promise<string> {
  const email = flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: [recipient] })
  const { deliveries } = await flow.queue.enqueue(email, options)
  return deliveries[0]?.id ?? ''
}

async function explained(flow: MailFlow, id: string): Promise<DeliveryExplanation> {
  const found = await flow.queue.explain(id)
  if (found.kind !== 'delivery') throw new Error(`${id} is no delivery`)
  return found
}

/** Waits until the delivery waits for this, and gives the sentence. */
async function waitsFor(flow: MailFlow, id: string, kind: Wait['kind']): Promise<Wait> {
  return eventually(`${id} waits for ${kind}`, async () => {
    const { waits } = await explained(flow, id)
    return waits.find((wait) => wait.kind === kind)
  })
}

function lanesWith(delaysMs: number[], more: Partial<LaneConfig> = {}): Record<string, LaneConfig> {
  const lane = { retry: { delaysMs, jitter: 0, maxAgeMs: 600_000 }, unknown: 'hold' as const, ...more }
  return { transactional: lane, bulk: lane }
}

test('its turn: so many before it, and nobody works on the lane', async () => {
  await using flow = await openMailFlow()
  await enqueueTo(flow, 'a@example.com')
  const id = await enqueueTo(flow, 'b@example.com')
  const { state, waits, ahead, since } = await explained(flow, id)
  expect(state).toBe('waiting')
  expect(since).toBeInstanceOf(Date)
  expect(waits.map(({ kind }) => kind)).toEqual(['worker', 'turn'])
  expect(waits[0]?.text).toMatch(/no worker is there.*lane transactional/)
  expect(waits[1]?.text).toMatch(/1 delivery is before it in the lane transactional/)
  expect(ahead).toBe(1)
})

test('scheduled, and its batch is scheduled', async () => {
  await using flow = await openMailFlow()
  const sendAt = new Date(Date.now() + 3_600_000)
  const id = await enqueueTo(flow, 'a@example.com', { sendAt })
  const wait = await waitsFor(flow, id, 'scheduled')
  expect(wait.text).toMatch(new RegExp(`scheduled for ${clock}`))
  expect(Math.abs((wait.until?.getTime() ?? 0) - sendAt.getTime())).toBeLessThan(1_000)
  const batch = await flow.queue.enqueueBatch(rowsTo(2), content, { sendAt })
  expect(await waitsFor(flow, `${batch.id}.1`, 'scheduled')).toMatchObject({ until: sendAt })
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    kind: 'batch',
    state: 'scheduled',
    waits: expect.arrayContaining([expect.objectContaining({ kind: 'scheduled', until: sendAt })]),
  })
})

test('a row in its chunk waits for its turn behind those of its batch', async () => {
  await using flow = await openMailFlow()
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content)
  const { waits, state, ahead } = await explained(flow, `${batch.id}.599`)
  expect(state).toBe('waiting')
  expect(ahead).toBe(599)
  expect(waits.map(({ kind }) => kind)).toEqual(['worker', 'turn'])
  expect(waits[1]?.text).toMatch(/599 deliveries are before it.*not unpacked yet/)
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    state: 'sending',
    waits: [{ kind: 'worker' }, { kind: 'turn', text: expect.stringContaining('600 of its 600 pending') }],
  })
})

test('a retry: which, when, and after which reply; every attempt with reply and duration', async () => {
  await using flow = await openMailFlow()
  const id = await enqueueTo(flow, 'defer-9-a@example.com')
  await flow.work({ lanes: lanesWith([10, 600_000]) })
  const wait = await eventually('it waits for its third attempt', async () => {
    const found = await waitsFor(flow, id, 'retry')
    return found.text.startsWith('retry 3') ? found : undefined
  })
  expect(wait.text).toMatch(new RegExp(`^retry 3 at ${clock}, after: 451 4.7.1`))
  expect(wait.until?.getTime()).toBeGreaterThan(Date.now() + 500_000)
  const { history, attempts } = await explained(flow, id)
  expect(attempts).toBe(2)
  expect(history).toHaveLength(2)
  for (const each of history) {
    expect(each).toMatchObject({
      outcome: 'deferred',
      relay: 'main',
      reply: expect.stringMatching(/^451 4.7.1/),
    })
    expect(each.durationMs).toBeGreaterThanOrEqual(0)
  }
})

test('a batch of which all that is pending was put off says so, and no end is guessed from its rate', async () => {
  await using flow = await openMailFlow()
  await flow.work({ lanes: lanesWith([600_000]) })
  const rows = [...rowsTo(3), { to: 'defer-9-a@example.com' }]
  const batch = await flow.queue.enqueueBatch(rows, content)
  const found = await eventually('one is put off, and the others are sent', async () => {
    const each = await flow.queue.explain(batch.id)
    return each.kind === 'batch' && each.status.deferred === 1 && each.status.sent === 3 ? each : undefined
  })
  expect(found.waits).toMatchObject([
    {
      kind: 'retry',
      text: expect.stringMatching(/^1 of its 1 pending deliveries wait for a time of their own/),
    },
  ])
  expect(found.eta).toBeUndefined()
  expect(found.status.etaSeconds).toBeUndefined()
})

test('what the messages of a day do not suffice for has no end that is guessed from its rate', async () => {
  await using flow = await openMailFlow()
  const relay = { host: '127.0.0.1', port: flow.sink.smtpPort, perDay: 3 }
  await flow.work({ relays: { main: relay } })
  const batch = await flow.queue.enqueueBatch(rowsTo(1_500), content)
  const found = await eventually('the day is used up', async () => {
    const each = await flow.queue.explain(batch.id)
    const isUp = each.waits.some(({ text }) => text.includes('has had its messages of a day'))
    return isUp && each.kind === 'batch' && each.status.sent === 3 ? each : undefined
  })
  expect(found.status.rate).toBeGreaterThan(0)
  for await (const progress of batch.progress()) {
    expect(progress).toMatchObject({ sent: 3, relays: [{ day: { now: 3, used: 3 } }] })
    expect(progress.etaSeconds).toBeUndefined()
    break
  }
  expect([found.eta, found.status.etaSeconds]).toEqual([undefined, undefined])
})

test('the circuit of a relay, by its name, since when, why, what it said, and when it is probed', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const now = Date.now()
  const since = { openings: 9, openedAt: now - 60_000 }
  const open = { state: 'open', fault: 'relay', reply: '421 4.3.2 busy', until: now + 600_000, ...since }
  const circuit = JSON.stringify({ ...open, faultsAt: [], senders: {} })
  await redis.hset(keysOf(flow.name).circuit('main'), { version: 1, circuit })
  await flow.work({ lanes: lanesWith([10]), concurrency: 1 })
  const inHand = await enqueueTo(flow, 'a@example.com')
  const behind = await enqueueTo(flow, 'b@example.com')
  const batch = await flow.queue.enqueueBatch(rowsTo(2), content)
  for (const id of [inHand, behind, `${batch.id}.1`]) {
    const { text, until } = await waitsFor(flow, id, 'circuit')
    const why = String.raw`because it was in trouble \(421 4\.3\.2 busy\)`
    const words = `circuit of relay main is open since ${clock}, ${why}; probe at ${clock}`
    expect(text).toMatch(new RegExp(words))
    expect(until?.getTime()).toBe(now + 600_000)
  }
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    waits: expect.arrayContaining([expect.objectContaining({ kind: 'circuit' })]),
  })
})

test('a connection that failed is told of before the circuit opens', async () => {
  await using flow = await openMailFlow()
  const id = await enqueueTo(flow, 'a@example.com')
  await flow.work({ relays: { main: { host: '127.0.0.1', port: closedPort } }, lanes: lanesWith([10]) })
  const wait = await waitsFor(flow, id, 'held')
  expect(wait.text).toMatch(new RegExp(`put back, and spent no attempt: E\\w+ .*looked at again at ${clock}`))
})

test('a sender that a relay refuses', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const until = Date.now() + 600_000
  const held = { 'news@example.com': { since: Date.now(), until, refusals: 1 } }
  const circuit = { state: 'closed', until: 0, openings: 0, openedAt: 0, faultsAt: [], senders: held }
  const keys = keysOf(flow.name)
  await redis.hset(keys.circuit('main'), { version: 1, circuit: JSON.stringify(circuit) })
  const id = await enqueueTo(flow, 'a@example.com')
  await flow.work({ lanes: lanesWith([10]) })
  const wait = await waitsFor(flow, id, 'sender')
  expect(wait.text).toMatch(/relay main refuse[sd] the sender news@example.com/)
})

test('a route that no worker has', async () => {
  await using flow = await openMailFlow()
  const id = await enqueueTo(flow, 'a@example.com', { route: 'nowhere' })
  await flow.work({ lanes: lanesWith([10]) })
  const wait = await waitsFor(flow, id, 'route')
  expect(wait.text).toMatch(/no route nowhere/)
})

test('a batch that was paused: by whom, since when and why, for its rows and for itself', async () => {
  await using flow = await openMailFlow()
  const batch = await flow.queue.enqueueBatch(rowsTo(3), content)
  await batch.pause({ reason: 'wrong price' })
  const wait = await waitsFor(flow, `${batch.id}.2`, 'paused')
  expect(wait.text).toMatch(new RegExp(`batch was paused by .+ at ${clock}: wrong price`))
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    state: 'paused',
    waits: expect.arrayContaining([expect.objectContaining({ kind: 'paused' })]),
  })
})

test('a delivery in the hands of a worker: before the wire and on it', async () => {
  await using flow = await openMailFlow()
  const slow = await enqueueTo(flow, 'slow-3-a@example.com')
  const behind = await enqueueTo(flow, 'b@example.com')
  await flow.work({ lanes: lanesWith([10]), maxPerWorkerPerSecond: 0.2 })
  const reply = await waitsFor(flow, slow, 'reply')
  expect(reply.text).toMatch(/its answer is waited for/)
  const permit = await waitsFor(flow, behind, 'permit')
  expect(permit.text).toMatch(/relay \(main\) or the rate of its worker \(0.2 a second\)/)
})

test('an earlier attempt that may still be answered', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const id = await enqueueTo(flow, 'a@example.com')
  const keys = keysOf(flow.name)
  await redis.set(keys.mark(id), `w:lost ${Date.now() + 600_000}`)
  await flow.work({ lanes: lanesWith([10], { unknown: 'resend' }) })
  const wait = await waitsFor(flow, id, 'doubt')
  expect(wait.text).toMatch(/earlier attempt may have been accepted.*looked at again/)
})

test('workers that take nothing although something waits', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const id = await enqueueTo(flow, 'a@example.com')
  const now = Date.now()
  const frozen = {
    id: 'w',
    lanes: ['transactional'],
    relays: ['main'],
    routes: {},
    settled: {},
    tookAt: { transactional: now - 90_000 },
    startedAt: now - 100_000,
  }
  await redis.hset(keysOf(flow.name).workers, 'w', `${now} ${JSON.stringify(frozen)}`)
  const wait = await waitsFor(flow, id, 'worker')
  expect(wait.text).toMatch(/the one worker of the lane transactional took nothing for 9\d s/)
})

test('rows that nobody enqueues any more', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(3), content)
  await redis.hdel(keysOf(flow.name).batch(batch.id), 'rows')
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    state: 'enqueueing',
    waits: expect.arrayContaining([
      { kind: 'importer', text: expect.stringContaining('nobody enqueues its rows') },
    ]),
  })
})

test('hours outside of its window, in a job and in its batch', async () => {
  await using flow = await openMailFlow()
  const today = new Date(Date.now() + 12 * 3_600_000)
  const hour = String(today.getUTCHours()).padStart(2, '0')
  const sendWindow = { from: `${hour}:00`, to: `${hour}:01`, timeZone: 'UTC' }
  const id = await enqueueTo(flow, 'a@example.com', { sendWindow })
  const wait = await waitsFor(flow, id, 'window')
  expect(wait.text).toMatch(
    new RegExp(`outside its window \\(${hour}:00 to ${hour}:01, UTC\\) until ${clock}`),
  )
  const batch = await flow.queue.enqueueBatch(rowsTo(2), content, { sendWindow })
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    waits: expect.arrayContaining([expect.objectContaining({ kind: 'window' })]),
  })
  await waitsFor(flow, `${batch.id}.1`, 'window')
})

test('what has ended waits for nothing and says how it ended; what was never there is not found', async () => {
  await using flow = await openMailFlow()
  const fine = await enqueueTo(flow, 'a@example.com')
  const refused = await enqueueTo(flow, 'reject-b@example.com')
  await flow.work()
  await eventually('both have ended', async () => {
    const [one, other] = await Promise.all([explained(flow, fine), explained(flow, refused)])
    return one.state === 'sent' && other.state === 'failed'
  })
  expect(await explained(flow, fine)).toMatchObject({ waits: [], history: [] })
  expect(await explained(flow, refused)).toMatchObject({
    waits: [],
    lastReason: expect.stringMatching(/^550 5.1.1/),
    history: [{ outcome: 'failed', relay: 'main' }],
  })
  await expect(flow.queue.explain('no-such')).rejects.toMatchObject({ code: 'batch_not_found' })
  await expect(flow.queue.explain('no-such.1')).rejects.toMatchObject({ code: 'delivery_not_found' })
})

test('the limit of a relay that is used up: how fast, where that comes from, and when its turn may come', async () => {
  await using flow = await openMailFlow()
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ratePerSecond: 50 } }
  await flow.work({ relays, concurrency: 1, lanes: lanesWith([50]) })
  await flow.queue.limits.set('main', { ratePerSecond: 0.1, burst: 1 })
  const batch = await flow.queue.enqueueBatch(rowsTo(3), content)
  await eventually('the limit is reached', () => flow.sink.messages.length > 0)
  const wait = await waitsFor(flow, `${batch.id}.2`, 'limit')
  expect(wait.text).toMatch(
    new RegExp(
      `the relay main is used as fast as it may be, 0.1 a second .set by .*limits..; its turn comes at ${clock}`,
    ),
  )
  expect(wait.until?.getTime()).toBeGreaterThan(Date.now())
  expect(await flow.queue.explain(batch.id)).toMatchObject({
    waits: expect.arrayContaining([expect.objectContaining({ kind: 'limit', until: expect.any(Date) })]),
  })
})

test('the limit of a provider, for one that was set aside: by name, with the time of its appointment', async () => {
  await using flow = await openMailFlow()
  const providers = { google: { ratePerSecond: 0.1, burst: 1 } }
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, providers } }
  await flow.work({ relays })
  const ids: string[] = []
  for (let index = 0; index < 6; index += 1) ids.push(await enqueueTo(flow, `r${index}@gmail.com`))
  const texts = await eventually('those that wait have appointments', async () => {
    const found = await Promise.all(ids.map((id) => explained(flow, id)))
    const held = found.filter(({ state }) => state === 'held').flatMap(({ waits }) => waits)
    return held.length > 2 ? held : undefined
  })
  for (const { kind, text, until } of texts) {
    expect(kind).toBe('limit')
    expect(text).toMatch(
      new RegExp(
        `^mail to google goes through the relay main as fast as it may, 0.1 a second .as configured.; it is looked at again at ${clock}`,
      ),
    )
    expect(until?.getTime()).toBeGreaterThan(Date.now())
  }
})

test('a delivery that was refused after it had been set aside says what it was refused for', async () => {
  await using flow = await openMailFlow()
  const providers = { google: { ratePerSecond: 0.1, burst: 1 } }
  await flow.work({ relays: { main: { host: '127.0.0.1', port: flow.sink.smtpPort, providers } } })
  const ids: string[] = []
  for (let index = 0; index < 4; index += 1) ids.push(await enqueueTo(flow, `reject-${index}@gmail.com`))
  const all = () => Promise.all(ids.map((id) => explained(flow, id)))
  await eventually('some are set aside', async () => (await all()).some(({ state }) => state === 'held'))
  await flow.queue.limits.set('main', { provider: 'google', ratePerSecond: null })
  await eventually('all are refused', async () => (await all()).every(({ state }) => state === 'failed'))
  for (const { lastReason } of await all()) expect(lastReason).toMatch(/^550 5.1.1/)
})
