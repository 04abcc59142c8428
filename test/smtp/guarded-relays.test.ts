import { setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { Fault } from '../../src/delivery/outcome.js'
import { look, newCircuit, probing, type Report, reported } from '../../src/smtp/circuit.js'
import {
  type Acquired,
  createRelays,
  type Gate,
  type GuardedRelays,
  type Shut,
} from '../../src/smtp/relays.js'
import { openScriptedRelay } from './scripted-relay.js'
import { forwardClock, messageTo, never, relayTo } from './sending.js'

const sender = 'from@example.com'

interface LocalGate extends Gate {
  readonly reports: readonly { readonly relay: string; readonly report: Report }[]
  /** As if another worker had reported it. */
  hear(relay: string, report: Report): void
  forward(ms: number): void
}

/** Circuits by the same rules, kept by nobody else; its time goes on only when told to. */
function localGate(): LocalGate {
  const circuits = new Map<string, typeof newCircuit>()
  const reports: { relay: string; report: Report }[] = []
  let now = 0
  let tokens = 0
  const circuitOf = (relay: string) => circuits.get(relay) ?? newCircuit
  const hear = (relay: string, report: Report) =>
    void circuits.set(relay, reported(circuitOf(relay), report, now))
  return {
    reports,
    hear,
    look(relay, from) {
      const seen = look(circuitOf(relay), from, now)
      return { ...seen, waitMs: seen.kind === 'shut' ? seen.until - now : 0 }
    },
    async probe(relay, from) {
      tokens += 1
      const leased = probing(circuitOf(relay), `p${tokens}`, from, now)
      if (leased === undefined) return undefined
      circuits.set(relay, leased)
      return `p${tokens}`
    },
    report(relay, report) {
      reports.push({ relay, report })
      hear(relay, report)
    },
    forward(ms) {
      now += ms
    },
  }
}

const fault = (kind: Fault, from?: string): Report => ({
  verdict: 'fault',
  fault: kind,
  ...(from === undefined ? {} : { sender: from }),
})

function guarded(
  ports: Record<string, number>,
  gate: Gate,
  routes: Record<string, string[]> = {},
  clock: Clock = systemClock,
): GuardedRelays & Disposable {
  const configs = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, relayTo(port)]))
  const events = { opened: () => undefined, closed: () => undefined }
  const relays = createRelays(configs, routes, clock, events, { circuits: gate })
  return Object.assign(relays, { [Symbol.dispose]: () => relays.drop() })
}

function leaseOf(acquired: Acquired | Shut) {
  if (acquired.kind !== 'lease') throw new Error(acquired.kind)
  return acquired.lease
}

const both = { both: ['first', 'second'] }

test('a relay whose circuit is open is passed over', async () => {
  await using relay = await openScriptedRelay()
  const gate = localGate()
  gate.hear('first', fault('auth'))
  using relays = guarded({ first: 1, second: relay.port }, gate, both)
  const lease = leaseOf(await relays.acquire('both', never, sender))
  expect(lease.relay).toBe('second')
  lease.release()
})

test('a relay that holds a sender is passed over for that sender alone', async () => {
  await using first = await openScriptedRelay()
  await using second = await openScriptedRelay()
  const gate = localGate()
  gate.hear('first', fault('sender', 'bad@example.com'))
  using relays = guarded({ first: first.port, second: second.port }, gate, both)
  const [bad, good] = await Promise.all([
    relays.acquire('both', never, 'bad@example.com'),
    relays.acquire('both', never, 'good@example.com'),
  ])
  expect(leaseOf(bad).relay).toBe('second')
  expect(leaseOf(good).relay).toBe('first')
})

test('when none is left a message is sent away until the earliest may be probed, each with a time of its own', async () => {
  await using relay = await openScriptedRelay()
  const gate = localGate()
  gate.hear('first', fault('auth'))
  gate.hear('second', fault('sender', sender))
  using relays = guarded({ first: 1, second: relay.port }, gate, both)
  const waits = new Set<number>()
  for (let index = 0; index < 100; index += 1) {
    const shut = await relays.acquire('both', never, sender)
    expect(shut).toMatchObject({ kind: 'shut', relay: 'first', why: 'circuit' })
    if (shut.kind === 'shut') waits.add(shut.waitMs)
  }
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(5_000)
  expect(Math.min(...waits)).toBeLessThanOrEqual(5_001)
  expect(Math.max(...waits)).toBeGreaterThan(5_800)
  expect(Math.max(...waits)).toBeLessThanOrEqual(6_001)
})

