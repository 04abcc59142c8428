import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { followGroups } from '../../src/queue/batch-progress.js'
import type { BatchStatus } from '../../src/queue/batch-status.js'
import type { FailureGroup } from '../../src/queue/failures.js'
import { eventually } from '../helpers/eventually.js'

const groupOf = (count: number, id = 'a') => ({ id, count }) as FailureGroup
const statusWith = (failed: number, unknown = 0) => ({ id: 'spring', failed, unknown }) as BatchStatus

/** A clock that stands still until it is moved; its sleeps are over at once. */
function openClock() {
  const clock = { at: 0, monotonicMs: () => clock.at, sleep: () => Promise.resolve() }
  return clock
}

/** Readings that take as long as is said, and what they find. */
function openReadings(clock: { at: number }, tookMs: number) {
  const readings = {
    count: 0,
    found: [] as FailureGroup[],
    async groups() {
      readings.count += 1
      clock.at += tookMs
      return readings.found
    },
  }
  return readings
}

test('groups are read again only when more has failed, and rest five times as long as they take', async () => {
  const clock = openClock()
  const readings = openReadings(clock, 100)
  const groups = followGroups(readings, clock)
  expect(await groups.now(statusWith(0))).toEqual([])
  expect(readings.count).toBe(0)
  readings.found = [groupOf(3)]
  await groups.now(statusWith(2, 1))
  await eventually('they are read', async () => (await groups.now(statusWith(2, 1))).length === 1)
  clock.at += 10_000
  await groups.now(statusWith(2, 1))
  expect(readings.count).toBe(1)
  await groups.now(statusWith(3, 1))
  expect(readings.count).toBe(2)
  await eventually('the reading has ended', () => clock.at >= 10_200)
  clock.at = 10_600
  await groups.now(statusWith(9, 1))
  expect(readings.count).toBe(2)
  clock.at = 10_701
  await groups.now(statusWith(9, 1))
  expect(readings.count).toBe(3)
})

test('a reading that takes long is not waited for, and what it found is given later', async () => {
  let end: ((groups: FailureGroup[]) => void) | undefined
  const reading = new Promise<FailureGroup[]>((resolve) => {
    end = resolve
  })
  const groups = followGroups({ groups: () => reading }, { ...openClock(), sleep: systemClock.sleep })
  const startedAt = performance.now()
  expect(await groups.now(statusWith(1))).toEqual([])
  expect(performance.now() - startedAt).toBeGreaterThan(250)
  end?.([groupOf(1)])
  await eventually('they are there', async () => (await groups.now(statusWith(1))).length === 1)
})

test('at the end all are waited for that were counted, and a reading that fails is an error then', async () => {
  const clock = openClock()
  const found = [
    [groupOf(1)],
    [groupOf(1)],
    [groupOf(2), ...Array.from({ length: 20 }, (_, at) => groupOf(0, `${at}`))],
  ]
  const groups = followGroups({ groups: async () => found.shift() ?? [] }, clock)
  const last = await groups.last(statusWith(2))
  expect(last[0]?.count).toBe(2)
  expect(last).toHaveLength(10)
  const failing = followGroups({ groups: () => Promise.reject(new Error('Redis is away')) }, clock)
  expect(await failing.now(statusWith(1))).toEqual([])
  await expect(failing.last(statusWith(1))).rejects.toThrow('Redis is away')
})
