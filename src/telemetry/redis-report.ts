// Redis as this process sees it, and as each shard's Redis describes itself: the latter is the same from every worker.

import type { RedisFacts } from '../store/redis-facts.js'
import type { MetricName, Metrics } from './metrics.js'

const gauges = {
  memoryBytes: 'fluxmail_redis_memory_bytes',
  memoryLimitBytes: 'fluxmail_redis_memory_limit_bytes',
  evicts: 'fluxmail_redis_evicts',
  appendOnly: 'fluxmail_redis_append_only',
  writeFailed: 'fluxmail_redis_write_failed',
  clients: 'fluxmail_redis_clients',
  commandsPerSecond: 'fluxmail_redis_commands_per_second',
  replicas: 'fluxmail_redis_replicas',
} as const satisfies Record<keyof RedisFacts, MetricName>

/** Whether this process reaches Redis, and how long that took last; no time while it does not. */
export function measureRedisReach(isUp: boolean, roundTripMs: number | undefined, metrics: Metrics): void {
  metrics.set('fluxmail_redis_up', {}, isUp ? 1 : 0)
  metrics.clear('fluxmail_redis_round_trip_seconds')
  if (isUp && roundTripMs !== undefined)
    metrics.set('fluxmail_redis_round_trip_seconds', {}, roundTripMs / 1000)
}

/** By shard, in their order; none while nobody knows. */
export function measureRedisFacts(shards: readonly RedisFacts[], metrics: Metrics): void {
  for (const name of Object.values(gauges)) metrics.clear(name)
  for (const [index, facts] of shards.entries()) {
    for (const [fact, value] of Object.entries(facts) as [keyof RedisFacts, number | boolean][])
      metrics.set(gauges[fact], { shard: `${index}` }, Number(value))
  }
}
