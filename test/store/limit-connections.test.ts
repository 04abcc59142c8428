import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createRedis, type Redis } from '../../src/redis.js'
import { freshName } from '../helpers/fresh-name.js'
import { openScriptsAt, type ScriptsAt } from './limit-scripts-at.js'

let redis: Redis
beforeAll(() => {
  redis = createRedis(inject('redisUrl'), 'ledger')
})
afterAll(() => redis.disconnect())

const start = 1_800_000_000_000

interface Worker {
  readonly name: string
  have: number
  want: number
  allowed: number
}

const workerOf = (name: string, want: number): Worker => ({ name, have: 0, want, allowed: 0 })

/** One worker asks, and at once opens what it may and hangs up what it may not. */
async function ask(scripts: ScriptsAt, now: number, worker: Worker, limit: number): Promise<void> {
  const { name, have, want, allowed } = worker
  worker.allowed = await scripts.connections(now, name, { have, want, known: allowed, limit })
  worker.have = have > worker.allowed ? worker.allowed : Math.min(worker.allowed, Math.max(have, want))
}

async function rounds(
  scripts: ScriptsAt,
  from: number,
  count: number,
  workers: readonly Worker[],
  limit: number,
) {
  for (let round = 0; round < count; round += 1)
    for (const worker of workers) await ask(scripts, from + round * 500, worker, limit)
  return workers.map(({ have }) => have)
}

test('connections are shared out: who wants little has it, the others have as much as each other', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const workers = [workerOf('a', 10), workerOf('b', 2), workerOf('c', 10)]
  expect(await rounds(scripts, start, 5, workers, 10)).toEqual([4, 2, 4])
})

test('a worker that comes has its share once another has hung up', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const [first, second] = [workerOf('a', 10), workerOf('b', 10)]
  expect(await rounds(scripts, start, 2, [first], 10)).toEqual([10])
  await ask(scripts, start + 1_000, second, 10)
  expect(second.allowed).toBe(0)
  expect(await rounds(scripts, start + 1_500, 3, [first, second], 10)).toEqual([5, 5])
})

test('connections that nobody else wants stay open although they are idle', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const [first, second] = [workerOf('a', 10), workerOf('b', 0)]
  await rounds(scripts, start, 2, [first, second], 10)
  first.want = 1
  expect(await rounds(scripts, start + 1_000, 3, [first, second], 10)).toEqual([10, 0])
  second.want = 4
  expect(await rounds(scripts, start + 3_000, 3, [first, second], 10)).toEqual([6, 4])
})

test('the share of a worker that is silent is free after two seconds, and that of one that leaves at once', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const [dead, leaving, heir] = [workerOf('dead', 4), workerOf('leaving', 4), workerOf('heir', 8)]
  expect(await rounds(scripts, start, 3, [dead, leaving, heir], 9)).toEqual([3, 3, 3])
  await scripts.connections(start + 1_100, 'leaving', { leaving: true })
  expect(await rounds(scripts, start + 1_500, 2, [heir], 9)).toEqual([5])
  expect(await rounds(scripts, start + 3_001, 1, [heir], 9)).toEqual([8])
})

test('where there are fewer connections than workers, each has its turn', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const workers = [workerOf('a', 3), workerOf('b', 3), workerOf('c', 3)]
  const had = new Set<string>()
  for (let now = start; now < start + 20_000; now += 500) {
    for (const worker of workers) await ask(scripts, now, worker, 1)
    for (const { name, have } of workers) if (have > 0) had.add(name)
    expect(workers.reduce((sum, { have }) => sum + have, 0)).toBeLessThanOrEqual(1)
  }
  expect([...had].toSorted()).toEqual(['a', 'b', 'c'])
})

test('what others have is not given to a worker that comes back before them', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const workers = [workerOf('a', 10), workerOf('b', 10)]
  const [first, second] = workers as [Worker, Worker]
  expect(await rounds(scripts, start, 4, workers, 10)).toEqual([5, 5])
  // Redis was away for a while, or has lost what it had.
  const back = start + 20_000
  await ask(scripts, back, first, 10)
  expect(first.allowed).toBe(5)
  await ask(scripts, back + 500, first, 10)
  await ask(scripts, back + 900, second, 10)
  expect([first.allowed, second.allowed]).toEqual([5, 5])
  expect(await rounds(scripts, back + 1_000, 8, [first], 10)).toEqual([10])
})

