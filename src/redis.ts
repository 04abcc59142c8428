// Connections to Redis, and the name of every key that we own, in one list.
// BullMQ's keys stand beside ours under the same hash tag, so that scripts may touch both on a cluster.

import type { Redis } from 'ioredis'
import { afterTurn, systemClock } from './clock.js'
import { FluxMailError, guarded, messageOf } from './errors.js'
import { clusterConnector } from './redis-cluster.js'
import { GatheringRedis } from './redis-gathering.js'
import {
  type ConnectionOptions,
  parseRedisTarget,
  type RedisPlace,
  type RedisTarget,
} from './redis-target.js'

export type { RedisTarget, RedisTargetOptions } from './redis-target.js'
export type { Redis }

export const defaultRedisUrl = 'redis://127.0.0.1:6379'
export const defaultName = 'fluxmail'

/** How long who waits for a connection, or for Redis to load its data, is kept before it is `queue_unavailable`. */
const READY_MS = 3_000
/**
 * How long a producer waits for an answer; what it repeats after that is not stored twice. The largest email has to
 * be through by then: 25 MB of attachments take 2.5 s at 100 Mbit/s.
 */
const PRODUCER_ANSWER_MS = 6_000
/** A socket that has ended already keeps the process for as long, since ioredis waits for its end. */
const DISCONNECT_MS = 500

const roles = {
  // A producer has a caller who waits: it fails fast, and keeps nothing back for later.
  producer: {
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    connectTimeout: READY_MS,
    commandTimeout: PRODUCER_ANSWER_MS,
    // A connection that is silent for so long is given up, so that the next caller does not wait as long again.
    socketTimeout: PRODUCER_ANSWER_MS,
  },
  // What waits for a replica waits on the connection that wrote: one that comes after it has written nothing, and
  // would be told that the replicas have all of it.
  replica: {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    connectTimeout: READY_MS,
    commandTimeout: PRODUCER_ANSWER_MS,
    socketTimeout: PRODUCER_ANSWER_MS,
  },
  // A worker outlives Redis being away: BullMQ demands that its commands wait.
  worker: { maxRetriesPerRequest: null },
  ledger: { maxRetriesPerRequest: null },
} as const satisfies Record<string, ConnectionOptions>

/**
 * A primary that was made a replica keeps its clients, a master of a cluster those of a slot that has moved on, and one
 * that was cut off from the others those whom it cannot serve: where they have to go is found by connecting again.
 */
const reconnectOnError = ({ message }: Error) => /\bREADONLY\b|^(MOVED|CLUSTERDOWN)\b/.test(message)

export interface RedisConnection {
  /** What our keys begin with, by which a cluster says where they are; default `fluxmail`. */
  readonly name?: string | undefined
  /** Hears of every lost connection. */
  onError?(error: Error): void
}

/** Builds a connection that opens on first use. */
export function createRedis(
  target: RedisTarget,
  role: keyof typeof roles,
  { name = defaultName, onError = () => undefined }: RedisConnection = {},
): Redis {
  const place = parseRedisTarget(target)
  const options = {
    ...{ ...connectionOptions(place, name), ...roles[role] },
    ...{ lazyConnect: true, reconnectOnError, disconnectTimeout: DISCONNECT_MS },
  }
  const redis = guarded('invalid_config', 'redis', () =>
    place.url === undefined ? new GatheringRedis(options) : new GatheringRedis(place.url, options),
  )
  // Without a listener ioredis prints every failed reconnect to the console.
  redis.on('error', onError)
  // It listens to its socket once more for each command that sends it elsewhere, which Node would call a leak.
  redis.on('connect', () => redis.stream.setMaxListeners(0))
  return redis
}

function connectionOptions({ options, cluster }: RedisPlace, name: string) {
  const [first] = cluster ?? []
  if (cluster === undefined || first === undefined) return options
  const { host, port = 6379 } = first
  return { ...options, host, port, Connector: clusterConnector(cluster, name) }
}

