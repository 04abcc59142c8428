import { expect, test } from 'vitest'
import type { Clock } from '../../src/clock.js'
import { systemClock } from '../../src/clock.js'
import type { Exchange } from '../../src/delivery/delivery.js'
import { type LimitState, limitNow, type RelayLimits, relayBucket } from '../../src/limits/limit.js'
import { createTuner, type TunerOptions } from '../../src/limits/tuner.js'

const startedAt = 1_000_000
const second = 1_000

interface Stage {
  now: number
  state: LimitState
  rates: Record<string, number>
  readonly cuts: string[]
  readonly later: (() => void)[]
  readonly tuner: ReturnType<typeof createTuner>
  hear(exchange: Exchange, provider?: string, at?: number): Promise<void>
  perSecond(bucket?: string): number
}

/** A tuner over limits that are nobody else's, at a time that stands still. */
function stageOf(configured: Partial<RelayLimits> = {}, options: Partial<TunerOptions> = {}): Stage {
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => stage.now,
    after: (_ms, run) => {
      stage.later.push(run)
      return () => void stage.later.splice(stage.later.indexOf(run), 1)
    },
  }
  const limits: TunerOptions['limits'] = {
    now: () => stage.now,
    state: () => stage.state,
    limit: (_relay, bucket) => limitNow(stage.state, bucket, stage.now),
    rate: (_relay, bucket) => stage.rates[bucket] ?? 0,
    async change(_relay, change) {
      const next = change(stage.state, stage.now)
      stage.state = next ?? stage.state
      return next !== undefined
    },
  }
  const cut = (_relay: string, bucket: string, reply: string) => void stage.cuts.push(`${bucket}: ${reply}`)
  const stage: Stage = {
    now: startedAt,
    state: {
      configured: { ratePerSecond: 200, selfTuning: true, providers: {}, ...configured },
      shares: {},
      set: {},
      tuned: {},
    },
    rates: {},
    cuts: [],
    later: [],
    tuner: createTuner({ limits, clock, cut, ...options }),
    async hear(exchange, provider = 'other', at = stage.now) {
      stage.tuner.hear({ relay: 'main', provider, exchange, startedAt: at, recipient: 'ada@example.com' })
      await new Promise((resolve) => setImmediate(resolve))
    },
    perSecond: (bucket = relayBucket) => limitNow(stage.state, bucket, stage.now).perSecond,
  }
  return stage
}

const accepted: Exchange = { kind: 'accepted', response: '250 ok' }
const refused = (stage: 'mail' | 'rcpt' | 'data' | 'body', response: string): Exchange => ({
  kind: 'refused',
  stage,
  response,
})
const slowDown = refused('mail', '451 4.7.1 Too many messages, slow down')
const tooMuchMail = refused('body', '452 4.2.1 too much mail, slow down')

test('a reply that asks for less halves the rate of the relay', async () => {
  const stage = stageOf()
  await stage.hear(slowDown)
  expect(stage.perSecond()).toBeCloseTo(100)
  expect(stage.cuts).toEqual([': 451 4.7.1 Too many messages, slow down'])
  expect(stage.state.tuned[relayBucket]).toMatchObject({ at: startedAt, perSecond: 200 })
})

test('what began before a cut, or in the second after it, makes no other one', async () => {
  const stage = stageOf()
  await stage.hear(slowDown)
  stage.now += 3 * second
  const before = stage.perSecond()
  await stage.hear(slowDown, 'other', startedAt - 1)
  await stage.hear(slowDown, 'other', startedAt + 999)
  expect(stage.cuts).toHaveLength(1)
  await stage.hear(slowDown, 'other', startedAt + 1_000)
  expect(stage.cuts).toHaveLength(2)
  expect(stage.perSecond()).toBeCloseTo(before / 2)
})

test.each([accepted, refused('rcpt', '550 5.1.1 no such user'), refused('rcpt', '450 4.2.1 Greylisted')])(
  'nothing else changes anything: %j',
  async (exchange) => {
    const stage = stageOf()
    const before = stage.state
    await stage.hear(exchange)
    expect(stage.state).toBe(before)
  },
)

test('without self-tuning nothing is cut', async () => {
  const stage = stageOf({ selfTuning: false })
  await stage.hear(slowDown)
  expect(stage.state.tuned).toEqual({})
  expect(stage.tuner.canSlowDown('main')).toBe(false)
})

test('without a limit what the fleet got through is gone by, and what this worker did where that is not known', async () => {
  const known = stageOf({ ratePerSecond: undefined })
  known.rates = { [relayBucket]: 80 }
  await known.hear(slowDown)
  expect(known.perSecond()).toBeCloseTo(100)
  const own = stageOf({ ratePerSecond: undefined })
  for (let sent = 0; sent < 30; sent += 1) await own.hear(accepted)
  await own.hear(slowDown)
  expect(own.perSecond()).toBeCloseTo(37.5)
})

const spoken: readonly (readonly [string, Exchange, string])[] = [
  ['before a recipient is named', slowDown, relayBucket],
  ['at the greeting', broken('421 4.7.0 too many connections from 192.0.2.1'), relayBucket],
  ['by 421', refused('rcpt', '421 4.3.2 too many messages, slow down'), relayBucket],
  [
    'in words of the relay',
    refused('data', '454 Throttling failure: Maximum sending rate exceeded'),
    relayBucket,
  ],
  ['in words of Google', refused('body', '421 4.7.28 unusual rate of mail, rate limited'), 'google'],
  ['in words of nobody', tooMuchMail, 'google'],
  [
    'by the server behind the relay, whose words it hands on',
    refused(
      'rcpt',
      '421 4.7.0 host mx.example.net[192.0.2.7] said: 454 Throttling failure, too many concurrent connections (in reply to RCPT TO command)',
    ),
    'google',
  ],
]

