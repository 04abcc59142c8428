import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Exchange } from '../../src/delivery/delivery.js'
import { judgeExchange } from '../../src/delivery/judge.js'
import { outcomeKinds } from '../../src/delivery/outcome.js'
import { longestRetryAfterMs } from '../../src/delivery/retry-after.js'

const words = fc.constantFrom(
  '550',
  '421',
  '354',
  '5.1.1',
  '4.7.0',
  '5.999.999',
  'try again in',
  'retry after',
  '99999999999',
  '5 minutes',
  'too many',
  'blocked',
  'sender',
  'SPF',
  '\r\n',
  '\n550-',
  '\t',
  '-',
  '\u0000',
  '\ud800',
)
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(fc.oneof(words, fc.string({ maxLength: 8 })), { maxLength: 40 }).map((parts) => parts.join(' ')),
)
const response = fc.oneof(
  text,
  fc
    .tuple(
      fc.integer({ min: 0, max: 999 }),
      fc.constantFrom(' ', '-', '', '; ', '\t'),
      fc.constantFrom('', '5.1.1 ', '4.2.2 ', '(#5.7.1) '),
      text,
    )
    .map((parts) => parts.join('')),
)
const stage = fc.constantFrom('mail', 'rcpt', 'data', 'body')
const phase = fc.constantFrom('connect', 'envelope', 'window')
const code = fc.oneof(fc.constantFrom('EAUTH', 'ECONNRESET', '__proto__', 'toString'), fc.string())

const exchange: fc.Arbitrary<Exchange> = fc.oneof(
  fc.record({ kind: fc.constant('accepted'), response }),
  fc.record({ kind: fc.constant('refused'), stage, response }),
  fc.record(
    { kind: fc.constant('broken'), phase, code, message: text, response },
    { requiredKeys: ['kind', 'phase', 'code', 'message'] },
  ),
) as fc.Arbitrary<Exchange>

test('whatever a relay says, the judge answers with one outcome and never throws', () => {
  fc.assert(
    fc.property(exchange, (each) => {
      const outcome = judgeExchange(each)
      expect(outcomeKinds).toContain(outcome.kind)
      expect(outcome.kind === 'sent').toBe(each.kind === 'accepted')
      if (outcome.kind === 'deferred' && outcome.retryAfterMs !== undefined) {
        expect(outcome.retryAfterMs).toBeGreaterThan(0)
        expect(outcome.retryAfterMs).toBeLessThanOrEqual(longestRetryAfterMs)
      }
      if (outcome.kind === 'held') expect(outcome.holdMs).toBeLessThanOrEqual(longestRetryAfterMs)
    }),
    { numRuns: 3_000 },
  )
})

test('nothing fails a recipient before MAIL FROM, and nothing but a permanent reply ever does', () => {
  fc.assert(
    fc.property(exchange, (each) => {
      const outcome = judgeExchange(each)
      if (each.kind === 'broken' && each.phase === 'connect') expect(outcome.kind).toBe('held')
      if (outcome.kind !== 'failed') return
      expect(outcome.reason.reply?.code).toBeGreaterThanOrEqual(500)
    }),
    { numRuns: 3_000 },
  )
})

test('only silence after the final dot is unknown', () => {
  fc.assert(
    fc.property(exchange, (each) => {
      if (judgeExchange(each).kind !== 'unknown') return
      expect(each).toMatchObject({ kind: 'broken', phase: 'window' })
    }),
    { numRuns: 3_000 },
  )
})
