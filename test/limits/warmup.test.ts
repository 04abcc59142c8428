import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stepPerDay, type WarmupState, warmedUp, warmupAt, warmupPerDay } from '../../src/limits/warmup.js'

const warmup = { from: 50, to: 50_000, days: 30 }
const day = 86_400_000
const none = { attempts: 0, slowed: 0 }

/** What a day comes to on which so much was sent. */
function after(state: WarmupState, attempts: number, slowed: number): WarmupState {
  const end = state.startedAt + day
  return warmupAt(warmup, warmedUp(warmup, state, { attempts, slowed }, end - 1), end)
}

test('it goes from the first to the last number, each day as many times the day before', () => {
  expect(stepPerDay(warmup, 0)).toBe(50)
  expect(stepPerDay(warmup, 29)).toBe(50_000)
  const days = Array.from(
    { length: 29 },
    (_, step) => stepPerDay(warmup, step + 1) / stepPerDay(warmup, step),
  )
  for (const times of days) expect(times).toBeCloseTo(1_000 ** (1 / 29), 1)
})

test('before the first message it is the first day, however late it is', () => {
  expect(warmupPerDay(warmup, undefined, 5 * day)).toBe(50)
})

test('each 24 hours with mail are a step, until it is over', () => {
  let state = warmedUp(warmup, undefined, none, 0)
  for (let step = 0; step < 30; step += 1) {
    expect(warmupPerDay(warmup, state, state.startedAt + day - 1)).toBe(stepPerDay(warmup, step))
    state = after(state, 100, 5)
  }
  expect(state.step).toBe(30)
  expect(warmupPerDay(warmup, state, state.startedAt)).toBe(Number.POSITIVE_INFINITY)
  expect(warmupAt(warmup, state, state.startedAt + 9 * day)).toBe(state)
  expect(warmedUp(warmup, state, { attempts: 9, slowed: 9 }, state.startedAt)).toBe(state)
})

test('a day on which more than one in twenty was asked to be slower is followed by the step before it', () => {
  const state = { step: 10, startedAt: 0 }
  expect(after(state, 100, 5).step).toBe(11)
  expect(after(state, 100, 6).step).toBe(9)
  expect(after({ step: 0, startedAt: 0 }, 100, 50).step).toBe(0)
})

test('one reply is no sign', () => {
  expect(after({ step: 3, startedAt: 0 }, 5, 1).step).toBe(4)
  expect(after({ step: 3, startedAt: 0 }, 5, 2).step).toBe(2)
})

test('a day on which nothing was taken is no step', () => {
  expect(after({ step: 3, startedAt: 0 }, 1, 1).step).toBe(3)
})

test('days without mail are no steps', () => {
  const state = { step: 3, startedAt: 0, attempts: 100, slowed: 0 }
  expect(warmupAt(warmup, state, 5.5 * day)).toEqual({ step: 4, startedAt: 5 * day })
  expect(warmupAt(warmup, { step: 3, startedAt: 0 }, 5.5 * day)).toEqual({ step: 3, startedAt: 5 * day })
})

test('it is never more than the last day, nor less than the first, while it lasts', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.nat(100)), { maxLength: 60 }), (days) => {
      let state: WarmupState = { step: 0, startedAt: 0 }
      for (const [attempts, slowed] of days) {
        state = after(state, attempts, slowed)
        const most = warmupPerDay(warmup, state, state.startedAt)
        expect(state.step).toBeGreaterThanOrEqual(0)
        if (state.step < 30) expect(most).toBeLessThanOrEqual(50_000)
        expect(most).toBeGreaterThanOrEqual(50)
      }
    }),
  )
})
