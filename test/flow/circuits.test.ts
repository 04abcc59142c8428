import { describe, expect, test } from 'vitest'
import type { DeliveryWorker } from '../../src/index.js'
import { keysOf } from '../../src/redis.js'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, openRedis, rowsTo } from '../helpers/mail-flow.js'
import { openScriptedRelay } from '../smtp/scripted-relay.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }
const auth = { username: 'user', password: 'right' }

async function relayOf(flow: MailFlow, name: string) {
  const relays = await flow.queue.relays()
  return relays.find(({ relay }) => relay === name)
}

/** Lets the time pass that a sender is held. */
async function letSenderTry(flow: MailFlow, relay: string, sender: string): Promise<void> {
  await using redis = openRedis(flow)
  const key = keysOf(flow.name).circuit(relay)
  const circuit = JSON.parse((await redis.hget(key, 'circuit')) ?? '')
  circuit.senders[sender].until = Date.now() - 1
  await redis.hset(key, 'circuit', JSON.stringify(circuit))
  await redis.hincrby(key, 'version', 1)
}

/** A sink on the port of one that was closed. */
function sinkOn(port: number): Promise<Sink> {
  return openSink({ httpPort: false, smtpPort: port })
}

async function metric(worker: DeliveryWorker, line: string): Promise<number> {
  const text = await worker.metrics.expose()
  return Number(
    text
      .split('\n')
      .find((each) => each.startsWith(`${line} `))
      ?.split(' ')[1] ?? Number.NaN,
  )
}

test('a wrong password makes two workers log in a few times, fails nobody and spends no attempt', async () => {
  await using flow = await openMailFlow({ auth })
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ...auth, password: 'wrong' } }
  const workers = [await flow.work({ relays }), await flow.work({ relays })]
  const batch = await flow.queue.enqueueBatch(rowsTo(300), content)
  await eventually('all know', async () => {
    const circuits = await Promise.all(
      workers.map((worker) => metric(worker, 'fluxmail_relay_circuit{relay="main"}')),
    )
    return circuits.every((circuit) => circuit === 2)
  })
  await eventually('Redis knows', async () => (await relayOf(flow, 'main'))?.circuit === 'open')
  expect(await relayOf(flow, 'main')).toMatchObject({ circuit: 'open', fault: 'auth', senders: [] })
  // Both may have logged in before they knew of each other; the probe after five seconds is one of theirs.
  await eventually('a probe was made', () => (flow.sink.replies.get(535) ?? 0) >= 2, { withinMs: 15_000 })
  expect(flow.sink.replies.get(535)).toBeLessThanOrEqual(3)
  expect(await batch.status()).toMatchObject({ failed: 0, sent: 0, pending: 300 })
  expect((await flow.queue.delivery(`${batch.id}.0`)).attempts).toBe(0)

  // The password is put right where it was wrong: in the configuration of the workers.
  await Promise.all(workers.map((worker) => worker.close()))
  const startedAt = performance.now()
  await flow.work({ relays: { main: { ...relays.main, ...auth } } })
  await flow.sink.waitForMessages(1)
  expect(performance.now() - startedAt).toBeLessThan(8_000)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 300, failed: 0 })
}, 60_000)

test('mail flows with the first probe after the relay takes the password again', async () => {
  let known = false
  await using relay = await openScriptedRelay({
    capabilities: ['AUTH PLAIN'],
    answer: (command) =>
      command.startsWith('AUTH') ? (known ? '235 welcome' : '535 5.7.8 wrong') : undefined,
  })
  await using flow = await openMailFlow()
  await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port, ...auth } } })
  const batch = await flow.queue.enqueueBatch(rowsTo(100), content)
  await eventually('it is open', async () => (await relayOf(flow, 'main'))?.circuit === 'open')
  known = true
  const rightAt = performance.now()
  await eventually('mail flows', () => relay.bodies.length > 10)
  expect(performance.now() - rightAt).toBeLessThan(10_000)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 100, failed: 0 })
  expect(
    relay.commands.filter((command) => command === 'AUTH PLAIN AHVzZXIAcmlnaHQ=').length,
  ).toBeLessThanOrEqual(12)
})

