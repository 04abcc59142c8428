import { getEventListeners, setMaxListeners } from 'node:events'
import { expect, test } from 'vitest'
import { Line } from '../../src/smtp/line.js'

test('whoever waits is served in turn, or let go when his own signal is aborted', async () => {
  const line = new Line<string>()
  const [one, other] = [new AbortController(), new AbortController()]
  const waits = [one, other, one, other].map(({ signal }, index) => line.wait(signal, `gone ${index}`))
  expect(line.serve('first')).toBe(true)
  one.abort()
  expect(line.length).toBe(2)
  expect(line.serve('second')).toBe(true)
  line.serveAll('rest')
  expect(line.serve('nobody')).toBe(false)
  expect(await Promise.all(waits)).toEqual(['first', 'second', 'gone 2', 'rest'])
  expect(await line.wait(one.signal, 'late')).toBe('late')
})

test('thousands that wait for one signal listen to it once, and not at all when nobody waits', async () => {
  const line = new Line<number>()
  const { signal } = new AbortController()
  setMaxListeners(1, signal)
  for (let round = 0; round < 3; round += 1) {
    const waits = Array.from({ length: 2_000 }, () => line.wait(signal, -1))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    line.serveAll(round)
    expect(new Set(await Promise.all(waits))).toEqual(new Set([round]))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  }
})
