// Redis, as the workers see it: the same from each, so never summed up over them.

import type { Row } from '../board.js'
import { memorySteps, reachedSteps } from '../limits.js'
import { here } from '../promql.js'

const used =
  'max by (shard) (fluxmail_redis_memory_bytes) / (max by (shard) (fluxmail_redis_memory_limit_bytes) > 0)'

export const redis: Row = {
  title: 'Redis',
  folded: true,
  panels: [
    {
      title: 'Reached by workers',
      description:
        'The part of the workers that reach Redis. Below 100 %: see that it runs, has memory and disk, and that FLUXMAIL_REDIS_URL is right. Workers go on by themselves.',
      kind: 'stat',
      width: 6,
      unit: 'percentunit',
      max: 1,
      steps: reachedSteps,
      empty: 'no worker seen',
      alerts: ['FluxMailRedisAway'],
      queries: [{ expr: 'avg(fluxmail_redis_up)', legend: 'reached' }],
    },
    {
      title: 'Memory used',
      description:
        'Of its limit. New mail is refused at 90 %. Raise `maxmemory`, or let workers drain it; `fluxmail batch list` shows what is large. Empty where Redis has no limit.',
      kind: 'stat',
      width: 6,
      unit: 'percentunit',
      max: 1,
      steps: memorySteps,
      empty: 'no limit',
      alerts: ['FluxMailRedisMemory'],
      queries: [{ expr: used, legend: '{{shard}}' }],
    },
    {
      title: 'Throws mail away when full',
      description:
        'Red where its maxmemory-policy is not noeviction: `redis-cli config set maxmemory-policy noeviction`, and in its configuration file.',
      kind: 'stat',
      width: 6,
      words: { 0: ['no', 'green'], 1: ['yes', 'red'] },
      empty: 'not known',
      alerts: ['FluxMailRedisPolicy'],
      queries: [{ expr: 'max by (shard) (fluxmail_redis_evicts)', legend: '{{shard}}' }],
    },
    {
      title: 'Written to disk',
      description:
        'failing: the last write failed, make room on its disk. snapshots: it keeps no append-only file, and loses what is newer than the last snapshot if it restarts.',
      kind: 'stat',
      width: 6,
      words: { 0: ['snapshots', 'orange'], 1: ['yes', 'green'], '-1': ['failing', 'red'] },
      empty: 'not known',
      alerts: ['FluxMailRedisPersistence'],
      queries: [
        {
          expr: '-1 * (max by (shard) (fluxmail_redis_write_failed) == 1) or min by (shard) (fluxmail_redis_append_only)',
          legend: '{{shard}}',
        },
      ],
    },
    {
      title: 'Round trip',
      description:
        'How long Redis took to answer each process last. Some milliseconds cost throughput: put workers near it, and look for slow commands of others.',
      kind: 'timeseries',
      width: 12,
      unit: 's',
      queries: [
        { expr: `max by (instance) (fluxmail_redis_round_trip_seconds{${here}})`, legend: '{{instance}}' },
      ],
    },
    {
      title: 'Memory',
      description:
        'Used, and the limit, by shard. A batch grows it while its rows are stored, and gives it back as it is sent.',
      kind: 'timeseries',
      width: 12,
      unit: 'bytes',
      alerts: ['FluxMailRedisMemory'],
      queries: [
        { expr: 'max by (shard) (fluxmail_redis_memory_bytes)', legend: 'used, shard {{shard}}' },
        { expr: 'max by (shard) (fluxmail_redis_memory_limit_bytes)', legend: 'limit, shard {{shard}}' },
      ],
    },
    {
      title: 'Commands a second',
      description:
        'As Redis counts them, of all clients. Far more than mail is sent: something else uses it.',
      kind: 'timeseries',
      width: 12,
      unit: 'ops',
      queries: [{ expr: 'max by (shard) (fluxmail_redis_commands_per_second)', legend: 'shard {{shard}}' }],
    },
    {
      title: 'Clients and replicas',
      description:
        'Connections of all clients, and replicas that are connected. Clients that only grow: an app opens queues and does not close them. A replica that is gone: a failover would lose mail.',
      kind: 'timeseries',
      width: 12,
      queries: [
        { expr: 'max by (shard) (fluxmail_redis_clients)', legend: 'clients, shard {{shard}}' },
        { expr: 'max by (shard) (fluxmail_redis_replicas)', legend: 'replicas, shard {{shard}}' },
      ],
    },
  ],
}
