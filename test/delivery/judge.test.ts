import { expect, test } from 'vitest'
import type { Exchange } from '../../src/delivery/delivery.js'
import { judgeExchange } from '../../src/delivery/judge.js'

const broken = (phase: 'connect' | 'envelope' | 'window', response?: string): Exchange => ({
  kind: 'broken',
  phase,
  code: 'ECONNECTION',
  message: 'Connection closed unexpectedly',
  ...(response === undefined ? {} : { response }),
})

test('a 2yz to the final dot is sent', () => {
  expect(judgeExchange({ kind: 'accepted', response: '250 2.0.0 queued as 1' })).toEqual({
    kind: 'sent',
    reply: { code: 250, enhanced: '2.0.0', text: 'queued as 1' },
  })
})

test('a connection lost before the final dot is deferred', () => {
  expect(judgeExchange(broken('envelope')).kind).toBe('deferred')
})

test('a connection lost after the final dot is unknown, never sent again by itself', () => {
  expect(judgeExchange(broken('window')).kind).toBe('unknown')
})

test('a relay that cannot be reached holds the delivery and fails nobody', () => {
  expect(judgeExchange(broken('connect')).kind).toBe('held')
  expect(judgeExchange(broken('connect', '535 5.7.8 Authentication failed')).kind).toBe('held')
  expect(judgeExchange(broken('connect', '554 5.7.1 No service for you')).kind).toBe('held')
  expect(judgeExchange(broken('connect', '550 5.1.1 No such user')).kind).toBe('held')
})

test('a reply decides before an error code does', () => {
  const outcome = judgeExchange(broken('envelope', '421 4.3.2 Too busy'))
  expect(outcome).toMatchObject({ kind: 'deferred', reason: { code: '421 4.3.2' } })
})

test('a sender that the relay refuses is held, and its recipients do not fail', () => {
  const outcome = judgeExchange({ kind: 'refused', stage: 'mail', response: '550 5.7.1 not yours' })
  expect(outcome).toMatchObject({ kind: 'held', fault: 'sender', holdMs: 60_000 })
})

test('a sender refused with a recipient on the table waits, since that may be the word of its own server', () => {
  const refused = (stage: 'rcpt' | 'body', response: string) =>
    judgeExchange({ kind: 'refused', stage, response })
  const denied = '550 5.7.1 Sender denied'
  expect(refused('rcpt', denied)).toMatchObject({ kind: 'deferred', fault: 'sender' })
  expect(refused('body', '550 5.7.26 DMARC')).toMatchObject({ kind: 'deferred', fault: 'sender' })
  const owned = '553 5.7.1 <news@example.com>: Sender address rejected: not owned by user ada'
  expect(refused('rcpt', owned)).toMatchObject({ kind: 'held', fault: 'sender' })
})

test('when we may not relay, recipients are asked again once a minute and none of them fails', () => {
  for (const response of ['550 Relaying denied', '554 5.7.1 <a@example.com>: Relay access denied'])
    for (const stage of ['rcpt', 'data', 'body'] as const)
      expect(judgeExchange({ kind: 'refused', stage, response })).toMatchObject({
        kind: 'held',
        fault: 'relay',
        holdMs: 60_000,
      })
})

test('a refusal that is no reply is temporary', () => {
  expect(judgeExchange({ kind: 'refused', stage: 'rcpt', response: 'nonsense' }).kind).toBe('deferred')
})

test('what a held delivery waits for is said: the connection, the login, the relay, the sender or our standing', () => {
  const faultOf = (exchange: Exchange) => {
    const outcome = judgeExchange(exchange)
    return outcome.kind === 'held' ? outcome.fault : outcome.kind
  }
  const refused = (stage: 'mail' | 'rcpt' | 'body', response: string) =>
    faultOf({ kind: 'refused', stage, response })
  expect(faultOf(broken('connect'))).toBe('connect')
  expect(faultOf({ ...broken('connect', '535 no'), code: 'EAUTH' } as Exchange)).toBe('auth')
  expect(faultOf({ ...broken('connect', '454 4.7.0 later'), code: 'EAUTH' } as Exchange)).toBe('auth')
  expect(faultOf(broken('connect', '554 no service'))).toBe('relay')
  expect(refused('rcpt', '554 5.7.1 Relay access denied')).toBe('relay')
  expect(refused('mail', '550 not you')).toBe('sender')
  expect(refused('body', '550 5.7.515 Access denied')).toBe('policy')
  expect(refused('mail', '553 5.1.8 no such domain')).toBe('failed')
})

test('a relay that asks for less defers the delivery and says so', () => {
  const response = '421 4.7.0 Error: too many connections from 192.0.2.1, try again in 2 minutes'
  expect(judgeExchange({ kind: 'refused', stage: 'mail', response })).toMatchObject({
    kind: 'deferred',
    slower: true,
    retryAfterMs: 120_000,
  })
  const outcome = judgeExchange(broken('connect', response))
  expect(outcome).toMatchObject({ kind: 'held', slower: true, holdMs: 120_000 })
  expect(outcome).not.toHaveProperty('fault')
})

test('a time that the reply names is carried along, and lengthens a hold but never shortens it', () => {
  const refused = (stage: 'mail' | 'rcpt', response: string) =>
    judgeExchange({ kind: 'refused', stage, response })
  expect(refused('rcpt', '451 4.7.1 Greylisted for 5 minutes')).toMatchObject({ retryAfterMs: 300_000 })
  expect(refused('rcpt', '451 4.7.1 Greylisted')).not.toHaveProperty('retryAfterMs')
  expect(refused('mail', '550 refused, try again in 1 hour')).toMatchObject({ holdMs: 3_600_000 })
  expect(refused('mail', '550 refused, try again in 1 second')).toMatchObject({ holdMs: 60_000 })
})

test('a reply whose command is not known fails nobody', () => {
  expect(judgeExchange(broken('envelope', '550 5.1.1 No such user')).kind).toBe('deferred')
})

test('a reply to the final dot decides, also when the connection broke with it', () => {
  expect(judgeExchange(broken('window', '554 5.6.0 Malformed')).kind).toBe('failed')
  expect(judgeExchange(broken('window', '421 4.3.2 Going down')).kind).toBe('deferred')
})