test('what one worker finds out keeps the other one away from the relay', async () => {
  await using flow = await openMailFlow({ auth })
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ...auth, password: 'wrong' } }
  const first = await flow.work({ relays })
  await flow.queue.enqueueBatch(rowsTo(1), content)
  await eventually(
    'it is open',
    async () => (await metric(first, 'fluxmail_relay_circuit{relay="main"}')) === 2,
  )
  const second = await flow.work({ relays })
  await flow.queue.enqueueBatch(rowsTo(50), content)
  await eventually('the second one knows', async () => {
    return (await metric(second, 'fluxmail_relay_circuit{relay="main"}')) === 2
  })
  expect(await metric(second, 'fluxmail_relay_faults_total{relay="main",fault="auth"}')).toBe(0)
  expect(flow.sink.connections).toBe(1)
})

test('one sender that the relay refuses holds its own mail and nobody else’s, until it is taken', async () => {
  let refused = true
  await using relay = await openScriptedRelay({
    answer: (command) =>
      refused && command.startsWith('MAIL FROM:<bad@') ? '550 5.7.1 Sender not authorised' : undefined,
  })
  await using flow = await openMailFlow()
  const worker = await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port } } })
  const bad = await flow.queue.enqueueBatch(rowsTo(40), { ...content, sender: 'bad@example.com' })
  const good = await flow.queue.enqueueBatch(rowsTo(40), { ...content, sender: 'good@example.com' })
  expect(await good.wait({ intervalMs: 20 })).toMatchObject({ sent: 40, failed: 0 })
  expect(await bad.status()).toMatchObject({ sent: 0, failed: 0, pending: 40 })
  expect(await relayOf(flow, 'main')).toMatchObject({
    circuit: 'closed',
    senders: [{ sender: 'bad@example.com', refusals: 1 }],
  })
  expect(await metric(worker, 'fluxmail_relay_senders_held{relay="main"}')).toBe(1)
  await eventually('the last one is held without a word to the relay', async () => {
    return (await flow.queue.delivery(`${bad.id}.39`)).lastReason?.includes('sender')
  })
  const asked = relay.commands.filter((command) => command.startsWith('MAIL FROM:<bad@')).length
  expect(asked).toBeLessThanOrEqual(20)
  refused = false
  await letSenderTry(flow, 'main', 'bad@example.com')
  const enqueueBad = (count: number) =>
    flow.queue.enqueueBatch(rowsTo(count), { ...content, sender: 'bad@example.com' })
  const tryOne = async () => {
    await enqueueBad(1)
    return (await relayOf(flow, 'main'))?.senders.length === 0
  }
  await eventually('a message of it was taken', tryOne, { everyMs: 100 })
  const again = await enqueueBad(20)
  expect(await again.wait({ intervalMs: 20 })).toMatchObject({ sent: 20, failed: 0 })
  expect(await relayOf(flow, 'main')).toMatchObject({ circuit: 'closed', senders: [] })
})

test('a sender that one recipient’s server refuses waits there, and its mail to all others goes on', async () => {
  await using relay = await openScriptedRelay({
    answer: (command) =>
      /^RCPT TO:<.*@picky\.example>/.test(command) ? '550 5.7.1 Sender denied' : undefined,
  })
  await using flow = await openMailFlow()
  // Tried again at once, they would be all that is tried, and five of them in a row would speak of the relay.
  const retry = { delaysMs: [60_000], jitter: 0, maxAgeMs: 600_000 }
  const lanes = { bulk: { retry, unknown: 'hold' as const } }
  await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port } }, concurrency: 4, lanes })
  const address = (index: number) => (index % 4 === 0 ? `r${index}@picky.example` : `r${index}@example.com`)
  const batch = await flow.queue.enqueueBatch(rowsTo(80, address), content)
  await eventually('all others are sent', async () => (await batch.status()).sent === 60)
  expect(await batch.status()).toMatchObject({ failed: 0, pending: 20 })
  expect(await relayOf(flow, 'main')).toEqual({ relay: 'main', circuit: 'closed', senders: [] })
  expect((await flow.queue.delivery(`${batch.id}.0`)).attempts).toBeGreaterThan(0)
})

