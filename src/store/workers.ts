// Who works: each worker says every two seconds where it runs, which lanes it has, how fast it settles them, and what it
// holds of the relays. BullMQ's own list of workers is made of the names of connections; this is for people who ask.

import { hostname } from 'node:os'
import type { Clock } from '../clock.js'
import type { WorkerConfig } from '../config.js'
import { packageVersion } from '../package-root.js'
import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'

/** What a worker has, as its configuration says. */
export interface WorkerFacts {
  readonly lanes: readonly string[]
  readonly relays: readonly string[]
  /** The relays of each route. */
  readonly routes: Readonly<Record<string, readonly string[]>>
  /** Its own limit, all relays together. */
  readonly perSecond?: number | undefined
  /** Providers that its configuration names, beside those that are always there. */
  readonly providers?: readonly string[] | undefined
}

const defaultRoute = 'default'

export function heartbeatFacts(config: WorkerConfig): WorkerFacts {
  const { lanes, relays, routes, maxPerWorkerPerSecond, providers } = config
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
    providers: [...new Set(Object.values(providers))],
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
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly startedAt: number
  /** When it last took a delivery, by lane. */
  readonly tookAt: Readonly<Record<string, number>>
  /** How many deliveries it settled in the last minute, by lane. */
  readonly settled: Readonly<Record<string, number>>
  /** How many it settles in a second, by lane: the mean of the last ten. */
  readonly rates: Readonly<Record<string, number>>
  /** Connections that are open or being opened, by relay. */
  readonly connections: Readonly<Record<string, number>>
  /** Permits that it has and has not spent, by relay. */
  readonly permits: Readonly<Record<string, number>>
  /** By Redis' clock. */
  readonly seenAt: number
}

/** What a worker holds of the relays now. */
export interface Holdings {
  connections(): ReadonlyMap<string, number>
  stock(): ReadonlyMap<string, number>
}

export interface HeartbeatOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly id: string
  readonly facts: WorkerFacts
  readonly holdings: Holdings
}

export interface Heartbeat {
  /** An attempt has begun. */
  took(lane: string): void
  /** A delivery has ended. */
  settled(lane: string): void
  stop(): Promise<void>
}

const BEAT_MS = 2_000
const BEATS_A_MINUTE = 30
const BEATS_OF_RATE = 5
/** One that was silent for so long is gone. */
export const goneMs = 6_000

// KEYS workers. ARGV worker, what it says. Redis' time stands before it, so that no other clock says who is gone.
const BEAT = `
${beyondMemoryLua}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
`

export function createHeartbeat({ redis, keys, clock, id, facts, holdings }: HeartbeatOptions): Heartbeat {
  const beat = defineScript(redis, 'fluxmailBeatWorker', 1, BEAT)
  const startedAt = clock.now()
  const tookAt: Record<string, number> = {}
  const counts: Record<string, number>[] = [{}]
  const said = (): Omit<WorkerStatus, 'seenAt'> => ({
    ...facts,
    ...{ id, host: hostname(), pid: process.pid, version: packageVersion(), startedAt, tookAt },
    settled: summed(counts),
    rates: ratesOf(counts, (clock.now() - startedAt) / 1000),
    connections: Object.fromEntries(holdings.connections()),
    permits: Object.fromEntries(holdings.stock()),
  })

  // It is only for those who ask; while Redis is away nobody can.
  const quietly = () => void beat([keys.workers], [id, JSON.stringify(said())]).catch(() => undefined)
  quietly()
  const stopBeating = clock.every(BEAT_MS, () => {
    quietly()
    counts.push({})
    if (counts.length > BEATS_A_MINUTE) counts.shift()
  })
  return {
    took: (lane) => {
      tookAt[lane] = clock.now()
    },
    settled: (lane) => {
      const now = counts.at(-1)
      if (now) now[lane] = (now[lane] ?? 0) + 1
    },
    async stop() {
      stopBeating()
      await redis.hdel(keys.workers, id).catch(() => undefined)
    },
  }
}

function ratesOf(counts: readonly Readonly<Record<string, number>>[], age: number): Record<string, number> {
  const seconds = Math.min((BEATS_OF_RATE * BEAT_MS) / 1000, Math.max(age, 1))
  const rates = Object.entries(summed(counts.slice(-BEATS_OF_RATE)))
  return Object.fromEntries(rates.map(([lane, count]) => [lane, Math.round((count / seconds) * 10) / 10]))
}

function summed(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const each of counts) {
    for (const [lane, count] of Object.entries(each)) sums[lane] = (sums[lane] ?? 0) + count
  }
  return sums
}

/** The workers that are there, those that began first before the others; those that are gone are forgotten. */
export async function readWorkers(redis: Redis, keys: Keys): Promise<WorkerStatus[]> {
  const [said, [seconds = 0, microseconds = 0]] = await Promise.all([
    redis.hgetall(keys.workers),
    redis.time(),
  ])
  const now = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  const all = Object.entries(said).map(([id, text]) => ({ id, beat: parseBeat(text) }))
  const there = all.flatMap(({ beat }) => (beat && now - beat.seenAt <= goneMs ? [beat] : []))
  const gone = all.filter(({ beat }) => beat === undefined || !there.includes(beat))
  if (gone.length > 0) await redis.hdel(keys.workers, ...gone.map(({ id }) => id))
  return there.toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
}

/** Undefined for what another version wrote. */
function parseBeat(text: string): WorkerStatus | undefined {
  const [, seenAt, json] = /^(\d+) (\{.*)$/s.exec(text) ?? []
  if (json === undefined) return undefined
  return { ...(JSON.parse(json) as Omit<WorkerStatus, 'seenAt'>), seenAt: Number(seenAt) }
}
