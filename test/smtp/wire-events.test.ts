import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { RelayOptions } from '../../src/config.js'
import { openSink, type SinkOptions } from '../../src/sink/sink.js'
import { createPool } from '../../src/smtp/pool.js'
import { Stopwatch } from '../../src/smtp/stopwatch.js'
import type { Answered, Phase } from '../../src/smtp/wire-events.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { smtpEvents } from '../../src/telemetry/smtp-report.js'
import { eventually } from '../helpers/eventually.js'
import { expositionOf } from '../helpers/exposition.js'
import { cert, key } from '../sink/certificate.js'
import { openScriptedRelay } from './scripted-relay.js'
import { relayTo, type Sending, sendOver } from './sending.js'

interface Heard {
  readonly phases: readonly (readonly [Phase, number])[]
  readonly replies: readonly (readonly [Answered, number])[]
}

/** Sends one message after the other over one connection, and says what was told of it. */
async function heardOf(
  port: number,
  recipients: readonly string[],
  { sending = {}, ...options }: Partial<RelayOptions> & { sending?: Sending } = {},
): Promise<Heard> {
  const phases: [Phase, number][] = []
  const replies: [Answered, number][] = []
  let isClosed = false
  const pool = createPool('main', relayTo(port, options), systemClock, {
    opened: () => undefined,
    closed: () => {
      isClosed = true
    },
    failed: () => {
      isClosed = true
    },
    wire: {
      timed: (phase, seconds) => void phases.push([phase, seconds]),
      replied: (to, code) => void replies.push([to, code]),
    },
  })
  for (const to of recipients) await sendOver(pool, to, sending)
  pool.close()
  await eventually('the connection has ended', () => isClosed)
  return { phases, replies }
}

const names = ({ phases }: Heard) => phases.map(([phase]) => phase)
const seconds = ({ phases }: Heard, phase: Phase) =>
  phases.filter(([each]) => each === phase).reduce((sum, [, time]) => sum + time, 0)

const login = { username: 'user', password: 'secret' }
const trusting = { tls: { rejectUnauthorized: false } }
const secured: [string, SinkOptions, Partial<RelayOptions>, readonly Answered[]][] = [
  ['with STARTTLS', {}, { useTls: true }, ['greeting', 'hello', 'tls', 'hello', 'login']],
  [
    'with TLS from the beginning',
    { secure: true },
    { useTls: false, useSsl: true },
    ['greeting', 'hello', 'login'],
  ],
]

test.each(secured)(
  '%s each phase is timed once for each time that it came to its end',
  async (_how, way, mode, opening) => {
    await using sink = await openSink({ httpPort: false, tls: { key, cert }, auth: login, ...way })
    const to = ['a@example.com', 'reject-b@example.com', 'c@example.com']
    const heard = await heardOf(sink.smtpPort, to, { ...login, ...trusting, ...mode })
    const phases = names(heard)
    expect(phases.toSorted()).toEqual(
      ['connect', 'tls', 'auth', 'envelope', 'data', 'envelope', 'envelope', 'data'].toSorted(),
    )
    expect(heard.replies.slice(0, opening.length).map(([stage]) => stage)).toEqual(opening)
    const given = new Map<number, number>()
    for (const [, code] of heard.replies) given.set(code, (given.get(code) ?? 0) + 1)
    expect(given).toEqual(sink.replies)
  },
)

test('the time that a relay takes is that of the phase in which it took it', async () => {
  await using sink = await openSink({ httpPort: false, latencyMs: 300 })
  const slowBody = await heardOf(sink.smtpPort, ['a@example.com'])
  expect(seconds(slowBody, 'data')).toBeGreaterThan(0.29)
  expect(seconds(slowBody, 'envelope')).toBeLessThan(0.25)
  sink.order({ latencyMs: 0, answerMs: 300 })
  const slowAnswers = await heardOf(sink.smtpPort, ['a@example.com'])
  expect(seconds(slowAnswers, 'envelope')).toBeGreaterThan(0.29)
  expect(seconds(slowAnswers, 'connect')).toBeLessThan(0.25)
})

