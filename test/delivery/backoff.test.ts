import { expect, test } from 'vitest'
import { defaultLanes } from '../../src/config.js'
import { ageMs, expired, retryDelayMs } from '../../src/delivery/backoff.js'
import { deliveryOf, payloadOf } from '../../src/queue/payload.js'

const rule = { delaysMs: [100, 200], jitter: 0, maxAgeMs: 1000, unknown: 'hold' } as const

const asRetry = ({
  delaysMs,
  jitter,
  maxAgeMs,
}: {
  delaysMs: readonly number[]
  jitter: number
  maxAgeMs: number
}) => ({
  delaysMs: [...delaysMs],
  jitter,
  maxAgeMs,
})

function delivery(fields: { attemptsMade?: number; firstAttemptAt?: number; heldMs?: number } = {}) {
  const data = payloadOf({ contentHash: 'a'.repeat(64), recipient: { address: 'a@example.com' } })
  const job = { id: 'x.1', lane: 'bulk', data, timestamp: 0, attemptsMade: 0, stalledCounter: 0 }
  return { ...deliveryOf(job, 0), ...fields }
}

test('the delays follow the rule and the last one repeats', () => {
  expect([1, 2, 3, 9].map((attempt) => retryDelayMs(asRetry(rule), attempt, 0.5))).toEqual([
    100, 200, 200, 200,
  ])
})

test('jitter spreads a delay evenly around it', () => {
  const spread = { ...rule, jitter: 0.2 }
  expect([0, 0.5, 1].map((chance) => retryDelayMs(asRetry(spread), 1, chance))).toEqual([80, 100, 120])
})

test('a time that the reply named comes first where it is longer than the rule', () => {
  const delays = [50, 100, 101, 5000].map((ms) => retryDelayMs(asRetry(rule), 1, 0.5, ms))
  expect(delays).toEqual([100, 100, 101, 5000])
  expect(retryDelayMs({ ...asRetry(rule), jitter: 1 }, 1, 0, 80)).toBe(80)
})

test('the built-in lanes wait 1, 5, 15 min, 1, 2, 4 h', () => {
  const minutes = defaultLanes.bulk?.retry.delaysMs.map((ms) => ms / 60_000)
  expect(minutes).toEqual([1, 5, 15, 60, 120, 240])
})

test('age counts from the first attempt and leaves out time held', () => {
  expect(ageMs({ heldMs: 0 }, 5000)).toBe(0)
  expect(ageMs({ firstAttemptAt: 1000, heldMs: 0 }, 5000)).toBe(4000)
  expect(ageMs({ firstAttemptAt: 1000, heldMs: 3500 }, 5000)).toBe(500)
})

test('past its age a deferred delivery is given up, with its age said', () => {
  expect(expired(delivery({ firstAttemptAt: 0 }), rule, 999)).toBeUndefined()
  expect(expired(delivery({ firstAttemptAt: 0 }), rule, 5000)).toBe('it is 5 s old and its lane allows 1 s')
  expect(expired(delivery({ firstAttemptAt: 0, heldMs: 4500 }), rule, 5000)).toBeUndefined()
})

test('a lane may limit the attempts as well', () => {
  const limited = { ...rule, maxAttempts: 3 }
  expect(expired(delivery({ attemptsMade: 1 }), limited, 0)).toBeUndefined()
  expect(expired(delivery({ attemptsMade: 2 }), limited, 0)).toBe('3 attempts were made')
})
