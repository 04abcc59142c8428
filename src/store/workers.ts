// Who works: each worker says every few seconds which lanes it has, how fast it settles, and what it may send through.
// BullMQ's own list of workers is made of the names of connections, which say neither; this is for people who ask.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { WorkerConfig } from '../config.js'
import type { Keys, Redis } from '../redis.js'

/** What a worker has, as its configuration says. */
export interface WorkerFacts {
  readonly lanes: readonly string[]
  readonly relays: readonly string[]
  /** The relays of each route. */
  readonly routes: Readonly<Record<string, readonly string[]>>
  /** Its own limit, all relays together. */
  readonly perSecond?: number | undefined
}

const defaultRoute = 'default'

export function heartbeatFacts({ lanes, relays, routes, maxPerWorkerPerSecond }: WorkerConfig): WorkerFacts {
  const all = Object.keys(relays)
  const named = Object.entries(routes).map(([route, choice]) => [
    route,
    choice.map((each) => (typeof each === 'string' ? each : each.relay)),
  ])
  return {
    lanes: Object.keys(lanes),
    relays: all,
    routes: { [defaultRoute]: all, ...Object.fromEntries(named) },
    ...(maxPerWorkerPerSecond === undefined ? {} : { perSecond: maxPerWorkerPerSecond }),
  }
}

/** The relays that a route may go through, as the workers say; undefined where none knows it. */
export function relaysOfRoute(
  workers: readonly WorkerFacts[],
  route = defaultRoute,
): ReadonlySet<string> | undefined {
  const known = workers.flatMap(({ routes }) => routes[route] ?? [])
  return known.length === 0 ? undefined : new Set(known)
}

export interface WorkerStatus extends WorkerFacts {
  readonly id: string
  readonly startedAt: number
  /** When it last took a delivery, by lane. */
  readonly tookAt: Readonly<Record<string, number>>
  /** How many deliveries it settled in the last minute, by lane. */
  readonly settled: Readonly<Record<string, number>>
  readonly seenAt: number
}

export interface Heartbeat {
  /** An attempt has begun. */
  took(lane: string): void
  /** A delivery has ended. */
  settled(lane: string): void
  stop(): Promise<void>
}

const BEAT_MS = 5_000
const BEATS_A_MINUTE = 12
/** One that was silent for so long is gone. */
const GONE_MS = 20_000

export function createHeartbeat(redis: Redis, keys: Keys, clock: Clock, facts: WorkerFacts): Heartbeat {
  const id = randomUUID()
  const startedAt = clock.now()
  const tookAt: Record<string, number> = {}
  const beats: Record<string, number>[] = [{}]

  async function beat(): Promise<void> {
    const status: WorkerStatus = {
      ...facts,
      id,
      startedAt,
      tookAt,
      settled: summed(beats),
      seenAt: clock.now(),
    }
    beats.push({})
    if (beats.length > BEATS_A_MINUTE) beats.shift()
    await redis.hset(keys.workers, id, JSON.stringify(status))
  }

  // It is only for those who ask; while Redis is away nobody can.
  const quietly = () => void beat().catch(() => undefined)
  quietly()
  const stopBeating = clock.every(BEAT_MS, quietly)
  return {
    took: (lane) => {
      tookAt[lane] = clock.now()
    },
    settled: (lane) => {
      const now = beats.at(-1)
      if (now) now[lane] = (now[lane] ?? 0) + 1
    },
    async stop() {
      stopBeating()
      await redis.hdel(keys.workers, id).catch(() => undefined)
    },
  }
}

function summed(beats: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const beat of beats) {
    for (const [lane, count] of Object.entries(beat)) sums[lane] = (sums[lane] ?? 0) + count
  }
  return sums
}

/** The workers that are there at `now`; those that are gone are forgotten. */
export async function readWorkers(redis: Redis, keys: Keys, now: number): Promise<WorkerStatus[]> {
  const all = Object.values(await redis.hgetall(keys.workers)).map((json) => JSON.parse(json) as WorkerStatus)
  const gone = all.filter(({ seenAt }) => now - seenAt > GONE_MS)
  if (gone.length > 0) await redis.hdel(keys.workers, ...gone.map(({ id }) => id))
  return all.filter((worker) => !gone.includes(worker))
}
