import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { Gate } from '../../src/limits/gate.js'
import type { Opening } from '../../src/permits/desk.js'
import { createGates } from '../../src/queue/gates.js'

/** A lane with so many set aside at each gate, each of them open as told, and a clock that is set. */
function opened(counts: Record<string, number>) {
  let nowMs = 0
  const clock: Clock = { ...systemClock, now: () => nowMs, monotonicMs: () => nowMs }
  const called: [string, number][] = []
  const openings = new Map<string, Opening>()
  const asked: Gate[] = []
  const gates = createGates({
    lane: 'bulk',
    clock,
    store: {
      counts: async () => new Map(Object.entries(counts)),
      async callBack(_lane, gate, _now, many) {
        const came = Math.min(many, counts[gate] ?? 0)
        counts[gate] = (counts[gate] ?? 0) - came
        called.push([gate, came])
        return came
      },
    },
    isOpen(gate) {
      asked.push(gate)
      return (
        openings.get(`${gate.provider ?? '*'}/${gate.route ?? 'default'}`) ?? { permits: 0, perSecond: 0 }
      )
    },
  })
  return {
    ...{ counts, called, openings, asked },
    look: (atMs: number, callsBack = true) => {
      nowMs = atMs
      return gates.look(callsBack)
    },
  }
}

const google = 'google/default'

test('who is set aside comes back as fast as the gate lets through, however often it is looked', async () => {
  const { called, openings, look } = opened({ [google]: 1_000 })
  openings.set(google, { permits: 0, perSecond: 10 })
  for (let atMs = 0; atMs <= 10_000; atMs += 70) await look(atMs)
  const came = called.reduce((sum, [, many]) => sum + many, 0)
  expect(came).toBeGreaterThanOrEqual(99)
  expect(came).toBeLessThanOrEqual(100)
  expect(Math.max(...called.map(([, many]) => many))).toBeLessThanOrEqual(2)
})

test('after a pause no more come back at once than pass in a quarter of a second', async () => {
  const { called, openings, look } = opened({ [google]: 1_000 })
  openings.set(google, { permits: 0, perSecond: 100 })
  await look(0)
  await look(60_000)
  expect(called).toEqual([[google, 25]])
})

test('all come back where nothing limits them any more, and nobody where nothing passes', async () => {
  const { called, openings, counts, look } = opened({ [google]: 700, '*/slow': 300 })
  openings.set(google, { permits: Number.POSITIVE_INFINITY, perSecond: Number.POSITIVE_INFINITY })
  expect([...(await look(0))]).toEqual(['*/slow'])
  expect(called).toEqual([[google, 700]])
  expect(counts['*/slow']).toBe(300)
})

test('rows wait while 200 of their gate are set aside, or two seconds’ worth of them', async () => {
  const { openings, counts, asked, look } = opened({ [google]: 199, 'yahoo/slow': 200, 'apple/default': 900 })
  openings.set('apple/default', { permits: 1, perSecond: 500 })
  expect([...(await look(0, false))]).toEqual(['yahoo/slow'])
  expect(asked).toEqual([{ provider: 'google' }, { provider: 'yahoo', route: 'slow' }, { provider: 'apple' }])
  counts[google] = 200
  counts['apple/default'] = 1_000
  // What it has just looked at stands for a moment.
  expect((await look(10, false)).size).toBe(1)
  expect([...(await look(200, false))]).toEqual([google, 'yahoo/slow', 'apple/default'])
})
