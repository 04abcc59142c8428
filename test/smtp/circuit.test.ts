import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/delivery/outcome.js'
import {
  type Circuit,
  look,
  newCircuit,
  probing,
  type Report,
  renewed,
  reported,
  seenBy,
} from '../../src/smtp/circuit.js'

const fault = (kind: Fault, more: Partial<Report> = {}): Report => ({
  verdict: 'fault',
  fault: kind,
  ...more,
})
const refusal = (sender: string, probe?: string): Report =>
  fault('sender', { sender, ...(probe === undefined ? {} : { probe }) })
const ok: Report = { verdict: 'ok' }

/** Reports one after the other, at the same time or `everyMs` apart. */
function made(reports: readonly Report[], now = 0, everyMs = 0, circuit: Circuit = newCircuit): Circuit {
  return reports.reduce(
    (standing, report, index) => reported(standing, report, now + index * everyMs),
    circuit,
  )
}

function probed(circuit: Circuit, token: string, now: number, sender?: string): Circuit {
  const leased = probing(circuit, token, sender, now)
  if (leased === undefined) throw new Error('nobody may probe now')
  return leased
}

test('a refused login opens the circuit at once', () => {
  expect(made([fault('auth')])).toMatchObject({ state: 'open', fault: 'auth' })
})

for (const kind of ['connect', 'relay', 'policy'] as const) {
  test(`the fifth ${kind} fault in 30 seconds opens the circuit, and no sooner`, () => {
    const faults = Array.from({ length: 5 }, () => fault(kind))
    expect(made(faults.slice(1), 0, 7_000).state).toBe('closed')
    expect(made(faults, 0, 7_000)).toMatchObject({ state: 'open', fault: kind })
    expect(made(faults, 0, 7_500).state).toBe('closed')
  })
}

test('an attempt that went well neither opens nor closes anything, unless it was the probe', () => {
  expect(reported(newCircuit, ok, 0)).toBe(newCircuit)
  const open = made([fault('auth')])
  expect(reported(open, ok, 1_000)).toBe(open)
})

test('faults of attempts that were on their way when it was opened change nothing', () => {
  const open = made([fault('auth')])
  expect(
    made(
      Array.from({ length: 40 }, () => fault('auth')),
      10,
      1,
      open,
    ),
  ).toBe(open)
})

test('nothing may pass until the first probe is due, and then one message', () => {
  const open = made([fault('auth')])
  expect(look(open, 'a@example.com', 4_999)).toEqual({
    kind: 'shut',
    until: 5_000,
    why: 'circuit',
    probed: false,
  })
  expect(probing(open, 'one', undefined, 4_999)).toBeUndefined()
  expect(look(open, 'a@example.com', 5_000)).toEqual({ kind: 'due' })
  const leased = probed(open, 'one', 5_000)
  expect(probing(leased, 'two', undefined, 5_000)).toBeUndefined()
  expect(look(leased, undefined, 5_001)).toMatchObject({ kind: 'shut', until: 15_000 })
})

test('the probe of a worker that died is free again after ten seconds, unless it is renewed', () => {
  const leased = probed(made([fault('auth')]), 'one', 5_000)
  expect(look(leased, undefined, 14_999).kind).toBe('shut')
  expect(look(leased, undefined, 15_000).kind).toBe('due')
  const longer = renewed(leased, 'one', 12_000)
  expect(longer && look(longer, undefined, 21_999).kind).toBe('shut')
  expect(renewed(leased, 'other', 12_000)).toBeUndefined()
})

test('a probe that says nothing is free for the next message at once', () => {
  const leased = probed(made([fault('auth')]), 'one', 5_000)
  expect(look(reported(leased, { verdict: 'none', probe: 'two' }, 5_001), undefined, 5_001).kind).toBe('shut')
  expect(look(reported(leased, { verdict: 'none', probe: 'one' }, 5_001), undefined, 5_001).kind).toBe('due')
})

/** The waits before each probe when all of them find the relay as it was. */
function waits(kind: Fault, probes: number): number[] {
  let circuit = made(Array.from({ length: 5 }, () => fault(kind)))
  let now = 0
  return Array.from({ length: probes }, (_, index) => {
    const waited = circuit.until - now
    now = circuit.until
    circuit = reported(probed(circuit, `p${index}`, now), fault(kind, { probe: `p${index}` }), now)
    return waited / 1000
  })
}

test('probes come at growing intervals, those of a login more slowly', () => {
  expect(waits('connect', 8)).toEqual([1, 2, 4, 8, 16, 30, 30, 30])
  expect(waits('auth', 7)).toEqual([5, 15, 45, 135, 405, 900, 900])
})

test('a wrong password for an hour costs a handful of logins of all workers together', () => {
  const inAnHour = waits('auth', 100).reduce(
    ({ seconds, logins }, wait) => ({
      seconds: seconds + wait,
      logins: logins + Number(seconds + wait < 3600),
    }),
    { seconds: 0, logins: 1 },
  )
  expect(inAnHour.logins).toBe(9)
})

