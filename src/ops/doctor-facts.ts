// The facts that the doctor judges, as Redis and this process tell them.
// It asks for nothing that a hosted Redis forbids: INFO and TIME, never CONFIG.

import type { Socket } from 'node:net'
import type { Clock } from '../clock.js'
import type { WorkerConfig } from '../config.js'
import { connectionsOf } from '../limits/connection-limit.js'
import type { Redis } from '../redis.js'
import type { Facts, RedisFacts, WorkerFacts } from './doctor.js'

const LAG_SAMPLES = 5
const LAG_SAMPLE_MS = 10

/** Looks at Redis and at this process; it takes some 50 ms. Rejects when Redis does not answer. */
export async function gatherFacts(
  redis: Redis,
  clock: Clock,
  worker: WorkerFacts | undefined,
): Promise<Facts> {
  const facts = await redisFacts(redis, clock)
  return { redis: facts, eventLoopLagMs: await eventLoopLag(clock), worker }
}

/** What of a worker's configuration is judged. */
export function workerFacts(
  config: Pick<WorkerConfig, 'relays' | 'concurrency' | 'lockMs' | 'durability'>,
): WorkerFacts {
  const { relays, concurrency, lockMs, durability } = config
  const connections = Object.values(relays).reduce((sum, relay) => sum + connectionsOf(relay), 0)
  const unbridled = Object.entries(relays)
    .filter(([, { ratePerSecond, selfTuning }]) => ratePerSecond === undefined && !selfTuning)
    .map(([relay]) => relay)
  return { concurrency, connections, unbridled, lockMs, durability }
}

async function redisFacts(redis: Redis, clock: Clock): Promise<RedisFacts> {
  const ahead = await clockAhead(redis, clock)
  // Where INFO is forbidden as well, each check says that it does not know.
  const info = await redis.info().catch(() => '')
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const appendOnly = field('aof_enabled')
  const replicas = field('connected_slaves')
  return {
    version: field('valkey_version') ?? field('redis_version'),
    evictionPolicy: field('maxmemory_policy'),
    appendOnly: appendOnly === undefined ? undefined : appendOnly === '1',
    replicas: replicas === undefined ? undefined : Number(replicas),
    clockAheadMs: ahead,
    address: addressOf(redis),
  }
}

/** Of the server itself, where it was found by a Sentinel or by a cluster. */
function addressOf({ options, stream }: Redis): string {
  const { host, port, path, tls, sentinels, Connector } = options
  if (path) return `-s ${path}`
  const { remoteAddress = host, remotePort = port } = sentinels || Connector ? (stream as Socket) : {}
  return `-h ${remoteAddress} -p ${remotePort}${tls ? ' --tls' : ''}`
}

/** Our clock against that of Redis, in the middle of the question. */
async function clockAhead(redis: Redis, clock: Clock): Promise<number> {
  const before = clock.now()
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number)
  const middle = (before + clock.now()) / 2
  return middle - (seconds * 1000 + micros / 1000)
}

/** By how much the latest of some short sleeps was late. */
async function eventLoopLag(clock: Clock): Promise<number> {
  let lag = 0
  for (let sample = 0; sample < LAG_SAMPLES; sample += 1) {
    const at = clock.monotonicMs()
    await clock.sleep(LAG_SAMPLE_MS)
    lag = Math.max(lag, clock.monotonicMs() - at - LAG_SAMPLE_MS)
  }
  return lag
}