test('where there are fewer connections than workers, an idle one is for whoever has a message for it', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  for (let turn = start; turn < start + 40_000; turn += 5_000) {
    const [holder, other] = [`a${turn}`, `b${turn}`]
    const idle = { have: 1, want: 1, idle: 1, known: 1, limit: 1 }
    const waiting = { have: 0, want: 1, idle: 0, known: 0, limit: 1 }
    expect(await scripts.connections(turn, holder, { ...idle, have: 0, known: 0 })).toBe(1)
    expect(await scripts.connections(turn + 100, holder, idle)).toBe(1)
    expect(await scripts.connections(turn + 200, other, waiting)).toBe(0)
    expect(await scripts.connections(turn + 300, holder, idle)).toBe(0)
    expect(
      await scripts.connections(turn + 400, holder, { ...idle, have: 0, want: 0, idle: 0, known: 0 }),
    ).toBe(0)
    expect(await scripts.connections(turn + 500, other, waiting)).toBe(1)
  }
})

test('where there are enough for all, each keeps its share although some of it is idle', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  const idle = { have: 2, want: 2, idle: 2, known: 2, limit: 4 }
  await scripts.connections(start, 'a', { ...idle, have: 0, known: 0 })
  expect(await scripts.connections(start + 100, 'a', idle)).toBe(2)
  await scripts.connections(start + 200, 'b', { have: 0, want: 9, known: 0, limit: 4 })
  expect(await scripts.connections(start + 300, 'a', idle)).toBe(2)
})

test('without a limit a worker may have any number', async () => {
  const scripts = await openScriptsAt(redis, freshName())
  expect(await scripts.connections(start, 'a', { have: 5, want: 100, known: 5, limit: -1 })).toBe(-1)
})

// Each step: who does what; an answer is heard later than it was given, and connections are opened by the last one.
const kinds = [
  'say',
  'say',
  'hear',
  'hear',
  'open',
  'open',
  'open',
  'hang up',
  'hang up',
  'hang up',
  'hang up',
]
const step = fc.record({
  who: fc.integer({ min: 0, max: 1 }),
  kind: fc.constantFrom(...kinds, ...kinds, 'die'),
  count: fc.constantFrom(0, 1, 5, 12),
  afterMs: fc.integer({ min: 0, max: 60 }),
})

test('whoever asks, opens, hangs up and dies at any time: the fleet never has more than its limit', async () => {
  const plan = fc.array(step, { minLength: 20, maxLength: 120 })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 12 }), plan, async (limit, steps) => {
      const scripts = await openScriptsAt(redis, freshName())
      let born = 0
      const join = () => ({
        ...workerOf(`w${born++}`, 0),
        answer: undefined as number | undefined,
        saidAt: start,
      })
      const workers = [join(), join()]
      let now = start
      for (const { who, kind, count, afterMs } of steps) {
        now += afterMs
        // Nobody is silent for longer than a worker can be.
        for (const each of workers) if (now - each.saidAt > 1_500) await say(each)
        const worker = workers[who]
        if (worker === undefined) continue
        if (kind === 'say') {
          worker.want = count
          await say(worker)
        }
        if (kind === 'hear') hear(worker)
        if (kind === 'open') worker.have = Math.max(worker.have, Math.min(worker.allowed, count))
        if (kind === 'hang up') worker.have = Math.min(worker.have, count)
        if (kind === 'die') workers[who] = join()
        expect(workers.reduce((sum, { have }) => sum + have, 0)).toBeLessThanOrEqual(limit)
      }
      function hear(worker: (typeof workers)[number]) {
        if (worker.answer === undefined) return
        worker.allowed = worker.answer
        worker.answer = undefined
      }
      async function say(worker: (typeof workers)[number]) {
        hear(worker)
        worker.saidAt = now
        const { name, have, want, allowed } = worker
        worker.answer = await scripts.connections(now, name, { have, want, known: allowed, limit })
      }
    }),
    { numRuns: 150 },
  )
}, 60_000)