const becomingReady = new WeakMap<Redis, Promise<void>>()

/** Resolves when commands will be taken; throws `queue_unavailable` where Redis cannot be reached. */
export async function ready(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return
  if (redis.status === 'end') throw new FluxMailError('closed', 'the connection to Redis was closed')
  // All callers wait for one connection together.
  const waiting = becomingReady.get(redis) ?? becomesReady(redis).finally(() => becomingReady.delete(redis))
  becomingReady.set(redis, waiting)
  await waiting.catch((cause: unknown) => {
    const why = messageOf(cause)
    throw new FluxMailError('queue_unavailable', `Redis at ${placeOf(redis)} cannot be reached: ${why}`)
  })
}

/** Closes a connection for good, and tells those who wait for it. */
export function disconnect(redis: Redis): void {
  // Between two attempts to connect ioredis would never say that it has ended.
  const between = redis.status === 'reconnecting'
  redis.disconnect()
  if (!between) return
  redis.status = 'end'
  redis.emit('end')
}

function placeOf({ options: { host, port, path, sentinels, name } }: Redis): string {
  const [sentinel] = sentinels ?? []
  return sentinel
    ? `${name}, by the Sentinel at ${sentinel.host}:${sentinel.port},`
    : (path ?? `${host}:${port}`)
}

function becomesReady(redis: Redis): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      stopTimer()
      redis.off('ready', settle)
      redis.off('error', settle)
      redis.off('end', ended)
      if (error) reject(error)
      else resolve()
    }
    const ended = () => settle(new Error('the connection was closed'))
    const stopTimer = systemClock.after(READY_MS, () => settle(notReady(redis)))
    redis.once('ready', settle)
    redis.once('error', settle)
    redis.once('end', ended)
    // Its promise only says «Connection is closed.», and the events why.
    if (redis.status === 'wait') redis.connect().catch(() => undefined)
  })
}

function notReady({ status }: Redis): Error {
  const why = status === 'connect' ? 'it hangs, or is loading its data' : 'there is no connection yet'
  return new Error(`not ready within ${READY_MS} ms: ${why}`)
}

/** What a failed command of Redis means to a caller. Its cause is told in words: ioredis keeps the whole command. */
export function unavailable(cause: unknown): FluxMailError {
  if (cause instanceof FluxMailError) return cause
  const message = reasonOf(cause)
  const code = isOutOfMemory(message) ? 'queue_full' : 'queue_unavailable'
  return new FluxMailError(code, `Redis did not take the command: ${message}`, { cause: new Error(message) })
}

/** Of a transaction that was discarded, why one of its commands was refused. */
function reasonOf(cause: unknown): string {
  const { previousErrors: [first] = [] } = (cause ?? {}) as { previousErrors?: unknown[] }
  return messageOf(first ?? cause)
}

function isOutOfMemory(message: string): boolean {
  return /\bOOM\b/.test(message)
}

/** Whether Redis refused for now what it may take later: it is full, cannot save, or is no primary. */
export function isPassing(error: unknown): error is Error {
  return (
    isRefusal(error) &&
    /\b(OOM|MISCONF|READONLY|NOREPLICAS|BUSY|LOADING|CLUSTERDOWN|MOVED|ASK|TRYAGAIN)\b/.test(error.message)
  )
}

/** Whether Redis answered, and the answer was no: asking again at once is vain. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

/**
 * Lua that has to stand first in a script that settles or marks, so that it is taken when memory is at its limit.
 * Redis refuses the first write of a script that needs memory, and none after a write that needs none.
 */
export const beyondMemoryLua = `redis.call('UNLINK', KEYS[1] .. '.')`

/** @throws FluxMailError `invalid_config` when `name` cannot be what keys begin with */
export function checkName(name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(name)) return name
  throw new FluxMailError('invalid_config', 'name must be 1 to 64 of A-Z a-z 0-9 _ . -')
}

