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
})

test('a reply decides before an error code does', () => {
  const outcome = judgeExchange(broken('envelope', '421 4.3.2 Too busy'))
  expect(outcome).toMatchObject({ kind: 'deferred', reason: { code: '421 4.3.2' } })
})

test('a sender that the relay refuses is held, and its recipients do not fail', () => {
  const outcome = judgeExchange({ kind: 'refused', stage: 'mail', response: '550 5.7.1 not yours' })
  expect(outcome).toMatchObject({ kind: 'held', holdMs: 60_000 })
})

test('a refusal that is no reply is temporary', () => {
  expect(judgeExchange({ kind: 'refused', stage: 'rcpt', response: 'nonsense' }).kind).toBe('deferred')
})
