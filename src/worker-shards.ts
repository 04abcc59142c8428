// The shards as a worker has them: the connections to each, and the stores of the lanes that are there. What all share
// (workers, relays, limits) is in the first one.

import type { Clock } from './clock.js'
import type { WorkerConfig } from './config.js'
import type { Ports } from './delivery/delivery.js'
import { createRenderer } from './queue/renderer.js'
import {
  createRedis,
  disconnect,
  type Keys,
  keysOf,
  type Redis,
  type RedisTarget,
  shardName,
} from './redis.js'
import { type BatchStore, createBatchStore } from './store/batches.js'
import { createCarrier } from './store/carry-bounces.js'
import { type ContentStore, createContentStore } from './store/contents.js'
import { createLedger, type Ledger } from './store/ledger.js'
import { createReplicas, replicatedMarks } from './store/replicas.js'
import { createAgreement, type Layout, lanesOf, shardOf } from './store/shard-layout.js'
import { createSuppressionStore } from './store/suppressions.js'

export interface WorkerShard {
  /** BullMQ's. */
  readonly redis: Redis
  readonly ledgerRedis: Redis
  readonly keys: Keys
  readonly lanes: readonly string[]
  readonly ledger: Ledger
  readonly batches: BatchStore
  readonly contents: ContentStore
  readonly render: Ports['render']
  /** Tells the other shards whom bounces have suppressed here; missing where there is one shard. */
  readonly carry?: () => Promise<void>
  disconnect(): void
}

export interface WorkerShards {
  readonly all: readonly WorkerShard[]
  readonly first: WorkerShard
  of(lane: string): WorkerShard
  /** Of every lane, wherever it is. */
  readonly ledger: Pick<Ledger, 'claim' | 'mark' | 'release' | 'record'>
  readonly render: Ports['render']
  /** @throws FluxMailError `invalid_config` where others have the lanes in other shards */
  agree(): Promise<void>
}

export interface WorkerShardsOptions {
  readonly redis: RedisTarget
  readonly name: string
  readonly config: WorkerConfig
  readonly clock: Clock
  onError(error: Error): void
  /** A message was made. */
  rendered(lane: string, seconds: number): void
  /** Hears of bounces that could not be told at once, and will be by whoever sweeps. */
  notCarried(error: unknown): void
}

export function openWorkerShards(options: WorkerShardsOptions): WorkerShards {
  const { config, clock } = options
  const layout = { shards: config.shards, lanes: Object.keys(config.lanes) }
  const first = openShard(options, layout, 0)
  const others = Array.from({ length: layout.shards - 1 }, (_, index) =>
    openShard(options, layout, index + 1),
  )
  const agree = createAgreement(first.ledgerRedis, first.keys, layout)
  if (others.length === 0) {
    const { ledger, render } = first
    return { all: [first], first, of: () => first, ledger, render, agree }
  }
  const all = carrying([first, ...others], clock)
  const of = (lane: string) => all[shardOf(layout, lane)] ?? first
  const render: Ports['render'] = (delivery) => of(delivery.lane).render(delivery)
  return { all, first, of, ledger: ledgerOver(of, options), render, agree }
}

function openShard(options: WorkerShardsOptions, layout: Layout, shard: number): WorkerShard {
  const { redis: target, config, clock, onError, rendered } = options
  const name = shardName(options.name, shard)
  const keys = keysOf(name)
  const connection = { name, onError }
  const redis = createRedis(target, 'worker', connection)
  const ledgerRedis = createRedis(target, 'ledger', connection)
  const plain = createLedger(ledgerRedis, keys, layout.shards > 1)
  const waiter = config.durability === 'replicated' ? createRedis(target, 'replica', connection) : undefined
  const replicas = waiter && createReplicas({ writer: ledgerRedis, waiter, keys })
  const contents = createContentStore(ledgerRedis, keys)
  return {
    ...{ redis, ledgerRedis, keys, contents },
    lanes: lanesOf(layout, shard),
    ledger: replicas ? replicatedMarks(plain, replicas) : plain,
    batches: createBatchStore(ledgerRedis, keys),
    render: createRenderer(contents, options.name, clock, rendered),
    disconnect() {
      for (const each of [redis, ledgerRedis, waiter]) if (each) disconnect(each)
    },
  }
}

function carrying(shards: readonly WorkerShard[], clock: Clock): WorkerShard[] {
  const stores = shards.map(({ ledgerRedis, keys }) => createSuppressionStore(ledgerRedis, keys))
  return shards.map((shard, index) => {
    const [own] = stores.slice(index)
    return own ? { ...shard, carry: createCarrier(own, stores.toSpliced(index, 1), clock) } : shard
  })
}

function ledgerOver(
  of: WorkerShards['of'],
  { notCarried }: Pick<WorkerShardsOptions, 'notCarried'>,
): WorkerShards['ledger'] {
  return {
    claim: (entry, recipient) => of(entry.lane).ledger.claim(entry, recipient),
    mark: (entry, token, marking) => of(entry.lane).ledger.mark(entry, token, marking),
    release: (entry, token, mayBeAccepted) => of(entry.lane).ledger.release(entry, token, mayBeAccepted),
    async record(entry, verdict, recording) {
      const { ledger, carry } = of(entry.lane)
      const recorded = await ledger.record(entry, verdict, recording)
      // A shard that is away keeps nobody waiting.
      if (verdict.suppress) carry?.().catch(notCarried)
      return recorded
    },
  }
}