/** What the keys of a shard begin with; no name that a user gives has a `~`. */
export function shardName(name: string, shard: number): string {
  return shard === 0 ? name : `${name}~${shard}`
}

/** Every key that we own under one `name`. The number is the version of what is stored under them. */
export function keysOf(name: string) {
  const own = `{${name}}:v1`
  return {
    /** BullMQ's prefix; a lane is a queue under it. */
    bullPrefix: `{${name}}`,
    /** Hash: the JSON of a content, how many deliveries refer to it, and the hashes of its files. */
    content: (hash: string) => `${own}:content:${hash}`,
    /** Hash: the bytes of a file, and how many contents refer to it. */
    file: (hash: string) => `${own}:file:${hash}`,
    /** String: the receipt of an enqueue under an idempotency key. */
    receipt: (digest: string) => `${own}:receipt:${digest}`,
    /** String with an expiry: what a process writes before it waits for a replica, which then has all before it. */
    replicated: (process: string) => `${own}:replicated:${process}`,
    /** String: the wire mark or the verdict of one delivery. */
    mark: (deliveryId: string) => `${own}:mark:${deliveryId}`,
    /** Stream: deliveries as they are settled, while somebody has asked for them. */
    outcomes: `${own}:outcomes`,
    /** String: for how many seconds they are kept; missing while nobody has asked. */
    outcomesKept: `${own}:outcomes:kept`,
    /** Hash: exact counts of one lane. */
    laneCounts: (lane: string) => `${own}:counts:${lane}`,
    ...batchKeysOf(own),
    /** Hash: file that rows bring to how many rows of the batch need it. */
    batchFiles: (id: string) => `${own}:batch:${id}:files`,
    /** Sorted set: all batches by when they were created. */
    batches: `${own}:batches`,
    /** Set: batches whose contents are kept for as long as it takes. */
    holding: `${own}:holding`,
    /** Sorted set: batches of a lane with rows that may be unpacked, by whose turn it is. */
    turns: (lane: string) => `${own}:turns:${lane}`,
    /** Sorted set: batches of a lane that wait for an instant, by that instant. */
    later: (lane: string) => `${own}:later:${lane}`,
    /** String with an expiry: the worker that clears this lane of what is over. */
    sweeping: (lane: string) => `${own}:sweeping:${lane}`,
    /** String with an expiry: the worker that unpacks this lane now. */
    unpacking: (lane: string) => `${own}:unpacking:${lane}`,
    ...shardKeysOf(own),
    /** Hash: the circuit of one relay as JSON, and the number of its version. */
    circuit: (relay: string) => `${own}:circuit:${relay}`,
    /** Hash: the limits of one relay as JSON (what is configured, set and tuned), and the number of its version. */
    limits: (relay: string) => `${own}:limits:${relay}`,
    /** Hash: tokens of the relay's buckets, what lanes may and want to take, and since when. */
    buckets: (relay: string) => `${own}:buckets:${relay}`,
    /** Hash: worker to its connections to the relay, how many it wants, and until when that counts. */
    connections: (relay: string) => `${own}:connections:${relay}`,
    /** Hash: permits spent by second, provider and lane; of the last seconds. */
    spent: (relay: string) => `${own}:spent:${relay}`,
    /** Hash: hour to permits taken in it; of the last day. */
    quota: (relay: string) => `${own}:quota:${relay}`,
    /** Sorted set: jobs of a lane that are set aside at a gate, by when they are due. */
    aside: (lane: string, gate: string) => `${own}:aside:${lane}:${gate}`,
    /** Set: gates at which jobs of a lane are set aside. */
    gates: (lane: string) => `${own}:gates:${lane}`,
    /** Hash: worker to what it works on and how fast, as JSON; those that are silent are taken out. */
    workers: `${own}:workers`,
    /** Sorted set: relays by when a worker last had them. */
    relays: `${own}:relays`,
  } as const
}

