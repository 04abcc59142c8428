// Several redis-servers as people run them: a cluster, and a primary with a replica under three Sentinels.

import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { freePort } from '../../src/cli/free-port.js'
import { eventually } from './eventually.js'
import { openRedisServer, type RedisServer, startServer } from './redis-server.js'
import { openSlowProxy } from './slow-proxy.js'

export interface RedisCluster extends AsyncDisposable {
  readonly url: string
  readonly masters: readonly RedisServer[]
  /** All of them, with the replicas that were added. */
  nodes(): readonly RedisServer[]
  /** The master that has the keys of `name` now. */
  masterOf(name: string): Promise<RedisServer>
  /** Gives the master of `name` a replica that is in step with it. */
  addReplica(name: string): Promise<RedisServer>
}

const SLOTS = 16_384
const MASTERS = 3
/** How soon a silent node is taken for dead. */
const NODE_TIMEOUT_MS = 1_500

async function openNode(): Promise<RedisServer> {
  const bus = ['--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`]
  const timeouts = ['--cluster-node-timeout', `${NODE_TIMEOUT_MS}`, '--cluster-allow-replica-migration', 'no']
  return openRedisServer({ args: [...bus, ...timeouts] })
}

const busOf = (node: RedisServer) =>
  node.ask(async (client) => Number(((await client.config('GET', 'cluster-port')) as string[])[1]))

async function meet(node: RedisServer, other: RedisServer): Promise<void> {
  const bus = await busOf(other)
  await node.ask((client) => client.call('CLUSTER', 'MEET', '127.0.0.1', other.port, bus))
}

const isWhole = (node: RedisServer, nodes: number) =>
  node.ask(async (client) => {
    const info = String(await client.cluster('INFO'))
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes}`)
  })

export async function openRedisCluster(): Promise<RedisCluster> {
  const masters: RedisServer[] = []
  const all: RedisServer[] = []
  for (let index = 0; index < MASTERS; index += 1) {
    const node = await openNode()
    const [first, last] = [index, index + 1].map((each) => Math.ceil((each * SLOTS) / MASTERS))
    await node.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', first ?? 0, (last ?? 0) - 1))
    await node.ask((client) => client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1))
    masters.push(node)
    all.push(node)
    const [seed] = masters
    if (seed && seed !== node) await meet(node, seed)
  }
  // One that was killed says nothing any more.
  const whole = () => Promise.all(all.map((node) => isWhole(node, all.length).catch(() => true)))
  await eventually('the cluster is whole', async () => (await whole()).every(Boolean))
  const url = `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  const masterOf = async (name: string) => {
    const port = await masterPort(all, name)
    const found = all.find((node) => node.port === port)
    if (found === undefined) throw new Error(`no master has the keys of ${name}`)
    return found
  }
  return {
    url,
    masters,
    nodes: () => all,
    masterOf,
    async addReplica(name) {
      const master = await masterOf(name)
      const replica = await openNode()
      all.push(replica)
      await meet(replica, master)
      const id = await master.ask((client) => client.call('CLUSTER', 'MYID'))
      await eventually('it knows its master', () =>
        replica.ask((client) => client.call('CLUSTER', 'REPLICATE', String(id))),
      )
      await eventually('the replica follows', () => replica.ask(isInStep))
      await eventually('the cluster is whole', async () => (await whole()).every(Boolean))
      return replica
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((node) => node[Symbol.asyncDispose]()))
    },
  }
}

async function masterPort(nodes: readonly RedisServer[], name: string): Promise<number> {
  for (const node of nodes) {
    const found = await node.ask((client) => masterIn(client, name)).catch(() => undefined)
    if (found !== undefined) return found
  }
  return 0
}

async function masterIn(client: Redis, name: string): Promise<number | undefined> {
  if (!String(await client.cluster('INFO')).includes('cluster_state:ok')) return undefined
  const slot = Number(await client.cluster('KEYSLOT', `{${name}}`))
  const ranges = (await client.cluster('SLOTS')) as unknown as [number, number, [string, number]][]
  return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1]
}

const isInStep = async (client: Redis) => (await client.info('replication')).includes('master_link_status:up')

export interface SentinelFleet extends AsyncDisposable {
  readonly url: string
  readonly primary: RedisServer
  readonly replica: RedisServer
  /** The port of the one that the Sentinels call the primary. */
  primaryPort(): Promise<number>
  /** Nothing reaches the replica any more. */
  cutLink(): Promise<void>
  /** A further replica, of the one that was a replica and is the primary now. */
  addReplica(): Promise<RedisServer>
}

const SENTINELS = 3
const QUORUM = 2
const DOWN_AFTER_MS = 1_000

/** A replica that is some milliseconds behind, as one in another building is, has its link by way of a proxy. */
export async function openSentinelFleet(lagMs = 0): Promise<SentinelFleet> {
  const primary = await openRedisServer()
  const wire = await openSlowProxy(primary.port, lagMs)
  const from = lagMs > 0 ? wire.port : primary.port
  const replica = await openRedisServer({ args: ['--replicaof', `127.0.0.1 ${from}`] })
  await eventually('the replica follows', () => replica.ask(isInStep))
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => openSentinel(primary.port)))
  const knows = (node: RedisServer) =>
    node.ask(async (client) => {
      const facts = (await client.call('SENTINEL', 'MASTER', 'mymaster')) as string[]
      const fact = (name: string) => facts[facts.indexOf(name) + 1]
      return fact('num-slaves') === '1' && fact('num-other-sentinels') === `${SENTINELS - 1}`
    })
  await eventually('the Sentinels know each other', async () =>
    (await Promise.all(sentinels.map(knows))).every(Boolean),
  )
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/mymaster`,
    primary,
    replica,
    async cutLink() {
      await replica.ask((client) => client.config('SET', 'masteruser', 'nobody', 'masterauth', 'wrong'))
      await primary.ask((client) => client.call('CLIENT', 'KILL', 'TYPE', 'replica'))
    },
    async addReplica() {
      const third = await openRedisServer({ args: ['--replicaof', `127.0.0.1 ${replica.port}`] })
      await eventually('the replica follows', () => third.ask(isInStep), { withinMs: 30_000 })
      return third
    },
    async primaryPort() {
      const [first] = sentinels
      const answer = await first?.ask((client) =>
        client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster'),
      )
      return Number((answer as string[])[1])
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...sentinels, wire, replica, primary].map((node) => node[Symbol.asyncDispose]()))
    },
  }
}

async function openSentinel(primaryPort: number): Promise<RedisServer> {
  const [port, folder] = [await freePort(), await mkdtemp(join(tmpdir(), 'fluxmail-sentinel-'))]
  const file = join(folder, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor mymaster 127.0.0.1 ${primaryPort} ${QUORUM}`,
    `sentinel down-after-milliseconds mymaster ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout mymaster 4000',
  ]
  await writeFile(file, lines.join('\n'))
  return startServer(['redis-server', file, '--sentinel'], port, folder, {
    connect: { enableReadyCheck: false },
  })
}
