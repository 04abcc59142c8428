// A cluster as one server: the master that has our slot. All keys of one name are in it, so that a plain connection to
// it does all that one to a single Redis does (WAIT, INFO, SCAN, scripts, transactions), and follows it when it moves.
// It must never end its search: ioredis gives a connection up for good when its connector fails.

import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import { systemClock } from './clock.js'
import { messageOf } from './errors.js'
import type { ClusterNode, ConnectionOptions } from './redis-target.js'

interface Address {
  readonly host: string
  readonly port: number
}

type Told = (type: string, error: Error) => void

const PORT = 6_379
/** How long a node may take to say who has a slot. */
const ASK_MS = 1_000
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
const SLOTS = 16_384

/** What ioredis makes its connections with, to whichever master has the slot of `name` then. */
export function clusterConnector(
  seeds: readonly ClusterNode[],
  name: string,
): NonNullable<RedisOptions['Connector']> {
  /** All connections that are made with it share what they found. */
  const known = new Map<string, Address>()
  for (const { host, port = PORT } of seeds) remember(known, { host, port })

  return class ClusterConnector extends AbstractConnector {
    readonly #options: ConnectionOptions

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 0)
      this.#options = options as ConnectionOptions
    }

    /** A replica is left, and the search begins anew. */
    override check({ role }: { role?: string }): boolean {
      return role === undefined || role === 'master'
    }

    override async connect(tell: Told) {
      this.connecting = true
      const master = await this.#search(tell)
      this.stream = open(master, this.#options)
      this.stream.once('error', (error) => {
        this.firstError = error
      })
      return this.stream
    }

    async #search(tell: Told): Promise<Address> {
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
        const found = await findMaster(known, name, this.#options).catch((error: Error) => error)
        if (!this.connecting) throw new Error('Connection is closed.')
        if (!(found instanceof Error)) return found
        tell('error', found)
        await systemClock.sleep(pauseMs)
        if (!this.connecting) throw new Error('Connection is closed.')
      }
    }
  }
}

function open({ host, port }: Address, { tls, family }: ConnectionOptions) {
  const address = { host, port, ...(family === undefined ? {} : { family }) }
  return tls ? connectTls({ ...address, ...(tls as object) }) : connectPlain(address)
}

function remember(known: Map<string, Address>, address: Address): void {
  known.set(`${address.host}:${address.port}`, address)
}

/** The first node that belongs to a working cluster and knows the master. One that does not answer is asked last. */
async function findMaster(known: Map<string, Address>, name: string, options: ConnectionOptions) {
  let why = 'it has no node'
  for (const [key, node] of [...known]) {
    const found = await ask(node, name, options).catch((error: unknown) => messageOf(error))
    if (typeof found !== 'string') {
      for (const each of found.nodes) remember(known, each)
      return found.master
    }
    why = `${key}: ${found}`
    known.delete(key)
    known.set(key, node)
  }
  throw new Error(`no node of the cluster says who has the keys of ${name} (${why})`)
}

/** What a node says: the master of the slot and all other nodes; or why it cannot be believed. */
async function ask(node: Address, name: string, options: ConnectionOptions) {
  const client = new Redis({
    ...node,
    ...login(options),
    connectTimeout: ASK_MS,
    commandTimeout: ASK_MS,
    retryStrategy: () => null,
    enableReadyCheck: false,
  })
  // What it dies of is what its commands fail with.
  client.on('error', () => undefined)
  try {
    const [state, slot, ranges] = await Promise.all([
      client.cluster('INFO'),
      client.cluster('KEYSLOT', `{${name}}`),
      client.cluster('SLOTS'),
    ])
    // A master that was cut off from the others goes on to believe that the slot is its own.
    if (!/^cluster_state:ok/m.test(String(state))) return 'it says that the cluster is down'
    return read(ranges as unknown[][], Number(slot), node, options)
  } finally {
    client.disconnect()
  }
}

function login({ username, password, tls, family }: ConnectionOptions): ConnectionOptions {
  const given = { username, password, tls, family }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** Of CLUSTER SLOTS: first slot, last slot, its master as host and port, and its replicas likewise. */
function read(ranges: unknown[][], slot: number, asked: Address, { natMap }: ConnectionOptions) {
  const addressOf = ([host, port]: unknown[]): Address => {
    // Without a name it is the one that was asked.
    const own = { host: String(host || asked.host), port: Number(port) }
    const mapped =
      typeof natMap === 'function' ? natMap(`${own.host}:${own.port}`) : natMap?.[`${own.host}:${own.port}`]
    return mapped ?? own
  }
  const isHere = ([first, last]: unknown[]) => Number(first) <= slot && slot <= Number(last)
  const nodes = ranges.flatMap(([, , ...each]) => (each as unknown[][]).map(addressOf))
  const [, , master] = ranges.find(isHere) ?? []
  if (master === undefined) return `nobody has slot ${slot} of ${SLOTS}`
  return { master: addressOf(master as unknown[]), nodes }
}
