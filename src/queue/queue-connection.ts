// The connections of a MailQueue, and how what it asks of Redis is run: failing fast, and as durable as it was told.

import {
  createRedis,
  disconnect,
  type Keys,
  keysOf,
  type Redis,
  type RedisTarget,
  ready,
  unavailable,
} from '../redis.js'
import { createReplicas } from '../store/replicas.js'
import { createAgreement, type Layout } from '../store/shard-layout.js'

export interface QueueConnectionOptions {
  readonly redis: RedisTarget
  /** What our keys begin with. */
  readonly name: string
  readonly durability: 'primary' | 'replicated'
  readonly layout: Layout
  /** That of the first shard; its own unless given. */
  readonly agreed?: (() => Promise<void>) | undefined
  /** @throws FluxMailError `closed` */
  checkOpen(): void
}

export interface QueueConnection {
  readonly redis: Redis
  readonly keys: Keys
  /**
   * Looks, the first time, whether others have the same shards.
   *
   * @throws FluxMailError `invalid_config`, `queue_unavailable`
   */
  agreed(): Promise<void>
  /** A connection of its own, for who waits on it. */
  connect(): Redis
  /**
   * Runs what talks to Redis.
   *
   * @throws FluxMailError `closed`, `invalid_config`, `queue_full`, `queue_unavailable`
   */
  run<T>(command: () => Promise<T>): Promise<T>
  /** Runs what writes, and resolves once it is as durable as the queue was told to be. */
  store<T>(write: () => Promise<T>): Promise<T>
  disconnect(): void
}

export function createQueueConnection(options: QueueConnectionOptions): QueueConnection {
  const { redis: target, name, durability, layout, checkOpen } = options
  const keys = keysOf(name)
  const redis = createRedis(target, 'producer', { name })
  const waiter = durability === 'replicated' ? createRedis(target, 'replica', { name }) : undefined
  const agreement = createAgreement(redis, keys, layout)
  const agreed = options.agreed ?? (() => ready(redis).then(agreement))
  const replicas = waiter && createReplicas({ writer: redis, waiter, keys })

  async function run<T>(command: () => Promise<T>): Promise<T> {
    checkOpen()
    await ready(redis)
    try {
      await agreed()
      return await command()
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  return {
    redis,
    keys,
    run,
    agreed,
    connect: () => createRedis(target, 'worker', { name }),
    store: (write) =>
      run(async () => {
        const confirm = replicas?.begin()
        const written = await write()
        await confirm?.()
        return written
      }),
    disconnect() {
      disconnect(redis)
      if (waiter) disconnect(waiter)
    },
  }
}
