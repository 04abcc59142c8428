import { expect, test } from 'vitest'
import type { Exchange } from '../../src/delivery/delivery.js'
import { blame } from '../../src/smtp/blame.js'

const broken = (phase: 'connect' | 'envelope' | 'window', code: string, response?: string): Exchange => ({
  kind: 'broken',
  phase,
  code,
  message: 'broken',
  ...(response === undefined ? {} : { response }),
})

const connects: readonly (readonly [Exchange, object])[] = [
  [broken('connect', 'ECONNREFUSED'), { verdict: 'fault', fault: 'connect', words: 'broken' }],
  [broken('connect', 'ETIMEDOUT'), { verdict: 'fault', fault: 'connect', words: 'broken' }],
  [
    broken('connect', 'EAUTH', '535 5.7.8 Authentication failed'),
    { verdict: 'fault', fault: 'auth', words: '535 5.7.8 Authentication failed' },
  ],
  [broken('connect', 'EDKIM'), { verdict: 'none' }],
  [broken('connect', 'EMFILE'), { verdict: 'none' }],
  [broken('connect', 'ECONNABORTED'), { verdict: 'none' }],
]

test.each(connects)('of a connection that could not be had: %j', (exchange, verdict) => {
  expect(blame(exchange, { isProbe: false })).toEqual(verdict)
  expect(blame(exchange, { isProbe: true })).toEqual(verdict)
})

test('what got through, or was refused for the sake of its recipient, says that the relay is well', () => {
  expect(blame({ kind: 'accepted', response: '250 ok' }, { isProbe: true })).toEqual({ verdict: 'ok' })
  const refused: Exchange = { kind: 'refused', stage: 'rcpt', response: '550 5.1.1 User unknown' }
  expect(blame(refused, { isProbe: true })).toEqual({ verdict: 'ok' })
})

test('policy about us is a fault of that name, and so is being asked for less', () => {
  const policy: Exchange = {
    kind: 'refused',
    stage: 'body',
    response: '550 5.7.515 Access denied, not authenticated',
  }
  const slower: Exchange = {
    kind: 'refused',
    stage: 'body',
    response: '421 4.7.28 Unusual rate of mail, try again later',
  }
  for (const each of [policy, slower])
    expect(blame(each, { isProbe: false })).toMatchObject({
      verdict: 'fault',
      fault: 'policy',
      words: each.response,
    })
})

test('only what comes before a recipient, or no recipient’s server can say, is believed at once', () => {
  const said = (stage: 'mail' | 'rcpt' | 'data' | 'body', response: string) =>
    blame({ kind: 'refused', stage, response }, { isProbe: false })
  const sender = { verdict: 'fault', fault: 'sender' }
  const relay = { verdict: 'fault', fault: 'relay' }
  expect(said('mail', '550 5.7.1 not you')).toEqual({ ...sender, words: '550 5.7.1 not you' })
  const owned = '553 5.7.1 Sender address rejected: not owned by user ada'
  expect(said('rcpt', owned)).toEqual({ ...sender, words: owned })
  for (const stage of ['rcpt', 'data', 'body'] as const) {
    expect(said(stage, '550 5.7.1 Sender denied')).toMatchObject({ ...sender, isDoubtful: true })
    expect(said(stage, '554 5.7.1 Relay access denied')).toMatchObject({ ...relay, isDoubtful: true })
  }
  expect(said('mail', '550 relaying denied')).not.toHaveProperty('isDoubtful')
  expect(blame(broken('connect', 'X', '554 no'), { isProbe: false })).not.toHaveProperty('isDoubtful')
})

test('a connection lost on the way speaks against the relay only when it was the probe', () => {
  for (const phase of ['envelope', 'window'] as const) {
    expect(blame(broken(phase, 'ECONNRESET'), { isProbe: false })).toEqual({ verdict: 'none' })
    expect(blame(broken(phase, 'ECONNRESET'), { isProbe: true })).toEqual({
      verdict: 'fault',
      fault: 'relay',
    })
    expect(blame(broken(phase, 'ECONNABORTED'), { isProbe: true })).toEqual({ verdict: 'none' })
  }
})

test('an attempt that was stopped before the wire says nothing', () => {
  expect(blame({ kind: 'stopped', answer: 'superseded' }, { isProbe: true })).toEqual({ verdict: 'none' })
})

test('a time that the reply names is told as well', () => {
  const response = '421 4.7.0 too many connections, try again in 5 minutes'
  expect(blame(broken('connect', 'ECONNECTION', response), { isProbe: false })).toMatchObject({
    retryAfterMs: 300_000,
  })
})

test('being asked for less is no fault while less can be sent, and a probe that hears it has found the relay', () => {
  const asked: readonly Exchange[] = [
    { kind: 'refused', stage: 'mail', response: '451 4.7.1 Too many messages, slow down' },
    broken('connect', 'EPROTOCOL', '421 4.7.0 too many connections'),
  ]
  for (const exchange of asked) {
    expect(blame(exchange, { isProbe: false, canSlowDown: true })).toEqual({ verdict: 'none' })
    expect(blame(exchange, { isProbe: true, canSlowDown: true })).toEqual({ verdict: 'ok' })
    expect(blame(exchange, { isProbe: false, canSlowDown: false })).toMatchObject({ fault: 'policy' })
  }
  const policy: Exchange = { kind: 'refused', stage: 'mail', response: '550 5.7.515 Access denied' }
  expect(blame(policy, { isProbe: false, canSlowDown: true })).toMatchObject({ fault: 'policy' })
})

test('what one relay calls slower is asked for less as well', () => {
  const exchange: Exchange = { kind: 'refused', stage: 'mail', response: '550 5.7.1 Fair use exceeded' }
  expect(blame(exchange, { isProbe: false, slower: ['fair use'] })).toMatchObject({ fault: 'policy' })
})
