import { setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import { createPace } from '../../src/delivery/permit.js'

test('without a limit a permit is granted at once', async () => {
  const pace = createPace(undefined)
  expect(await pace.take(new AbortController().signal)).toBe(true)
})

test('permits come at the rate asked for, whatever the number of callers', async () => {
  const pace = createPace(500)
  const { signal } = new AbortController()
  setMaxListeners(0, signal)
  const startedAt = performance.now()
  // Timers that are set in a busy moment count from when it began: of a whole second that is little.
  await Promise.all(Array.from({ length: 500 }, () => pace.take(signal)))
  const seconds = (performance.now() - startedAt) / 1000
  expect(500 / seconds).toBeLessThan(550)
  expect(500 / seconds).toBeGreaterThan(400)
})

test('a rate below one a second is kept', async () => {
  const pace = createPace(4)
  const { signal } = new AbortController()
  const startedAt = performance.now()
  await pace.take(signal)
  await pace.take(signal)
  expect(performance.now() - startedAt).toBeGreaterThan(240)
})

test('a pause is not made up for with a burst', async () => {
  const pace = createPace(100)
  const { signal } = new AbortController()
  setMaxListeners(0, signal)
  await pace.take(signal)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: 30 }, () => pace.take(signal)))
  expect(performance.now() - startedAt).toBeGreaterThan(180)
})

test('an aborted caller is refused and takes no permit', async () => {
  const pace = createPace(2)
  const abort = new AbortController()
  await pace.take(abort.signal)
  const waiting = pace.take(abort.signal)
  abort.abort()
  expect(await waiting).toBe(false)
  expect(await pace.take(abort.signal)).toBe(false)
})