test('a good probe makes it half-open; one fault opens it again for longer, ten good seconds close it', () => {
  const half = reported(probed(made([fault('auth')]), 'one', 5_000), { verdict: 'ok', probe: 'one' }, 6_000)
  expect(half).toMatchObject({ state: 'half' })
  expect(look(half, undefined, 6_000).kind).toBe('free')
  const again = reported(half, fault('auth'), 15_999)
  expect(again).toMatchObject({ state: 'open', openings: 2, until: 30_999 })
  const closed = reported(half, fault('connect'), 16_000)
  expect(closed).toMatchObject({ state: 'closed', openings: 0 })
})

test('a good probe counts although its time was over', () => {
  const leased = probed(made([fault('auth')]), 'one', 5_000)
  const stolen = probed(leased, 'two', 15_000)
  expect(reported(stolen, { verdict: 'ok', probe: 'one' }, 15_500).state).toBe('half')
  expect(reported(stolen, fault('auth', { probe: 'one' }), 15_500)).toBe(stolen)
})

test('a login begins with short waits, however often the relay could not be reached before', () => {
  let circuit = made(Array.from({ length: 5 }, () => fault('connect')))
  for (let index = 0; index < 8; index += 1)
    circuit = reported(
      probed(circuit, `p${index}`, circuit.until),
      fault('connect', { probe: `p${index}` }),
      circuit.until,
    )
  const { until } = circuit
  const refused = reported(probed(circuit, 'login', until), fault('auth', { probe: 'login' }), until)
  expect(refused).toMatchObject({ fault: 'auth', openings: 1, until: until + 5_000 })
})

test('a time that a relay names is waited for before the first probe, a quarter of an hour at the most', () => {
  const named = (retryAfterMs: number) => made([fault('relay', { isConfirmed: true, retryAfterMs })]).until
  expect(named(300_000)).toBe(300_000)
  expect(named(10)).toBe(1_000)
  expect(named(86_400_000)).toBe(900_000)
})

/** A circuit whose login was refused for the fifth time, and which waits for minutes. */
function longRefused(): Circuit {
  let circuit = made([fault('auth')])
  for (let index = 0; index < 4; index += 1)
    circuit = reported(
      probed(circuit, `p${index}`, circuit.until),
      fault('auth', { probe: `p${index}` }),
      circuit.until,
    )
  return circuit
}

test('a worker with a new password may try it at once, but not in a circle of restarts, and no other worker may', () => {
  const circuit = longRefused()
  const { openedAt, until } = circuit
  expect(until - openedAt).toBe(405_000)
  expect(look(seenBy(circuit, 'untried'), undefined, openedAt + 4_999).kind).toBe('shut')
  expect(look(seenBy(circuit, 'untried'), undefined, openedAt + 5_000).kind).toBe('due')
  expect(look(circuit, undefined, openedAt + 5_000).kind).toBe('shut')
  const down = made(Array.from({ length: 5 }, () => fault('connect')))
  expect(seenBy(down, 'untried')).toBe(down)
})

test('a worker whose own login was refused leaves the first probe to the others', () => {
  const circuit = longRefused()
  const { until } = circuit
  expect(look(seenBy(circuit, 'refused'), undefined, until + 999).kind).toBe('shut')
  expect(look(seenBy(circuit, undefined), undefined, until + 999).kind).toBe('due')
  expect(look(seenBy(circuit, 'refused'), undefined, until + 1_000).kind).toBe('due')
})

test('a login that is refused to one worker while that of another is taken opens nothing', () => {
  expect(made([fault('auth', { isOwn: true })])).toBe(newCircuit)
  const half = reported(probed(made([fault('auth')]), 'one', 5_000), { verdict: 'ok', probe: 'one' }, 6_000)
  expect(reported(half, fault('auth', { isOwn: true }), 6_100)).toBe(half)
})

test('what needs no other sign opens it at once, and what the relay said is kept until it closes', () => {
  const open = made([fault('relay', { isConfirmed: true, reply: '554 Relay access denied' })])
  expect(open).toMatchObject({ state: 'open', fault: 'relay', reply: '554 Relay access denied' })
  const half = reported(probed(open, 'one', open.until), { verdict: 'ok', probe: 'one' }, open.until)
  expect(half.reply).toBe('554 Relay access denied')
  expect(made([ok], half.until, 0, half)).toBe(half)
  expect(reported(half, fault('connect'), half.until).reply).toBeUndefined()
})