test('the time in which leave to send is asked for is none of the phases', async () => {
  await using sink = await openSink({ httpPort: false })
  const beforeBody = async () => {
    await systemClock.sleep(400)
    return 'ok' as const
  }
  for (const size of [100, 200_000]) {
    const bytes = Buffer.from(
      `Subject: hello\r\n\r\n${'x'
        .repeat(70)
        .concat('\r\n')
        .repeat(size / 72)}`,
    )
    const heard = await heardOf(sink.smtpPort, ['a@example.com'], { sending: { beforeBody, bytes } })
    expect(names(heard)).toEqual(['connect', 'envelope', 'data'])
    expect(seconds(heard, 'data') + seconds(heard, 'envelope')).toBeLessThan(0.35)
  }
})

test('a login that is refused has taken its time, and what never came to its end has none', async () => {
  await using sink = await openSink({ httpPort: false, auth: login })
  const refused = await heardOf(sink.smtpPort, ['a@example.com'], { username: 'user', password: 'wrong' })
  expect(names(refused)).toEqual(['connect', 'auth'])
  expect(refused.replies.at(-1)).toEqual(['login', 535])
  await using silent = await openScriptedRelay({ answer: (said) => (said === 'DATA' ? '' : undefined) })
  const cut = await heardOf(silent.port, ['a@example.com'], { timeoutMs: 200 })
  expect(names(cut)).toEqual(['connect'])
})

test('a reply is told with what it answers, also where several come at once, and what nobody asked for as other', async () => {
  await using relay = await openScriptedRelay({
    capabilities: ['PIPELINING'],
    answer: (said) => {
      if (said.startsWith('RCPT')) return '250-fine\r\n250 ok'
      if (said === 'QUIT') return '221 bye\r\n421 and more'
      return undefined
    },
    answerBody: () => '450 later',
  })
  const { replies } = await heardOf(relay.port, ['a@example.com'])
  expect(replies.slice(0, 7)).toEqual([
    ['greeting', 220],
    ['hello', 250],
    ['mail', 250],
    ['rcpt', 250],
    ['data', 354],
    ['body', 450],
    ['other', 221],
  ])
})

test('whatever a relay replies, the labels are of a closed set', async () => {
  const metrics = createMetrics()
  const wire = smtpEvents(() => metrics).wire?.('main')
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: -10, max: 1200 }), fc.double()), (code) => {
      wire?.replied('rcpt', code)
    }),
    { numRuns: 2_000 },
  )
  wire?.replied('rcpt', Number.NaN)
  const { series } = await expositionOf({ metrics })
  const labels = series
    .filter(({ name }) => name === 'fluxmail_smtp_replies_total')
    .map((each) => each.labels)
  expect(labels.length).toBeGreaterThan(100)
  expect(labels.length).toBeLessThanOrEqual(401)
  for (const { class: group, code } of labels)
    expect(`${group} ${code}`).toMatch(/^(([2-5]) \2\d\d|other other)$/)
})

test('a stopwatch adds up what one phase took in pieces, and leaves out what was in between', () => {
  let now = 0
  const told: [Phase, number][] = []
  const watch = new Stopwatch({ monotonicMs: () => now }, (phase, time) => void told.push([phase, time]))
  const spend = (ms: number) => {
    now += ms
  }
  watch.run('connect')
  spend(1_000)
  watch.run('tls')
  spend(500)
  watch.end('tls')
  watch.run('connect')
  spend(250)
  watch.end('connect')
  watch.end('connect')
  spend(9_000)
  watch.run('data')
  spend(125)
  watch.stop()
  spend(9_000)
  watch.run('data')
  spend(125)
  watch.end('data')
  expect(told).toEqual([
    ['tls', 0.5],
    ['connect', 1.25],
    ['data', 0.25],
  ])
})
