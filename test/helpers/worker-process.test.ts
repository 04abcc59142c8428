import { expect, inject, test } from 'vitest'
import { eventually } from './eventually.js'
import { isAlive } from './processes.js'
import { killLeftWorkers, startWorker } from './worker-process.js'

const entry = 'test/helpers/fixtures/worker.mjs'

test("a worker is given this run's Redis and its own settings, and its lines are parsed", async () => {
  await using worker = await startWorker({ entry, env: { FLUXMAIL_NAME: 'n' } })
  expect(worker.httpPort).toBe(4711)
  const line = await eventually('its first line', () => worker.stdout[0])
  expect(line).toEqual({ redis: inject('redisUrl'), name: 'n' })
})

test('stopping it lets it drain', async () => {
  await using worker = await startWorker({ entry })
  expect(await worker.stop()).toEqual({ code: 0, signal: null })
  expect(worker.stdout.at(-1)).toBe('drained')
})

test('stopping one that does not drain is an error, and it is killed all the same', async () => {
  await using worker = await startWorker({ entry, env: { FLUXMAIL_STUBBORN: 1 } })
  await expect(worker.stop(50)).rejects.toThrow('did not end in 50 ms')
  expect(await worker.kill()).toEqual({ code: null, signal: 'SIGKILL' })
})

test('a worker that ends before it is ready is an error that shows what it said', async () => {
  const starting = startWorker({ entry, env: { FLUXMAIL_BROKEN: 1 } })
  await expect(starting).rejects.toThrow(/ended before it was ready: 2\s+a readable list of what is wrong/)
})

test('a worker left running is killed', async () => {
  const worker = await startWorker({ entry, env: { FLUXMAIL_STUBBORN: 1 } })
  expect(isAlive(worker.pid)).toBe(true)
  await killLeftWorkers()
  expect(isAlive(worker.pid)).toBe(false)
})
