// The parts of a MailQueue, wired over one place in Redis: connections, stores, and what is made of them.
// It knows no emails and no callers' options; those stand in mail-queue.ts.

import type { Clock } from '../clock.js'
import { createProviders } from '../limits/providers.js'
import { type RedisTarget, shardName } from '../redis.js'
import { createBatchStore } from '../store/batches.js'
import { createChunkStore } from '../store/chunks.js'
import { createContentStore } from '../store/contents.js'
import { createLedger, type Ledger } from '../store/ledger.js'
import { createLimitStates } from '../store/limit-states.js'
import { createOutcomeStream, type OutcomeStream } from '../store/outcome-stream.js'
import { createReceiptStore } from '../store/receipts.js'
import { createRoom } from '../store/room.js'
import { lanesOf } from '../store/shard-layout.js'
import { createSuppressionStore } from '../store/suppressions.js'
import { readWorkers } from '../store/workers.js'
import { type Afterwards, createAfterwards } from './afterwards.js'
import { type BatchViews, createBatchViews } from './batch-views.js'
import { createDeliveries, type Deliveries } from './deliveries.js'
import type { EnqueueContext } from './enqueue.js'
import type { BatchContext } from './enqueue-batch.js'
import { createLaneQueues, type LaneQueues } from './lane-queues.js'
import { Limits } from './limits.js'
import { createQueueConnection, type QueueConnection } from './queue-connection.js'
import type { QueueLimits } from './queue-options.js'
import { Suppressions } from './suppressions.js'

export interface QueuePartsOptions {
  readonly redis: RedisTarget
  /** What our keys begin with. */
  readonly name: string
  readonly clock: Clock
  readonly limits: QueueLimits
  /** From 0. */
  readonly shard: number
  /** The parts of the first shard; its own unless given. */
  readonly first?: QueueParts | undefined
  /** @throws FluxMailError `closed` */
  checkOpen(): void
}

export interface QueueParts extends Omit<QueueConnection, 'disconnect'> {
  readonly clock: Clock
  readonly lanes: LaneQueues
  readonly ledger: Ledger
  readonly deliveries: Deliveries
  readonly afterwards: Afterwards
  readonly views: BatchViews
  readonly outcomes: OutcomeStream
  readonly suppressions: Suppressions
  readonly limits: Limits
  /** What enqueueing needs, an email or rows. */
  readonly enqueueing: EnqueueContext & BatchContext & { readonly clock: Clock }
  close(): Promise<void>
}

function limitsOver({ redis, keys, run, store }: Omit<QueueConnection, 'disconnect'>): Limits {
  const states = createLimitStates(redis, keys)
  return new Limits({ states, workers: () => readWorkers(redis, keys), run, write: store })
}

export function createQueueParts(options: QueuePartsOptions): QueueParts {
  const { name, clock, limits, shard, first } = options
  const { disconnect, ...connection } = createQueueConnection({
    ...options,
    ...{ name: shardName(name, shard), durability: limits.durability, layout: limits, agreed: first?.agreed },
  })
  const { redis, keys, run, store } = connection
  const lanes = createLaneQueues(redis, keys, lanesOf(limits, shard))
  const batches = createBatchStore(redis, keys)
  const chunks = createChunkStore(redis, keys)
  const ledger = createLedger(redis, keys)
  const room = createRoom(redis, clock)
  const shared = { redis, keys, lanes, batches, chunks, ledger, clock, run }
  const deliveries = createDeliveries(shared)
  const surroundings = () => afterwards.surroundings
  const providers = createProviders({ clock })
  const relayLimits = first?.limits ?? limitsOver(connection)
  const views = createBatchViews({ ...shared, store, surroundings })
  const afterwards: Afterwards = createAfterwards({
    ...shared,
    store,
    queues: lanes,
    room,
    name,
    fleet: first ?? connection,
    limits: () => relayLimits.list(),
    providerOf: (address) => providers.of(address),
    find: (id) => deliveries.find(id),
    describe: (id) => deliveries.describe(id),
    statusOf: (id) => views.handle(id).status(),
  })

  return {
    ...connection,
    ...{ clock, lanes, ledger, deliveries, afterwards, views },
    outcomes: createOutcomeStream(redis, keys),
    limits: relayLimits,
    suppressions: new Suppressions({
      store: createSuppressionStore(redis, keys),
      clock,
      run,
      write: store,
    }),
    enqueueing: {
      ...{ batches, chunks, lanes, room, clock },
      contents: createContentStore(redis, keys),
      receipts: createReceiptStore(redis, keys),
      maxAttachmentBytes: limits.maxAttachmentBytes,
      idempotencyTtlSeconds: limits.idempotencyTtlSeconds,
      now: () => clock.now(),
      providerOf: providers.of,
    },
    async close() {
      await lanes.close()
      disconnect()
    },
  }
}