test('a sender that is refused to every recipient is held, as a server says it that waits for RCPT to do so', async () => {
  await using relay = await openScriptedRelay({
    answer: (command) =>
      command.startsWith('RCPT')
        ? '554 5.7.1 <news@example.com>: Sender address rejected: Access denied'
        : undefined,
  })
  await using flow = await openMailFlow()
  const retry = { delaysMs: [60_000], jitter: 0, maxAgeMs: 60_000 }
  const lanes = { bulk: { retry, unknown: 'hold' as const } }
  await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port } }, concurrency: 2, lanes })
  const batch = await flow.queue.enqueueBatch(rowsTo(200), content)
  await eventually('it is held', async () => ((await relayOf(flow, 'main'))?.senders.length ?? 0) > 0)
  expect(await relayOf(flow, 'main')).toMatchObject({
    circuit: 'closed',
    senders: [
      {
        sender: 'news@example.com',
        reply: '554 5.7.1 <…@example.com>: Sender address rejected: Access denied',
      },
    ],
  })
  await eventually('the last one waits for it', async () => {
    return (await flow.queue.delivery(`${batch.id}.199`)).lastReason?.includes('sender')
  })
  expect(relay.commands.filter((command) => command.startsWith('RCPT')).length).toBeLessThanOrEqual(7)
  expect(await batch.status()).toMatchObject({ failed: 0, sent: 0, pending: 200 })
})

test('a relay that may not relay for us holds all mail, fails and suppresses nobody, and is asked by one at a time', async () => {
  let allowed = false
  await using relay = await openScriptedRelay({
    answer: (command) =>
      command.startsWith('RCPT') && !allowed
        ? `554 5.7.1 ${command.slice('RCPT TO:'.length)}: Relay access denied`
        : undefined,
  })
  await using flow = await openMailFlow()
  await flow.work({ relays: { main: { host: '127.0.0.1', port: relay.port } }, concurrency: 4 })
  const batch = await flow.queue.enqueueBatch(rowsTo(200), content)
  await eventually('it is open', async () => (await relayOf(flow, 'main'))?.circuit === 'open')
  expect(await relayOf(flow, 'main')).toMatchObject({
    fault: 'relay',
    reply: '554 5.7.1 <…@example.com>: Relay access denied',
    senders: [],
  })
  const refused = relay.commands.filter((command) => command.startsWith('RCPT')).length
  expect(refused).toBeLessThanOrEqual(9)
  allowed = true
  await eventually('mail flows', async () => (await batch.status()).sent > 150, { withinMs: 20_000 })
  expect(await batch.status()).toMatchObject({ failed: 0, unknown: 0, skipped: 0 })
  expect((await flow.queue.delivery(`${batch.id}.0`)).attempts).toBe(0)
}, 60_000)

test('a worker that is started with the right password uses it at once, however long the others were to wait', async () => {
  await using flow = await openMailFlow({ auth })
  const relay = { host: '127.0.0.1', port: flow.sink.smtpPort, ...auth }
  const wrong = await flow.work({ relays: { main: { ...relay, password: 'wrong' } } })
  const batch = await flow.queue.enqueueBatch(rowsTo(50), content)
  await eventually('it is open', async () => (await relayOf(flow, 'main'))?.circuit === 'open')
  await using redis = openRedis(flow)
  const key = keysOf(flow.name).circuit('main')
  const circuit = JSON.parse((await redis.hget(key, 'circuit')) ?? '')
  const long = { ...circuit, until: Date.now() + 900_000, openedAt: Date.now() - 60_000, openings: 7 }
  await redis.hset(key, 'circuit', JSON.stringify(long))
  await redis.hincrby(key, 'version', 1)
  await eventually('the first one waits', async () => {
    return ((await relayOf(flow, 'main'))?.nextProbeAt?.getTime() ?? 0) > Date.now() + 800_000
  })
  const startedAt = performance.now()
  await flow.work({ relays: { main: relay } })
  await flow.sink.waitForMessages(1)
  expect(performance.now() - startedAt).toBeLessThan(3_000)
  expect(flow.sink.replies.get(535)).toBe(1)
  await wrong.close()
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 50, failed: 0 })
}, 60_000)