function broken(response: string): Exchange {
  return { kind: 'broken', phase: 'connect', code: 'EPROTOCOL', message: 'refused', response }
}

test.each(spoken)('what is said %s is of the right bucket', async (_when, exchange, bucket) => {
  const stage = stageOf({ ratePerSecond: 200, providers: { google: { ratePerSecond: 40 } } })
  await stage.hear(exchange, 'google')
  expect(Object.keys(stage.state.tuned)).toEqual([bucket])
})

test('two providers that ask for less within ten seconds are the relay', async () => {
  const stage = stageOf()
  stage.rates = { google: 30, yahoo: 20 }
  await stage.hear(tooMuchMail, 'google')
  stage.now += 9 * second
  await stage.hear(tooMuchMail, 'yahoo')
  expect(Object.keys(stage.state.tuned).toSorted()).toEqual([relayBucket, 'google', 'yahoo'])
  const apart = stageOf()
  apart.rates = { google: 30, yahoo: 20 }
  await apart.hear(tooMuchMail, 'google')
  apart.now += 11 * second
  await apart.hear(tooMuchMail, 'yahoo')
  expect(Object.keys(apart.state.tuned).toSorted()).toEqual(['google', 'yahoo'])
})

test('a provider that asked for less in its own words says nothing of the relay', async () => {
  const stage = stageOf()
  stage.rates = { yahoo: 30, other: 20 }
  await stage.hear(refused('rcpt', '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred'), 'yahoo')
  stage.now += second
  await stage.hear(tooMuchMail, 'other')
  expect(Object.keys(stage.state.tuned).toSorted()).toEqual(['other', 'yahoo'])
})

test('what one relay calls slower is configured', async () => {
  const exchange = refused('rcpt', '450 4.2.1 Peak SMTP relay limit exceeded for customer')
  const own = stageOf({}, { slowerReplies: { main: ['450 4.2.1 peak smtp relay limit'] } })
  await own.hear(exchange, 'google')
  expect(Object.keys(own.state.tuned)).toEqual([relayBucket])
})

test('connections are halved with the rate of the relay, and not with that of a provider', async () => {
  const stage = stageOf({}, { connections: async () => 12 })
  stage.rates = { google: 30 }
  await stage.hear(slowDown)
  await stage.hear(tooMuchMail, 'google')
  expect(limitNow(stage.state, relayBucket, stage.now).connections).toBe(6)
  expect(stage.state.tuned.google).not.toHaveProperty('connections')
})

test('one cut after the other takes connections away only where these are too many', async () => {
  const connections = async () => 4
  const tooFast = stageOf({}, { connections })
  const tooMany = stageOf({}, { connections })
  for (let cut = 0; cut < 3; cut += 1) {
    await tooFast.hear(slowDown)
    await tooMany.hear(refused('mail', '421 4.7.0 too many connections'))
    tooFast.now += second
    tooMany.now += second
  }
  expect(tooFast.state.tuned[relayBucket]?.connections).toBe(10)
  expect(tooMany.state.tuned[relayBucket]?.connections).toBe(4)
})

test('a count of connections that cannot be had does not keep the rate from being cut', async () => {
  const stage = stageOf({}, { connections: () => Promise.reject(new Error('away')) })
  await stage.hear(slowDown)
  expect(stage.perSecond()).toBeCloseTo(100)
})

test('the reply that is kept names nobody', async () => {
  const stage = stageOf()
  await stage.hear(refused('mail', '451 4.7.1 too many messages for <ADA@example.com>, bob@example.com'))
  expect(stage.cuts).toHaveLength(1)
  expect(JSON.stringify(stage.state)).not.toMatch(/ada|bob/i)
})

test('less can be sent until the lowest rate is reached', async () => {
  const stage = stageOf({ ratePerSecond: 4 })
  expect(stage.tuner.canSlowDown('main')).toBe(true)
  for (let cut = 0; cut < 12; cut += 1) {
    await stage.hear(slowDown)
    stage.now += second
  }
  stage.now -= second
  expect(stage.perSecond()).toBeCloseTo(0.4)
  expect(stage.tuner.canSlowDown('main')).toBe(false)
  stage.now += 60 * second
  expect(stage.tuner.canSlowDown('main')).toBe(true)
})

test('a warm-up begins with the first message and counts what was asked to be slower', async () => {
  const stage = stageOf({ warmup: { from: 100, to: 10_000, days: 10 } })
  await stage.hear(accepted)
  for (const run of stage.later.splice(0)) run()
  await stage.hear(accepted)
  expect(stage.state.warmup).toMatchObject({ step: 0, startedAt })
  await stage.hear(slowDown)
  await stage.tuner.close()
  expect(stage.state.warmup).toMatchObject({ attempts: 3, slowed: 1 })
  expect(limitNow(stage.state, relayBucket, stage.now).perDay).toBe(100)
})

test('what never came to be mail is no day of a warm-up', async () => {
  const stage = stageOf({ warmup: { from: 100, to: 10_000, days: 10 } })
  await stage.hear({ kind: 'broken', phase: 'connect', code: 'ECONNREFUSED', message: 'refused' })
  await stage.hear({
    kind: 'broken',
    phase: 'connect',
    code: 'EAUTH',
    message: 'x',
    response: '535 5.7.8 no',
  })
  await stage.hear(refused('mail', '550 5.7.1 Sender address rejected: not logged in'))
  await stage.tuner.close()
  expect(stage.state.warmup).toBeUndefined()
})
