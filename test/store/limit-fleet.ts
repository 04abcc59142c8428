// A fleet of limit stores, each with a connection of its own, on a real Redis.

import { inject } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { RelayLimits } from '../../src/limits/limit.js'
import { createRedis, type Keys, keysOf, type Redis } from '../../src/redis.js'
import { createLimitStore, type LimitStore } from '../../src/store/limits.js'
import { freshName } from '../helpers/fresh-name.js'

export interface LimitFleet extends AsyncDisposable {
  readonly redis: Redis
  readonly keys: Keys
  readonly errors: unknown[]
  /** Starts one more worker. */
  join(
    limits?: Partial<RelayLimits>,
    clock?: Clock,
    shares?: Readonly<Record<string, number>>,
  ): Promise<LimitStore>
  /** Of a worker that was started: it is silent from now on, as one that was killed. */
  kill(store: LimitStore): void
}

export const lanesShares = { transactional: 0.5, bulk: 0.25 }

export function openLimitFleet(redisUrl = inject('redisUrl')): LimitFleet {
  const keys = keysOf(freshName())
  const redis = createRedis(redisUrl, 'worker')
  const connections = new Map<LimitStore, Redis>()
  const errors: unknown[] = []
  return {
    redis,
    keys,
    errors,
    async join(limits = {}, clock = systemClock, shares = lanesShares) {
      const connection = createRedis(redisUrl, 'ledger')
      const store = createLimitStore({
        redis: connection,
        keys,
        clock,
        workerId: `worker-${connections.size}`,
        relays: { main: { selfTuning: false, providers: {}, ...limits } },
        shares,
        failed: (error) => errors.push(error),
      })
      connections.set(store, connection)
      await store.start()
      return store
    },
    kill(store) {
      connections.get(store)?.disconnect()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...connections.keys()].map((store) => store.close()))
      for (const connection of [redis, ...connections.values()]) connection.disconnect()
    },
  }
}