test('the fifth fault opens the circuit of a relay that is away, and mail flows soon after it is back', async () => {
  await using flow = await openMailFlow()
  const port = flow.sink.smtpPort
  await flow.sink.close()
  const worker = await flow.work()
  const batch = await flow.queue.enqueueBatch(rowsTo(100), content)
  await eventually('it is open', async () => (await relayOf(flow, 'main'))?.circuit === 'open', {
    withinMs: 20_000,
  })
  expect(await metric(worker, 'fluxmail_relay_faults_total{relay="main",fault="connect"}')).toBe(5)
  await using back = await sinkOn(port)
  const backAt = performance.now()
  await back.waitForMessages(1)
  expect(performance.now() - backAt).toBeLessThan(5_000)
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 100, failed: 0 })
  expect(await relayOf(flow, 'main')).toMatchObject({ circuit: expect.stringMatching(/half-open|closed/) })
}, 60_000)

describe('a route', () => {
  test('in order goes on with its second relay while the first is away, and comes back to it', async () => {
    await using flow = await openMailFlow()
    await using second = await openSink({ httpPort: false })
    const port = flow.sink.smtpPort
    await flow.sink.close()
    const relays = {
      first: { host: '127.0.0.1', port },
      second: { host: '127.0.0.1', port: second.smtpPort },
    }
    await flow.work({ relays, routes: { both: ['first', 'second'] } })
    const batch = await flow.queue.enqueueBatch(rowsTo(50), content, { route: 'both' })
    expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 50, failed: 0 })
    expect(second.messages).toHaveLength(50)
    await using first = await sinkOn(port)
    let sent = 0
    await eventually(
      'the first one is used again',
      async () => {
        const { id } = await flow.queue.enqueueBatch(
          rowsTo(1, () => `again${sent++}@example.com`),
          content,
          { route: 'both' },
        )
        await flow.queue.batch(id).wait({ intervalMs: 10 })
        return first.messages.length > 0
      },
      { withinMs: 20_000, everyMs: 200 },
    )
    const before = second.messages.length
    const last = await flow.queue.enqueueBatch(rowsTo(50), content, { route: 'both' })
    expect(await last.wait({ intervalMs: 20 })).toMatchObject({ sent: 50 })
    expect(second.messages).toHaveLength(before)
  }, 60_000)

  test('passes over a relay that refuses the login, without a wait', async () => {
    await using flow = await openMailFlow({ auth })
    await using second = await openSink({ httpPort: false })
    const relays = {
      first: { host: '127.0.0.1', port: flow.sink.smtpPort, ...auth, password: 'wrong' },
      second: { host: '127.0.0.1', port: second.smtpPort },
    }
    await flow.work({ relays, routes: { both: ['first', 'second'] } })
    const batch = await flow.queue.enqueueBatch(rowsTo(200), content, { route: 'both' })
    expect(await batch.wait({ intervalMs: 20 })).toMatchObject({ sent: 200, failed: 0 })
    expect(flow.sink.replies.get(535)).toBeLessThanOrEqual(2)
    expect(await relayOf(flow, 'first')).toMatchObject({ circuit: 'open', fault: 'auth' })
    expect(await relayOf(flow, 'second')).toMatchObject({ circuit: 'closed' })
  })

  test('by weight shares 2,000 messages out within a tenth', async () => {
    await using flow = await openMailFlow()
    await using second = await openSink({ httpPort: false })
    const relays = {
      heavy: { host: '127.0.0.1', port: flow.sink.smtpPort },
      light: { host: '127.0.0.1', port: second.smtpPort },
    }
    const routes = {
      shared: [
        { relay: 'heavy', weight: 3 },
        { relay: 'light', weight: 1 },
      ],
    }
    await flow.work({ relays, routes })
    await flow.work({ relays, routes })
    const batch = await flow.queue.enqueueBatch(rowsTo(2_000), content, { route: 'shared' })
    expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 2_000 })
    expect(Math.abs(second.messages.length - 500)).toBeLessThanOrEqual(50)
    expect(Math.abs(flow.sink.messages.length - 1_500)).toBeLessThanOrEqual(50)
  }, 60_000)
})
