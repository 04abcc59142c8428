import fc from 'fast-check'
import { afterEach, expect, inject, test } from 'vitest'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { type Clock, systemClock } from '../../src/clock.js'
import type { Fault } from '../../src/delivery/outcome.js'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { type Circuit, newCircuit, type Report, reported } from '../../src/smtp/circuit.js'
import { type Circuits, createCircuits } from '../../src/store/circuits.js'
import { readRelayStatus } from '../../src/store/relay-status.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Fleet {
  readonly redis: Redis
  readonly keys: Keys
  readonly workers: readonly Circuits[]
  readonly errors: unknown[]
  /** What all of them said, the changes each as its own. */
  readonly told: object[]
  /** All of them look at Redis now, in place of twice a second. */
  poll(): void
  stored(): Promise<Circuit>
}

/** Workers of a fleet that share the relay `main`, each with a connection of its own. */
async function openFleet(count: number, redisUrl = inject('redisUrl')): Promise<Fleet> {
  const keys = keysOf(freshName())
  const polls: (() => void)[] = []
  const errors: unknown[] = []
  const told: object[] = []
  const every = (_ms: number, run: () => void) => {
    polls.push(run)
    return () => void polls.splice(polls.indexOf(run), 1)
  }
  const clock: Clock = { ...systemClock, every }
  const connections = Array.from({ length: count }, () => createRedis(redisUrl, 'ledger'))
  const events = {
    faulted: () => undefined,
    changed: (relay: string, { state }: Circuit, isOurs: boolean) => void told.push({ relay, state, isOurs }),
    held: (relay: string, sender: string) => void told.push({ relay, sender }),
    alone: (relay: string) => void told.push({ relay, alone: true }),
    failed: (error: unknown) => errors.push(error),
  }
  const workers = connections.map((redis) => createCircuits(redis, keys, ['main'], clock, events))
  const redis = createRedis(redisUrl, 'worker')
  closers.push(() => {
    for (const worker of workers) worker.close()
    for (const each of [redis, ...connections]) each.disconnect()
  })
  await Promise.all(workers.map((worker) => worker.start()))
  return {
    redis,
    keys,
    workers,
    errors,
    told,
    poll: () => {
      for (const run of [...polls]) run()
    },
    stored: async () => JSON.parse((await redis.hget(keys.circuit('main'), 'circuit')) ?? '{}') as Circuit,
  }
}

function oneOf(fleet: Fleet, index = 0): Circuits {
  const worker = fleet.workers[index]
  if (worker === undefined) throw new Error(`there is no worker ${index}`)
  return worker
}

const fault = (kind: Fault, sender?: string): Report => ({
  verdict: 'fault',
  fault: kind,
  ...(sender === undefined ? {} : { sender }),
})

/** An open circuit whose probe is due. */
async function putDue(fleet: Fleet): Promise<void> {
  const due: Circuit = { ...newCircuit, state: 'open', fault: 'connect', until: 1, openings: 3, openedAt: 1 }
  await fleet.redis.hset(fleet.keys.circuit('main'), { version: 7, circuit: JSON.stringify(due) })
}

async function eachSees(fleet: Fleet, what: string, condition: (worker: Circuits) => boolean): Promise<void> {
  const look = () => {
    fleet.poll()
    return fleet.workers.every(condition)
  }
  await eventually(what, look, { everyMs: 1 })
}

test('what opens the circuit in one worker shuts the relay for all', async () => {
  const fleet = await openFleet(3)
  oneOf(fleet).report('main', fault('auth'))
  expect(oneOf(fleet).look('main')).toMatchObject({ kind: 'shut', why: 'circuit' })
  await eachSees(fleet, 'all know', (worker) => worker.look('main').kind === 'shut')
  const { waitMs } = oneOf(fleet, 2).look('main')
  expect(waitMs).toBeGreaterThan(3_000)
  expect(waitMs).toBeLessThanOrEqual(5_000)
})

test('faults of several workers are counted together, and none is lost', async () => {
  const fleet = await openFleet(4)
  for (const worker of fleet.workers) worker.report('main', fault('connect'))
  await eventually('all four are counted', async () => (await fleet.stored()).faultsAt?.length === 4)
  oneOf(fleet).report('main', fault('connect'))
  await eventually('the fifth opens it', async () => (await fleet.stored()).state === 'open')
})

test('twenty workers open a circuit once', async () => {
  const fleet = await openFleet(20)
  for (const worker of fleet.workers)
    for (let time = 0; time < 5; time += 1) worker.report('main', fault('relay'))
  await eventually('it is open', async () => (await fleet.stored()).state === 'open')
  await eachSees(fleet, 'all know', (worker) => worker.look('main').kind === 'shut')
  expect(await fleet.stored()).toMatchObject({ state: 'open', openings: 1 })
})

