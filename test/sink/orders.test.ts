import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyOrders, orderHelp, parseOrder, refusalOf, replyDelayMs } from '../../src/sink/orders.js'

describe('an order stands at the start of the local part', () => {
  test.each([
    ['defer-2-ann@example.com', { kind: 'defer', times: 2 }],
    ['Defer-10-ann@example.com', { kind: 'defer', times: 10 }],
    ['slow-3-ann@example.com', { kind: 'slow', ms: 3000 }],
    ['slow-0.25-ann@example.com', { kind: 'slow', ms: 250 }],
    ['reject-ann@example.com', { kind: 'reject' }],
    ['REJECT-ann@example.com', { kind: 'reject' }],
    ['full-ann@example.com', { kind: 'full' }],
    ['busy-ann@example.com', { kind: 'busy' }],
    ['cut-ann@example.com', { kind: 'cut' }],
    ['lost-ann@example.com', { kind: 'lost' }],
    ['ann@example.com', { kind: 'accept' }],
    ['rejected@example.com', { kind: 'accept' }],
    ['defer-ann@example.com', { kind: 'accept' }],
    ['slow@example.com', { kind: 'accept' }],
    ['ann-reject-x@example.com', { kind: 'accept' }],
  ])('%s', (address, order) => {
    expect(parseOrder(address)).toEqual(order)
  })

  test('a message is delayed by the slowest of its recipients, and never by less than the latency', () => {
    expect(replyDelayMs(['slow-1-a@x.example', 'slow-3-b@x.example', 'c@x.example'], 20)).toBe(3000)
    expect(replyDelayMs(['slow-0.01-a@x.example'], 20)).toBe(20)
    expect(replyDelayMs([], 0)).toBe(0)
  })

  test('one recipient is enough to lose or cut a message', () => {
    expect(anyOrders(['a@x.example', 'cut-b@x.example'], 'cut')).toBe(true)
    expect(anyOrders(['a@x.example', 'cut-b@x.example'], 'lost')).toBe(false)
  })

  test('every address in the help carries an order', () => {
    for (const { address } of orderHelp) expect(parseOrder(`${address}example.com`).kind).not.toBe('accept')
  })

  test('whatever the address, a refusal is one line of a 4yz or 5yz reply', () => {
    const word = fc.constantFrom('defer-3-', 'reject-', 'full-', 'busy-', 'slow-1-', 'cut-', 'lost-', '')
    fc.assert(
      fc.property(word, fc.emailAddress(), fc.nat(5), (prefix, address, deferrals) => {
        const refusal = refusalOf(parseOrder(prefix + address), prefix + address, deferrals)
        if (!refusal) return
        expect(refusal.code).toBeGreaterThanOrEqual(400)
        expect(refusal.text).toMatch(/^[45]\.\d\.\d /)
        expect(refusal.text.startsWith(String(refusal.code).charAt(0))).toBe(true)
      }),
    )
  })
})