test('no message waits for minutes for a probe, since a worker may begin with another password', async () => {
  const gate = localGate()
  for (let index = 0; index < 6; index += 1) {
    const probe = await gate.probe('main')
    gate.hear('main', { ...fault('auth'), ...(probe ? { probe } : {}) })
    const { waitMs } = gate.look('main')
    if (index < 5) gate.forward(waitMs)
  }
  expect(gate.look('main').waitMs).toBe(900_000)
  using relays = guarded({ main: 1 }, gate, {}, forwardClock())
  const shut = await relays.acquire(undefined, never, sender)
  expect(shut).toMatchObject({ kind: 'shut', waitMs: expect.closeTo(30_000, -2) })
})

test('while nothing at all can go anywhere a message waits here, and goes when the probe was good', async () => {
  await using relay = await openScriptedRelay()
  const gate = localGate()
  gate.hear('main', fault('auth'))
  using relays = guarded({ main: relay.port }, gate)
  const waiting = Array.from({ length: 20 }, () => relays.acquire(undefined, never, sender))
  gate.forward(5_000)
  const probe = leaseOf(await Promise.race(waiting))
  expect(relay.connections).toBe(1)
  await probe.transmit(messageTo('a@example.com'))
  expect(gate.reports.map(({ report }) => report.verdict)).toEqual(['ok'])
  const sent = waiting.map(async (each) => {
    const lease = leaseOf(await each)
    return lease === probe ? undefined : lease.transmit(messageTo('b@example.com'))
  })
  await Promise.all(sent)
  expect(relay.bodies).toHaveLength(20)
})

test('a message does not wait here for ever', async () => {
  const clock = forwardClock()
  const gate = localGate()
  gate.hear('main', fault('auth'))
  using relays = guarded({ main: 1 }, gate, {}, clock)
  expect(await relays.acquire(undefined, never, sender)).toMatchObject({ kind: 'shut', why: 'circuit' })
  const slept = clock.slept.reduce((sum, ms) => sum + ms, 0)
  expect(slept).toBeGreaterThanOrEqual(14_000)
  expect(slept).toBeLessThanOrEqual(16_000)
})

test('whoever waits here is let go when told to stop', async () => {
  const gate = localGate()
  gate.hear('main', fault('auth'))
  using relays = guarded({ main: 1 }, gate)
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  const waiting = relays.acquire(undefined, abort.signal, sender)
  abort.abort()
  expect(await waiting).toMatchObject({ kind: 'refused', exchange: { kind: 'stopped', answer: 'closing' } })
})

test('what goes wrong in reporting an exchange does not cost the exchange', async () => {
  await using relay = await openScriptedRelay()
  const broken = new Error('broken')
  const gate = Object.assign(localGate(), {
    report: () => {
      throw broken
    },
  })
  const heard: unknown[] = []
  const options = { circuits: gate, failed: (error: unknown) => heard.push(error) }
  const events = { opened: () => undefined, closed: () => undefined }
  using relays = Object.assign(
    createRelays({ main: relayTo(relay.port) }, {}, systemClock, events, options),
    { [Symbol.dispose]: () => relays.drop() },
  )
  const lease = leaseOf(await relays.acquire(undefined, never, sender))
  expect(await lease.transmit(messageTo('a@example.com'))).toMatchObject({ kind: 'accepted' })
  expect(heard).toEqual([broken])
})

test('a probe that is not used is given up', async () => {
  await using relay = await openScriptedRelay()
  const gate = localGate()
  gate.hear('main', fault('auth'))
  gate.forward(5_000)
  using relays = guarded({ main: relay.port }, gate)
  leaseOf(await relays.acquire(undefined, never, sender)).release()
  expect(gate.look('main', sender).kind).toBe('due')
})