/** What has to do with other shards. */
function shardKeysOf(own: string) {
  return {
    /** Hash: address or `@domain` to why, since when and until when nothing is sent to it, as JSON. */
    suppressed: `${own}:suppressed`,
    /** Set: addresses that bounced here and are not suppressed in the other shards yet. */
    bounced: `${own}:suppressed:bounced`,
    /** String: over how many shards the lanes are spread, and in which order; missing where there is one. */
    shards: `${own}:shards`,
  } as const
}

/** What is kept of one batch. Scripts that are called for every delivery are told `batch`, and make the others of it. */
function batchKeysOf(own: string) {
  return {
    /** Hash: what a batch is and its exact counts. */
    batch: (id: string) => `${own}:batch:${id}`,
    /** Bitmap: one bit a row, set when it is settled. */
    batchSettled: (id: string) => `${own}:batch:${id}:settled`,
    /** Hash: chunk number to the digest of its rows. */
    batchChunks: (id: string) => `${own}:batch:${id}:chunks`,
    /** Hash: reason to number of failed deliveries. */
    batchFailures: (id: string) => `${own}:batch:${id}:failures`,
    /** List: the first failures, as JSON. */
    batchErrors: (id: string) => `${own}:batch:${id}:errors`,
    /** Hash: chunk number to the compressed rows that wait in it. */
    batchRows: (id: string) => `${own}:batch:${id}:rows`,
    /** Sorted set: gate and chunk number, for each chunk whose rows wait for that gate. */
    batchLeft: (id: string) => `${own}:batch:${id}:left`,
    /** Sorted set: ordinals that failed or are unknown, by when they were settled. */
    batchFailed: (id: string) => `${own}:batch:${id}:failed`,
    /** Hash: five-second bucket to deliveries settled in it; of the last minute or so. */
    batchRate: (id: string) => `${own}:batch:${id}:rate`,
    /** String with an expiry: whoever stores rows is alive. */
    batchImporter: (id: string) => `${own}:batch:${id}:importer`,
    /** List: replays of a batch as JSON: what, when and why. */
    batchReplays: (id: string) => `${own}:batch:${id}:replays`,
  } as const
}

export type Keys = ReturnType<typeof keysOf>

type ScriptArgument = string | number | Buffer

/** A call of a defined script, its keys first, that somebody else makes part of a transaction. */
export interface ScriptCall {
  readonly name: string
  readonly args: readonly ScriptArgument[]
}

/** A Lua script that is sent once and called by its digest afterwards; with `Buffer`, its answers are bytes. */
export function defineScript(
  redis: Redis,
  name: string,
  numberOfKeys: number,
  lua: string,
  answers: '' | 'Buffer' = '',
) {
  redis.defineCommand(name, { numberOfKeys, lua })
  const commands = redis as unknown as Record<string, (...args: ScriptArgument[]) => Promise<unknown>>
  return (keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> => {
    const command = commands[`${name}${answers}`]
    if (command === undefined || keys.length !== numberOfKeys)
      throw new TypeError(`${name} takes ${numberOfKeys} keys`)
    return command.call(redis, ...keys, ...args)
  }
}

/** Calls `run` at the end of the turn, before what was asked in it is written. */
export function whenWritten(redis: Redis, run: () => void): void {
  if (redis instanceof GatheringRedis) redis.whenWritten(run)
  else afterTurn(run)
}

/** Whether Redis has forgotten a script that it was sent, as it does at SCRIPT FLUSH. */
export function isForgotten(error: Error): boolean {
  return error.message.startsWith('NOSCRIPT')
}

const sending = new WeakMap<Redis, Promise<unknown>>()

/** Sends every script that this connection knows; all who ask at once wait for it together. */
export async function sendScripts(redis: Redis): Promise<void> {
  const scripts: { readonly lua: string }[] = Object.values(redis.scriptsSet)
  const sent =
    sending.get(redis) ??
    Promise.all(scripts.map(({ lua }) => redis.script('LOAD', lua))).finally(() => sending.delete(redis))
  sending.set(redis, sent)
  await sent
}