test('of twenty workers with five messages each, one gets the probe', async () => {
  const fleet = await openFleet(20)
  await putDue(fleet)
  await eachSees(fleet, 'it is due', (worker) => worker.look('main').kind === 'due')
  const asked = fleet.workers.flatMap((worker) => Array.from({ length: 5 }, () => worker.probe('main')))
  expect((await Promise.all(asked)).filter((token) => token !== undefined)).toHaveLength(1)
  await eachSees(fleet, 'it is being probed', (worker) => worker.look('main').kind === 'shut')
})

test('a good probe lets every worker through', async () => {
  const fleet = await openFleet(2)
  await putDue(fleet)
  await eachSees(fleet, 'it is due', (worker) => worker.look('main').kind === 'due')
  const probe = await oneOf(fleet).probe('main')
  if (probe === undefined) throw new Error('nobody got the probe')
  oneOf(fleet).report('main', { verdict: 'ok', probe })
  expect(oneOf(fleet).look('main').kind).toBe('free')
  await eachSees(fleet, 'all may go', (worker) => worker.look('main').kind === 'free')
  expect(await fleet.stored()).toMatchObject({ state: 'half' })
})

test('a probe that takes long is renewed by its worker, and by no other', async () => {
  const fleet = await openFleet(2)
  await putDue(fleet)
  await eachSees(fleet, 'it is due', (worker) => worker.look('main').kind === 'due')
  const token = await oneOf(fleet).probe('main')
  const stored = await fleet.stored()
  const soon = Date.now() + 4_000
  const ending: Circuit = { ...stored, probe: { token: `${token}`, until: soon } }
  await fleet.redis.hset(fleet.keys.circuit('main'), { version: 20, circuit: JSON.stringify(ending) })
  await eventually('it has more time', async () => {
    fleet.poll()
    return ((await fleet.stored()).probe?.until ?? 0) > soon + 3_000
  })
  expect(await fleet.stored()).toMatchObject({ state: 'open', probe: { token } })
})

test('a sender that one worker saw refused is held in all, and shown', async () => {
  const fleet = await openFleet(2)
  oneOf(fleet).report('main', fault('sender', 'a@example.com'))
  await eachSees(fleet, 'both hold it', (worker) => worker.look('main', 'a@example.com').kind === 'shut')
  expect(oneOf(fleet, 1).look('main', 'b@example.com').kind).toBe('free')
  expect(await readRelayStatus(fleet.redis, fleet.keys)).toEqual([
    {
      relay: 'main',
      circuit: 'closed',
      senders: [
        { sender: 'a@example.com', since: expect.any(Date), nextTryAt: expect.any(Date), refusals: 1 },
      ],
    },
  ])
})

test('a worker that begins knows what the others know, and may probe a refused login', async () => {
  const fleet = await openFleet(2)
  const at = Date.now()
  const open: Circuit = {
    ...newCircuit,
    state: 'open',
    fault: 'auth',
    until: at + 60_000,
    openings: 5,
    openedAt: at - 6_000,
  }
  await fleet.redis.hset(fleet.keys.circuit('main'), { version: 7, circuit: JSON.stringify(open) })
  await eachSees(fleet, 'all know', (worker) => worker.look('main').kind === 'shut')
  await oneOf(fleet).start()
  expect(oneOf(fleet).look('main').kind).toBe('due')
})

test('a worker that was there already waits for its time, however often another one begins', async () => {
  const fleet = await openFleet(2)
  oneOf(fleet).report('main', fault('auth'))
  await eventually('it is open', async () => (await fleet.stored()).state === 'open')
  const open = { ...(await fleet.stored()), until: Date.now() + 600_000, openedAt: Date.now() - 6_000 }
  await fleet.redis.hset(fleet.keys.circuit('main'), { version: 9, circuit: JSON.stringify(open) })
  await eachSees(fleet, 'all know', (worker) => worker.look('main').waitMs > 500_000)
  await oneOf(fleet, 1).start()
  expect(oneOf(fleet, 1).look('main').kind).toBe('due')
  expect(oneOf(fleet).look('main').kind).toBe('shut')
  const probe = await oneOf(fleet, 1).probe('main')
  expect(probe).toBeDefined()
  oneOf(fleet, 1).report('main', { ...fault('auth'), ...(probe ? { probe } : {}) })
  expect(oneOf(fleet, 1).look('main').kind).toBe('shut')
})

