import { expect, test } from 'vitest'
import { MailQueue } from '../../src/index.js'
import { run } from '../cli/terminal.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'
import { openRedisCluster, type RedisCluster } from '../helpers/redis-fleet.js'
import { clusterRights, rights } from '../helpers/redis-rights.js'
import type { RedisServer } from '../helpers/redis-server.js'
import { acknowledging, openReplicatedFlow, sentTwice } from './failover-stage.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const again = { intervalMs: 50 }

const sizes = (cluster: RedisCluster) =>
  Promise.all(cluster.masters.map((node) => node.ask((client) => client.dbsize())))

test('two workers drain a batch on a cluster, from the one master that has all keys of its name', async () => {
  await using cluster = await openRedisCluster()
  await using flow = await openMailFlow({ latencyMs: 2 }, cluster.url)
  const batch = await flow.queue.enqueueBatch(rowsTo(500), content, { batchId: 'b' })
  await Promise.all([flow.work(), flow.work()])
  expect(await batch.wait(again)).toMatchObject({ sent: 500, failed: 0, unknown: 0, pending: 0 })
  expect(sentTwice(flow)).toBe(0)
  const home = await cluster.masterOf(flow.name)
  const keys = await sizes(cluster)
  expect(cluster.masters.filter((_, index) => keys[index]).map(({ port }) => port)).toEqual([home.port])
}, 60_000)

test('what looks at all keys finds them on a cluster: statuses, outcomes, suppressions, failures, forgetting', async () => {
  await using cluster = await openRedisCluster()
  await using flow = await openMailFlow({}, cluster.url)
  const { queue, mail } = flow
  await queue.suppressions.add('r1@example.com')
  const seen = queue.outcomes({ group: 'app' })
  const first = seen.next()
  const email = mail.create({ subject: 'Hi', body: 'Hi', recipients: ['r0@example.com', 'r1@example.com'] })
  const { deliveries } = await eventually('outcomes are recorded', () => queue.enqueue(email))
  await flow.work()
  const states = async () => Promise.all(deliveries.map(async ({ id }) => (await queue.delivery(id)).state))
  await eventually('both are settled', async () => (await states()).sort().join() === 'sent,skipped')
  expect((await first).value).toMatchObject({ id: expect.any(String) })
  await seen.return()
  expect(await queue.relays()).toMatchObject([{ relay: 'main', circuit: 'closed' }])
  expect(await queue.explain(deliveries[0]?.id ?? '')).toBeDefined()
  expect(await queue.forget('r0@example.com')).toMatchObject({ finished: 1 })
  expect((await queue.status()).map(({ sent, skipped }) => [sent, skipped])).toEqual([
    [1, 1],
    [0, 0],
  ])
}, 60_000)

test('on a cluster a user needs to be allowed three more commands, by which the master is found', async () => {
  await using cluster = await openRedisCluster()
  const user = ['ACL', 'SETUSER', 'app', 'on', '>secret', ...rights, ...clusterRights] as const
  await Promise.all(cluster.masters.map((node) => node.ask((client) => client.call(...user))))
  const redis = cluster.url.replace('://', '://app:secret@')
  await using queue = new MailQueue({ redis })
  expect((await queue.status()).map(({ accepted }) => accepted)).toEqual([0, 0])
  const { stdout } = await run(['doctor', '--redis', redis, '--json'])
  expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ check: 'eviction', verdict: 'ok' }))
}, 60_000)

