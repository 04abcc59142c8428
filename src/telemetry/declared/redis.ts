// Redis as the workers see it.

import { type Declaration, sameEverywhere } from './declaration.js'

export const redisMetrics = {
  fluxmail_redis_up: {
    type: 'gauge',
    help: 'Whether this process reaches Redis: 1, or 0',
    labels: [],
  },
  fluxmail_redis_round_trip_seconds: {
    type: 'gauge',
    help: 'How long Redis took to answer this process last',
    labels: [],
  },
  fluxmail_redis_memory_bytes: {
    type: 'gauge',
    help: `Memory that counts against the limit of Redis. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_memory_limit_bytes: {
    type: 'gauge',
    help: `That limit; none without one. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_evicts: {
    type: 'gauge',
    help: `Whether Redis may throw mail away when its memory is full (a maxmemory-policy other than noeviction): 1, or 0. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_append_only: {
    type: 'gauge',
    help: `Whether Redis writes all it is told to a file (appendonly): 1, or 0. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_write_failed: {
    type: 'gauge',
    help: `Whether the last write to disk failed, of the append-only file or of a snapshot: 1, or 0. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_clients: {
    type: 'gauge',
    help: `Connections of all its clients. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_commands_per_second: {
    type: 'gauge',
    help: `Commands a second, as Redis counts them. ${sameEverywhere}`,
    labels: ['shard'],
  },
  fluxmail_redis_replicas: {
    type: 'gauge',
    help: `Replicas that are connected. ${sameEverywhere}`,
    labels: ['shard'],
  },
} as const satisfies Record<string, Declaration>