test('one worker with a wrong password is alone with it, and keeps nobody else from the relay', async () => {
  const fleet = await openFleet(2)
  const [right, wrong] = [oneOf(fleet), oneOf(fleet, 1)]
  wrong.report('main', fault('auth'))
  await eachSees(fleet, 'all know', (worker) => worker.look('main').kind === 'shut')
  await fleet.redis.hset(fleet.keys.circuit('main'), {
    version: 20,
    circuit: JSON.stringify({ ...(await fleet.stored()), until: 1 }),
  })
  await eachSees(fleet, 'it is due', (worker) => worker.look('main').kind === 'due')
  const probe = await right.probe('main')
  right.report('main', { verdict: 'ok', ...(probe ? { probe } : {}) })
  await eachSees(fleet, 'all may go', (worker) => worker.look('main').kind === 'free')
  wrong.report('main', fault('auth'))
  expect(wrong.look('main')).toMatchObject({ kind: 'shut', why: 'circuit' })
  expect(wrong.look('main').waitMs).toBeGreaterThan(800_000)
  fleet.poll()
  expect(right.look('main').kind).toBe('free')
  expect((await fleet.stored()).state).toBe('half')
  expect(fleet.told).toContainEqual({ relay: 'main', alone: true })
  right.report('main', fault('auth'))
  expect(right.look('main').kind).toBe('shut')
})

test('a worker that is refused again after all was forgotten says so to all, since nobody else was taken', async () => {
  const fleet = await openFleet(2)
  oneOf(fleet).report('main', fault('auth'))
  await eachSees(fleet, 'all know', (worker) => worker.look('main').kind === 'shut')
  await fleet.redis.del(fleet.keys.circuit('main'))
  await eachSees(fleet, 'all may go', (worker) => worker.look('main').kind === 'free')
  oneOf(fleet).report('main', fault('auth'))
  await eachSees(fleet, 'all know again', (worker) => worker.look('main').kind === 'shut')
  expect((await fleet.stored()).state).toBe('open')
})

test('a sender that is refused to a probe shows that the login of its worker was taken', async () => {
  const fleet = await openFleet(1)
  const worker = oneOf(fleet)
  worker.report('main', fault('auth'))
  await eventually('it is open', async () => (await fleet.stored()).state === 'open')
  await fleet.redis.hset(fleet.keys.circuit('main'), {
    version: 40,
    circuit: JSON.stringify({ ...(await fleet.stored()), until: 1 }),
  })
  await eachSees(fleet, 'it is due', () => worker.look('main').kind === 'due')
  const probe = await worker.probe('main')
  worker.report('main', { ...fault('sender', 'a@example.com'), ...(probe ? { probe } : {}) })
  await eventually('it is back', async () => (await fleet.stored()).state === 'half')
  worker.report('main', fault('auth'))
  await eventually('it is open again', async () => (await fleet.stored()).state === 'open')
})

test('of a whole fleet one worker says that the relay was given up, and one that it is back', async () => {
  const fleet = await openFleet(5)
  for (const worker of fleet.workers) worker.report('main', fault('auth'))
  await eachSees(fleet, 'all know', (worker) => worker.circuit('main').state === 'open')
  const ours = () => fleet.told.filter((each) => 'isOurs' in each && each.isOurs)
  await eventually('all were told', () => fleet.told.length === 5)
  expect(ours()).toEqual([{ relay: 'main', state: 'open', isOurs: true }])
  await fleet.redis.hset(fleet.keys.circuit('main'), {
    version: 30,
    circuit: JSON.stringify({ ...(await fleet.stored()), until: 1 }),
  })
  await eachSees(fleet, 'it is due', (worker) => worker.look('main').kind === 'due')
  const probe = await oneOf(fleet, 3).probe('main')
  oneOf(fleet, 3).report('main', { verdict: 'ok', ...(probe ? { probe } : {}) })
  await eachSees(fleet, 'all know that it is back', (worker) => worker.circuit('main').state === 'half')
  await eventually('all were told again', () => fleet.told.length === 10)
  expect(ours().slice(1)).toEqual([{ relay: 'main', state: 'half', isOurs: true }])
})

