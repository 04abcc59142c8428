// Connections to Redis, and the name of every key that we own, in one list.
// BullMQ's keys stand beside ours under the same hash tag, so that scripts may touch both on a cluster.

import { Redis, type RedisOptions } from 'ioredis'
import { FluxMailError, guarded, messageOf } from './errors.js'

type Options = Omit<RedisOptions, 'replyMapping'>

/** Where Redis is: a `redis://` or `rediss://` URL, or ioredis options. */
export type RedisTarget = string | Options

export type { Redis }

export const defaultRedisUrl = 'redis://127.0.0.1:6379'
export const defaultName = 'fluxmail'

/** How long a producer tries to connect before it says `queue_unavailable`. */
const PRODUCER_CONNECT_MS = 3_000
/** How long it waits for an answer; what it repeats after that is not stored twice. */
const PRODUCER_COMMAND_MS = 15_000

const roles = {
  // A producer has a caller who waits: it fails fast, and keeps nothing back for later.
  producer: {
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    connectTimeout: PRODUCER_CONNECT_MS,
    commandTimeout: PRODUCER_COMMAND_MS,
  },
  // A worker outlives Redis being away: BullMQ demands that its commands wait.
  worker: { maxRetriesPerRequest: null },
  // What many deliveries ask at the same time goes out in one write.
  ledger: { maxRetriesPerRequest: null, enableAutoPipelining: true },
} as const satisfies Record<string, Options>

/** Builds a connection that opens on first use; `onError` hears of every lost connection. */
export function createRedis(
  target: RedisTarget,
  role: keyof typeof roles,
  onError: (error: Error) => void = () => undefined,
): Redis {
  const options: Options = { ...roles[role], lazyConnect: true }
  const redis =
    typeof target === 'string'
      ? new Redis(checkedUrl(target), options)
      : guarded('invalid_config', 'redis', () => new Redis({ ...checkedOptions(target), ...options }))
  // Without a listener ioredis prints every failed reconnect to the console.
  redis.on('error', (error) => {
    lastErrors.set(redis, error)
    onError(error)
  })
  return redis
}

const lastErrors = new WeakMap<Redis, Error>()

const shouldBe = 'must be a URL such as redis://127.0.0.1:6379 (or rediss:// for TLS), or options of ioredis'

function checkedUrl(url: string): string {
  if (/^rediss?:\/\//.test(url) && URL.canParse(url)) return url
  throw new FluxMailError('invalid_config', `redis ${shouldBe}`)
}

function checkedOptions(target: unknown): Options {
  if (typeof target !== 'object' || target === null)
    throw new FluxMailError('invalid_config', `redis ${shouldBe}`)
  const options = guarded('invalid_config', 'redis', () => ({ ...(target as Options) }))
  if (!options.keyPrefix) return options
  throw new FluxMailError(
    'invalid_config',
    'redis.keyPrefix does not go with BullMQ; `name` keeps keys apart',
  )
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
    // ioredis says why in an event, and only «Connection is closed.» to who waits.
    const message = messageOf(lastErrors.get(redis) ?? cause)
    throw new FluxMailError('queue_unavailable', `Redis at ${placeOf(redis)} cannot be reached: ${message}`)
  })
}

function placeOf({ options: { host, port, path } }: Redis): string {
  return path ?? `${host}:${port}`
}

async function becomesReady(redis: Redis): Promise<void> {
  if (redis.status === 'wait') return redis.connect()
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      redis.off('ready', settle)
      redis.off('error', settle)
      redis.off('end', ended)
      if (error) reject(error)
      else resolve()
    }
    const ended = () => settle(new Error('the connection was closed'))
    redis.once('ready', settle)
    redis.once('error', settle)
    redis.once('end', ended)
  })
}

/** What a failed command of Redis means to a caller. Its cause is told in words: ioredis keeps the whole command. */
export function unavailable(cause: unknown): FluxMailError {
  if (cause instanceof FluxMailError) return cause
  const message = messageOf(cause)
  return new FluxMailError('queue_unavailable', `Redis did not take the command: ${message}`, {
    cause: new Error(message),
  })
}

/** @throws FluxMailError `invalid_config` when `name` cannot be what keys begin with */
export function checkName(name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(name)) return name
  throw new FluxMailError('invalid_config', 'name must be 1 to 64 of A-Z a-z 0-9 _ . -')
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
    /** String: the wire mark or the verdict of one delivery. */
    mark: (deliveryId: string) => `${own}:mark:${deliveryId}`,
    /** Hash: exact counts of one lane. */
    laneCounts: (lane: string) => `${own}:counts:${lane}`,
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
  } as const
}

export type Keys = ReturnType<typeof keysOf>

type ScriptArgument = string | number | Buffer

/** A Lua script that is sent once and called by its digest afterwards. */
export function defineScript(redis: Redis, name: string, numberOfKeys: number, lua: string) {
  redis.defineCommand(name, { numberOfKeys, lua })
  const commands = redis as unknown as Record<string, (...args: ScriptArgument[]) => Promise<unknown>>
  return (keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> => {
    const command = commands[name]
    if (command === undefined || keys.length !== numberOfKeys)
      throw new TypeError(`${name} takes ${numberOfKeys} keys`)
    return command.call(redis, ...keys, ...args)
  }
}
