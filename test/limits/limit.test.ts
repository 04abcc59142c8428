import { expect, test } from 'vitest'
import { type LimitState, limitNow, relayBucket } from '../../src/limits/limit.js'

test('where the rate is taken away that a burst goes with, a rate found by tuning has a burst of its own', () => {
  const state: LimitState = {
    configured: { ratePerSecond: 20, burst: 10, selfTuning: true, providers: {} },
    shares: {},
    set: { [relayBucket]: { ratePerSecond: null } },
    tuned: { [relayBucket]: { at: 0, perSecond: 400 } },
  }
  const { perSecond, capacity } = limitNow(state, relayBucket, 0)
  expect(perSecond).toBeGreaterThan(100)
  expect(capacity).toBeGreaterThan(perSecond / 5)
})