test('a thousand refused senders cost no more than a thousand may, and all of it is forgotten in a day', async () => {
  const fleet = await openFleet(1)
  const held = { since: 1, until: Date.now() + 60_000, refusals: 1, reply: `550 5.7.1 ${'x'.repeat(280)}` }
  const senders = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`sender-${index}@example.com`, held]),
  )
  await fleet.redis.hset(fleet.keys.circuit('main'), {
    version: 7,
    circuit: JSON.stringify({ ...newCircuit, senders }),
  })
  await eachSees(fleet, 'they are known', (worker) => worker.sendersHeld('main') === 1_000)
  for (const name of ['a', 'b', 'c']) {
    oneOf(fleet).report('main', { ...fault('sender', `${name}@example.com`), reply: held.reply })
    await eventually(`${name} is kept`, async () => {
      return (await fleet.stored()).senders?.[`${name}@example.com`] !== undefined
    })
  }
  expect(Object.keys((await fleet.stored()).senders)).toHaveLength(1_000)
  const keys = await fleet.redis.keys(`${fleet.keys.circuit('main')}*`)
  expect(keys).toHaveLength(1)
  expect(await fleet.redis.ttl(fleet.keys.circuit('main'))).toBeGreaterThan(86_000)
  expect(await fleet.redis.memory('USAGE', fleet.keys.circuit('main'))).toBeLessThan(1_000_000)
})

test('what is no circuit counts as closed, and is written over', async () => {
  const fleet = await openFleet(1)
  await fleet.redis.hset(fleet.keys.circuit('main'), { version: 3, circuit: '{"state"' })
  fleet.poll()
  oneOf(fleet).report('main', fault('auth'))
  await eventually('it is open', async () => (await fleet.stored()).state === 'open')
})

test('a circuit that was deleted is closed for all', async () => {
  const fleet = await openFleet(2)
  oneOf(fleet).report('main', fault('auth'))
  await eachSees(fleet, 'all know', (worker) => worker.look('main').kind === 'shut')
  await fleet.redis.del(fleet.keys.circuit('main'))
  await eachSees(fleet, 'all may go', (worker) => worker.look('main').kind === 'free')
})

test('ten thousand good messages cost Redis nothing', async () => {
  await using own = await openPrivateRedis()
  const fleet = await openFleet(1, own.url)
  const scripts = async () =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await fleet.redis.info('commandstats'))?.[1])
  const before = await scripts()
  for (let index = 0; index < 10_000; index += 1) {
    expect(oneOf(fleet).look('main', 'a@example.com').kind).toBe('free')
    oneOf(fleet).report('main', { verdict: 'ok', sender: 'a@example.com' })
  }
  await fleet.redis.ping()
  expect(await scripts()).toBe(before)
})

test('while Redis is away the last known state holds, and what is seen here still counts here', async () => {
  const own = await openPrivateRedis()
  const fleet = await openFleet(1, own.url)
  const worker = oneOf(fleet)
  worker.report('main', fault('sender', 'a@example.com'))
  await eventually('it is stored', async () => (await fleet.stored()).senders?.['a@example.com'])
  await own.close()
  fleet.poll()
  expect(worker.look('main', 'a@example.com').kind).toBe('shut')
  expect(worker.look('main', 'b@example.com').kind).toBe('free')
  worker.report('main', fault('auth'))
  expect(worker.look('main', 'b@example.com').kind).toBe('shut')
})

const reports = fc.record({
  worker: fc.integer({ min: 0, max: 2 }),
  kind: fc.constantFrom<Fault>('connect', 'auth', 'relay', 'policy', 'sender'),
  sender: fc.constantFrom('a', 'b', 'c', 'd'),
})

/** Without its instants, which are Redis' own. */
function shapeOf({ state, openings, fault: cause, faultsAt, senders }: Circuit) {
  const refusals = Object.fromEntries(Object.entries(senders).map(([name, held]) => [name, held.refusals]))
  return { state, openings, cause, faults: faultsAt.length, refusals }
}

test('what the workers report one after the other comes to what the rules alone make of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(reports, { minLength: 1, maxLength: 12 }), async (all) => {
      const fleet = await openFleet(3)
      let expected = newCircuit
      for (const { worker, kind, sender } of all) {
        expected = reported(expected, fault(kind, sender), 1_000)
        oneOf(fleet, worker).report('main', fault(kind, sender))
        const isStored = async () => {
          const stored = await fleet.stored()
          return 'state' in stored && JSON.stringify(shapeOf(stored)) === JSON.stringify(shapeOf(expected))
        }
        await eventually(JSON.stringify(shapeOf(expected)), isStored, { everyMs: 1 })
        await eachSees(
          fleet,
          'all know',
          (each) => JSON.stringify(shapeOf(each.circuit('main'))) === JSON.stringify(shapeOf(expected)),
        )
      }
      for (const close of closers.splice(0).reverse()) await close()
    }),
    { numRuns: 40 },
  )
})