describe('a sender that is refused', () => {
  test('is held, and nobody else is', () => {
    const circuit = made([refusal('a@example.com')])
    expect(look(circuit, 'a@example.com', 59_999)).toEqual({
      kind: 'shut',
      until: 60_000,
      why: 'sender',
      probed: false,
    })
    expect(look(circuit, 'b@example.com', 1).kind).toBe('free')
    expect(circuit.state).toBe('closed')
  })

  test('is tried by one message when its time is over, and is free again when that went well', () => {
    const circuit = made([refusal('a@example.com')])
    expect(look(circuit, 'a@example.com', 60_000).kind).toBe('due')
    const leased = probed(circuit, 'one', 60_000, 'a@example.com')
    expect(probing(leased, 'two', 'a@example.com', 60_001)).toBeUndefined()
    const free = reported(leased, { verdict: 'ok', sender: 'a@example.com', probe: 'one' }, 60_100)
    expect(look(free, 'a@example.com', 60_100).kind).toBe('free')
  })

  test('waits longer each time, five minutes at the most', () => {
    let circuit = made([refusal('a@example.com')])
    let now = 0
    const minutes = Array.from({ length: 5 }, (_, index) => {
      const until = circuit.senders['a@example.com']?.until ?? 0
      const waited = until - now
      now = until
      circuit = reported(
        probed(circuit, `p${index}`, now, 'a@example.com'),
        refusal('a@example.com', `p${index}`),
        now,
      )
      return waited / 60_000
    })
    expect(minutes).toEqual([1, 2, 4, 5, 5])
  })

  test('counts once for all of its messages that were on their way', () => {
    const circuit = made([refusal('a@example.com')])
    expect(
      made(
        Array.from({ length: 50 }, () => refusal('a@example.com')),
        100,
        10,
        circuit,
      ),
    ).toBe(circuit)
  })

  test('opens the circuit only as the third one within a minute', () => {
    const three = ['a', 'b', 'c'].map((name) => refusal(`${name}@example.com`))
    expect(made(three.slice(1), 0, 29_000).state).toBe('closed')
    expect(made(three, 0, 29_000)).toMatchObject({ state: 'open', fault: 'sender' })
    expect(made(three, 0, 30_000).state).toBe('closed')
  })

  test('opens nothing by being refused again', () => {
    let circuit = made(
      ['a', 'b'].map((name) => refusal(`${name}@example.com`)),
      0,
      40_000,
    )
    for (const [name, now] of [
      ['a', 60_000],
      ['b', 100_000],
      ['a', 200_000],
    ] as const) {
      const sender = `${name}@example.com`
      circuit = reported(probed(circuit, `p${now}`, now, sender), refusal(sender, `p${now}`), now)
    }
    expect(circuit.state).toBe('closed')
    expect(Object.keys(circuit.senders)).toHaveLength(2)
  })

  test('as the probe shows that a relay that was away is back', () => {
    const leased = probed(made([fault('auth')]), 'one', 5_000)
    const half = reported(leased, refusal('a@example.com', 'one'), 5_100)
    expect(half.state).toBe('half')
    expect(look(half, 'a@example.com', 5_100).kind).toBe('shut')
  })

  test('may be called anything', () => {
    const circuit = made(['__proto__', 'constructor'].map((name) => refusal(name)))
    const copy = JSON.parse(JSON.stringify(circuit)) as Circuit
    for (const name of ['__proto__', 'constructor']) expect(look(copy, name, 1).kind).toBe('shut')
    expect(look(copy, 'toString', 1).kind).toBe('free')
  })
})

const faultKinds = fc.constantFrom<Fault>('connect', 'auth', 'relay', 'policy', 'sender')
const senders = fc.constantFrom('a', 'b', 'c', 'd')
const steps = fc.record({
  laterMs: fc.integer({ min: 0, max: 70_000 }),
  what: fc.constantFrom('ok', 'fault', 'none', 'probe'),
  kind: faultKinds,
  sender: senders,
  isProbe: fc.boolean(),
})

test('whatever happens, an open circuit can be probed within a quarter of an hour, and never by two at once', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60 }), (all) => {
      let circuit = newCircuit
      let now = 0
      let token = 'none'
      for (const { laterMs, what, kind, sender, isProbe } of all) {
        now += laterMs
        if (what === 'probe') {
          const leased = probing(circuit, `p${now}`, sender, now)
          if (leased?.state === 'open') expect(probing(leased, 'other', 'nobody', now)).toBeUndefined()
          if (leased) token = `p${now}`
          circuit = leased ?? circuit
        } else {
          const more = { sender, ...(isProbe ? { probe: token } : {}) }
          circuit = reported(circuit, what === 'fault' ? fault(kind, more) : { verdict: what, ...more }, now)
        }
        const seen = look(circuit, 'nobody', now)
        if (seen.kind === 'shut') expect(seen.until - now).toBeLessThanOrEqual(900_000)
        for (const name of ['a', 'b', 'c', 'd']) {
          const held = look(circuit, name, now)
          if (held.kind === 'shut') expect(held.until - now).toBeLessThanOrEqual(300_000)
        }
      }
    }),
    { numRuns: 500 },
  )
})