/** Callers enqueue while two workers send, until the master is gone and after its replica took its place. */
async function through(cluster: RedisCluster, failOver: (master: RedisServer) => void | Promise<void>) {
  await using flow = await openReplicatedFlow(cluster.url)
  await cluster.addReplica(flow.name)
  const master = await cluster.masterOf(flow.name)
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'b' })
  await Promise.all([flow.work(), flow.work()])
  const callers = acknowledging(flow)
  await flow.sink.waitForMessages(150)
  await failOver(master)
  await eventually(
    'another master has the keys',
    async () => (await cluster.masterOf(flow.name)) !== master,
    {
      withinMs: 30_000,
    },
  )
  await cluster.addReplica(flow.name)
  const [before] = callers.counts()
  await eventually('callers go on', () => callers.counts()[0] > before + 50, {
    withinMs: 30_000,
  })
  const ids = await callers.stop()
  const { sent, unknown, failed, pending } = await batch.wait(again)
  expect({ failed, pending, settled: sent + unknown }).toEqual({ failed: 0, pending: 0, settled: 600 })
  const states = await Promise.all(ids.map((id) => flow.queue.delivery(id).catch(() => undefined)))
  expect(states.filter((found) => found === undefined)).toHaveLength(0)
  expect(sentTwice(flow)).toBe(0)
}

test('a master that is killed in the middle is followed by its replica: nothing acknowledged is lost, nothing sent twice', async () => {
  await using cluster = await openRedisCluster()
  await through(cluster, (master) => master.kill())
}, 120_000)

test('a replica that is made the master in peace is found at once', async () => {
  await using cluster = await openRedisCluster()
  await through(cluster, async (master) => {
    const [, , replicas] = (await master.ask((client) => client.role())) as [string, number, string[][]]
    const replica = cluster.nodes().find(({ port }) => port === Number(replicas[0]?.[1]))
    await replica?.ask((client) => client.call('CLUSTER', 'FAILOVER'))
  })
}, 120_000)

/** What `redis-cli --cluster reshard` does with one slot. */
async function moveSlot(from: RedisServer, to: RedisServer, all: readonly RedisServer[], name: string) {
  const slot = Number(await from.ask((client) => client.cluster('KEYSLOT', `{${name}}`)))
  const idOf = async (node: RedisServer) => String(await node.ask((client) => client.call('CLUSTER', 'MYID')))
  const [source, target] = [await idOf(from), await idOf(to)]
  await to.ask((client) => client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source))
  await from.ask((client) => client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target))
  await from.ask(async (client) => {
    for (;;) {
      const keys = (await client.call('CLUSTER', 'GETKEYSINSLOT', slot, 200)) as string[]
      if (keys.length === 0) return
      await client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'REPLACE', 'KEYS', ...keys)
    }
  })
  for (const node of [to, from, ...all.filter((each) => each !== to && each !== from)])
    await node.ask((client) => client.call('CLUSTER', 'SETSLOT', slot, 'NODE', target))
}

test('a slot that is moved to another master while its mail goes out is followed there', async () => {
  await using cluster = await openRedisCluster()
  await using flow = await openMailFlow({ latencyMs: 5 }, cluster.url)
  const batch = await flow.queue.enqueueBatch(rowsTo(600), content, { batchId: 'b' })
  const options = { lockMs: 2_000, logLevel: 'silent' } as const
  await Promise.all([flow.work(options), flow.work(options)])
  await flow.sink.waitForMessages(150)
  const from = await cluster.masterOf(flow.name)
  const to = cluster.masters.find((node) => node !== from) ?? from
  await moveSlot(from, to, cluster.masters, flow.name)
  // One call on each connection finds out that it has to look elsewhere.
  const { sent, unknown, pending } = await eventually('it is drained', () => batch.wait(again), {
    withinMs: 60_000,
  })
  expect({ pending, settled: sent + unknown }).toEqual({ pending: 0, settled: 600 })
  expect(sentTwice(flow)).toBe(0)
  expect(await from.ask((client) => client.dbsize())).toBe(0)
}, 120_000)

test('a cluster of which no node answers is queue_unavailable, with the node and the reason', async () => {
  await using queue = new MailQueue({ redis: 'redis+cluster://127.0.0.1:1' })
  await expect(queue.status()).rejects.toMatchObject({
    code: 'queue_unavailable',
    message: expect.stringMatching(
      /127\.0\.0\.1:1.*no node of the cluster says who has the keys of fluxmail/,
    ),
  })
})