test('a wrong password is tried once for twenty messages that came together, and reported once', async () => {
  await using relay = await openScriptedRelay({
    capabilities: ['AUTH PLAIN'],
    answer: (command) => (command.startsWith('AUTH') ? '535 5.7.8 wrong' : undefined),
  })
  const gate = localGate()
  const events = { opened: () => undefined, closed: () => undefined }
  const config = relayTo(relay.port, { username: 'user', password: 'wrong' })
  using relays = Object.assign(createRelays({ main: config }, {}, systemClock, events, { circuits: gate }), {
    [Symbol.dispose]: () => relays.drop(),
  })
  const abort = new AbortController()
  setMaxListeners(0, abort.signal)
  const acquiring = Array.from({ length: 20 }, () => relays.acquire(undefined, abort.signal, sender))
  expect(await Promise.race(acquiring)).toMatchObject({ kind: 'refused', exchange: { phase: 'connect' } })
  expect(relay.commands.filter((command) => command.startsWith('AUTH'))).toHaveLength(1)
  expect(gate.reports).toEqual([
    { relay: 'main', report: { verdict: 'fault', fault: 'auth', reply: '535 5.7.8 (password)' } },
  ])
  abort.abort()
  await Promise.all(acquiring)
})

const said: readonly (readonly [string, string, string, object])[] = [
  [
    '550 to MAIL',
    'MAIL',
    '550 5.7.1 not you',
    { verdict: 'fault', fault: 'sender', sender, reply: '550 5.7.1 not you' },
  ],
  [
    '550 to RCPT that speaks of the sender, of one message',
    'RCPT',
    '550 5.7.1 Sender denied by <a@example.com>',
    { verdict: 'none', fault: 'sender', sender, reply: '550 5.7.1 Sender denied by <…@example.com>' },
  ],
  [
    'relaying denied to one message',
    'RCPT',
    '554 5.7.1 <a@example.com>: Relay access denied',
    { verdict: 'none', fault: 'relay', sender, reply: '554 5.7.1 <…@example.com>: Relay access denied' },
  ],
  ['550 to RCPT', 'RCPT', '550 5.1.1 no such user', { verdict: 'ok', sender }],
  ['451 to RCPT', 'RCPT', '451 4.7.1 greylisted', { verdict: 'ok', sender }],
]

for (const [name, verb, reply, report] of said) {
  test(`what is reported of ${name}`, async () => {
    await using relay = await openScriptedRelay({
      answer: (command) => (command.startsWith(verb) ? reply : undefined),
    })
    const gate = localGate()
    using relays = guarded({ main: relay.port }, gate)
    await leaseOf(await relays.acquire(undefined, never, sender)).transmit(messageTo('a@example.com'))
    expect(gate.reports).toEqual([{ relay: 'main', report }])
  })
}

test('what is broken off here says nothing of the relay', async () => {
  await using relay = await openScriptedRelay({ answerBody: () => '' })
  const gate = localGate()
  const relays = guarded({ main: relay.port }, gate)
  const sending = leaseOf(await relays.acquire(undefined, never, sender)).transmit(messageTo('a@example.com'))
  await expect.poll(() => relay.bodies.length).toBe(1)
  relays.drop()
  await sending
  expect(gate.reports.map(({ report }) => report.verdict)).toEqual(['none'])
})

/** A relay that refuses every message to these with this reply, behind a gate of its own. */
async function refusing(reply: string) {
  const relay = await openScriptedRelay({
    answer: (command) => (command.startsWith('RCPT TO:<bad') ? reply : undefined),
  })
  const gate = localGate()
  const relays = guarded({ main: relay.port }, gate)
  const send = async (to: string) => {
    await leaseOf(await relays.acquire(undefined, never, sender)).transmit(messageTo(to))
  }
  return {
    gate,
    send,
    async [Symbol.asyncDispose]() {
      relays.drop()
      await relay[Symbol.asyncDispose]()
    },
  }
}

for (const [name, reply, why] of [
  ['a sender', '550 5.7.1 Sender denied', 'sender'],
  ['relaying', '554 5.7.1 Relay access denied', 'circuit'],
] as const) {
  test(`${name} that single recipients’ servers refuse is held for nobody else`, async () => {
    await using refused = await refusing(reply)
    for (let round = 0; round < 20; round += 1)
      for (const to of ['bad@a.example', 'bad@b.example', 'bad@c.example', 'bad@d.example', 'good@e.example'])
        await refused.send(to)
    expect(refused.gate.look('main', sender).kind).toBe('free')
    expect(refused.gate.reports.filter(({ report }) => report.fault)).toHaveLength(80)
  })

  test(`${name} refused five times in a row, with nothing taken, is held`, async () => {
    await using refused = await refusing(reply)
    for (let time = 0; time < 4; time += 1) await refused.send('bad@example.com')
    expect(refused.gate.look('main', sender).kind).toBe('free')
    await refused.send('bad@example.com')
    expect(refused.gate.look('main', sender)).toMatchObject({ kind: 'shut', why })
  })
}
