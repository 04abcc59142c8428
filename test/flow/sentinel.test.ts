import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { rowsTo } from '../helpers/mail-flow.js'
import { openSentinelFleet, type SentinelFleet } from '../helpers/redis-fleet.js'
import { acknowledging, openReplicatedFlow, sentTwice } from './failover-stage.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const within = { withinMs: 40_000 }

/** Two workers drain a batch and callers enqueue, until the primary is gone and after its replica took its place. */
async function through(
  fleet: SentinelFleet,
  failOver: () => void | Promise<void>,
  durability: 'primary' | 'replicated',
) {
  await using flow = await openReplicatedFlow(fleet.url, durability)
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'b' })
  await Promise.all([flow.work(), flow.work()])
  const callers = acknowledging(flow)
  await flow.sink.waitForMessages(150)
  await failOver()
  const isReplaced = async () => (await fleet.primaryPort()) === fleet.replica.port
  await eventually('the replica is the primary', isReplaced, within)
  const isPrimary = () => fleet.replica.ask(async (client) => (await client.role())[0] === 'master')
  await eventually('it knows', isPrimary, within)
  const third = await fleet.addReplica()
  const [before] = callers.counts()
  await eventually('callers go on', () => callers.counts()[0] > before + 50, within)
  const ids = await callers.stop()
  const { sent, unknown, failed, pending } = await batch.wait({ intervalMs: 50 })
  await eventually(
    'what callers enqueued is sent',
    async () => {
      const [lane] = await flow.queue.status()
      return lane?.waiting === 0 && lane.active === 0 && lane.delayed === 0
    },
    within,
  )
  const found = await Promise.all(ids.map((id) => flow.queue.delivery(id).catch(() => undefined)))
  await third[Symbol.asyncDispose]()
  return {
    batch: { settled: sent + unknown, unknown, failed, pending },
    acknowledged: ids.length,
    lost: found.filter((delivery) => delivery === undefined).length,
    twice: sentTwice(flow),
  }
}

const whole = { batch: { settled: 600, failed: 0, pending: 0 }, lost: 0, twice: 0 }

test('through a failover by Sentinel nothing that a replica acknowledged is lost, and nothing is sent twice', async () => {
  await using fleet = await openSentinelFleet()
  expect(await through(fleet, () => fleet.primary.kill(), 'replicated')).toMatchObject(whole)
}, 180_000)

test('a primary that hangs is left for the one that Sentinel names, and is not believed when it wakes up', async () => {
  await using fleet = await openSentinelFleet()
  const { primary } = fleet
  const told = through(fleet, () => primary.freeze(), 'replicated')
  try {
    await eventually('it is replaced', async () => (await fleet.primaryPort()) === fleet.replica.port, {
      withinMs: 60_000,
    })
  } finally {
    primary.thaw()
  }
  expect(await told).toMatchObject(whole)
}, 180_000)

/** Kills the primary a moment after its replica has heard of it for the last time. */
async function cutOff(durability: 'primary' | 'replicated') {
  await using fleet = await openSentinelFleet()
  const kill = async () => {
    await fleet.cutLink()
    const info = () => fleet.primary.ask((client) => client.info('stats'))
    const commandsIn = (text: string) => Number(/total_commands_processed:(\d+)/.exec(text)?.[1])
    const before = commandsIn(await info())
    await eventually('it takes more', async () => commandsIn(await info()) > before + 500, within)
    fleet.primary.kill()
  }
  // Before the fleet is gone.
  return await through(fleet, kill, durability)
}

test('what only the primary has is lost with it; with a replica to say so, it is not acknowledged', async () => {
  expect((await cutOff('primary')).lost).toBeGreaterThan(0)
  expect(await cutOff('replicated')).toMatchObject(whole)
}, 240_000)

/** So many failovers of each kind, with a replica that is 100 ms behind. */
const rounds = Number(process.env.MEASURED_FAILOVERS ?? 0)

test.runIf(rounds > 0)(
  'failovers as they are measured',
  async () => {
    const measured: Record<string, unknown>[] = []
    for (const durability of ['primary', 'replicated'] as const) {
      for (let round = 0; round < rounds; round += 1) {
        await using fleet = await openSentinelFleet(100)
        const { batch, ...others } = await through(fleet, () => fleet.primary.kill(), durability)
        measured.push({ durability, unknown: batch.unknown, ...others })
      }
    }
    console.table(measured)
    const replicated = measured.filter(({ durability }) => durability === 'replicated')
    expect(replicated.every(({ lost, twice }) => lost === 0 && twice === 0)).toBe(true)
  },
  1_200_000,
)
