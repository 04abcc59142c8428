// The shards of a MailQueue: the parts of each, which of them has a lane or an id, and what asks or writes all of them.
// With one shard nothing is looked for and nothing is merged.

import { FluxMailError } from '../errors.js'
import { type Layout, shardOf } from '../store/shard-layout.js'
import { createSuppressionStore, type SuppressionStore } from '../store/suppressions.js'
import type { BatchView } from './batch.js'
import { keyDigest } from './enqueue.js'
import { isDeliveryId, splitId } from './payload.js'
import { createQueueParts, type QueueParts, type QueuePartsOptions } from './queue-parts.js'
import { Suppressions } from './suppressions.js'

export interface Shards {
  readonly all: readonly QueueParts[]
  /** What all shards share is here: workers, relays, limits, and the suppressions that are read. */
  readonly first: QueueParts
  readonly lanes: readonly string[]
  readonly suppressions: Suppressions
  /** @throws FluxMailError `invalid_params` for a lane that there is not */
  of(lane: string): QueueParts
  /** The shard of a delivery or a batch; the first one where nobody has it. */
  homeOf(id: string): Promise<QueueParts>
  /** Batches wherever they are. */
  readonly batches: BatchView
  /** @throws FluxMailError `idempotency_conflict` where the key was used in another shard */
  checkKey(own: QueueParts, key: string | undefined): Promise<void>
  /** @throws FluxMailError `batch_conflict` where another shard has a batch of this id */
  checkBatchId(own: QueueParts, id: string | undefined): Promise<void>
}

export type ShardsOptions = Omit<QueuePartsOptions, 'shard' | 'first'>

export function openShards(options: ShardsOptions): Shards {
  const { lanes } = options.limits
  const first = createQueueParts({ ...options, shard: 0 })
  const others = Array.from({ length: options.limits.shards - 1 }, (_, index) =>
    createQueueParts({ ...options, shard: index + 1, first }),
  )
  const all = [first, ...others]
  const homeOf = (id: string) => (others.length === 0 ? Promise.resolve(first) : homeAmong(all, id))
  return {
    ...{ all, first, lanes, homeOf },
    suppressions: others.length === 0 ? first.suppressions : sharedSuppressions(first, others),
    of: (lane) => (others.length === 0 ? first : partsOf(all, options.limits, lane)),
    batches: others.length === 0 ? first.views.view : viewOver(homeOf),
    async checkKey(own, key) {
      if (key === undefined || others.length === 0) return
      if (await isAnywhereElse(all, own, ({ enqueueing: { receipts } }) => receipts.read(keyDigest(key)))) {
        const message = 'this idempotencyKey was used in another lane; use a key of its own for each email'
        throw new FluxMailError('idempotency_conflict', message)
      }
    },
    async checkBatchId(own, id) {
      if (id === undefined || others.length === 0) return
      if (await isAnywhereElse(all, own, (parts) => hasBatch(parts, id))) {
        const message = `batch ${id} exists in another lane; give new rows a batchId of their own`
        throw new FluxMailError('batch_conflict', message, { details: { batchId: id } })
      }
    },
  }
}

function partsOf(all: readonly QueueParts[], layout: Layout, lane: string): QueueParts {
  const parts = layout.lanes.includes(lane) ? all[shardOf(layout, lane)] : undefined
  if (parts) return parts
  const there = layout.lanes.join(', ')
  throw new FluxMailError(
    'invalid_params',
    `lane: there is no lane ${JSON.stringify(lane)}; there are ${there}`,
  )
}

/** A shard that is away is in nobody's way who asks for what another one has. */
async function homeAmong(all: readonly QueueParts[], id: string): Promise<QueueParts> {
  const looks = await Promise.allSettled(all.map((parts) => parts.run(() => isHome(parts, id))))
  const home = looks.findIndex((look) => look.status === 'fulfilled' && look.value)
  const failed = looks.find((look) => look.status === 'rejected')
  if (home < 0 && failed) throw failed.reason
  const [first] = all
  const found = all[home] ?? first
  if (found === undefined) throw new TypeError('there is no shard')
  return found
}

async function isHome(parts: QueueParts, id: string): Promise<boolean> {
  if (!isDeliveryId(id)) return hasBatch(parts, id)
  return (await hasBatch(parts, splitId(id).id)) || (await parts.lanes.find(id)) !== undefined
}

async function hasBatch({ redis, keys }: QueueParts, id: string): Promise<boolean> {
  return (await redis.exists(keys.batch(id))) === 1
}

async function isAnywhereElse(
  all: readonly QueueParts[],
  own: QueueParts,
  look: (parts: QueueParts) => Promise<unknown>,
): Promise<boolean> {
  const others = all.filter((parts) => parts !== own)
  return (await Promise.all(others.map((parts) => parts.run(() => look(parts))))).some(Boolean)
}

function viewOver(homeOf: Shards['homeOf']): BatchView {
  const at = async (id: string) => (await homeOf(id)).views.view
  return {
    read: async (id) => (await at(id)).read(id),
    failures: async (id) => (await at(id)).failures(id),
    errors: async (id) => (await at(id)).errors(id),
    observe: async (id, lane) => (await at(id)).observe(id, lane),
    look: async (status) => (await at(status.id)).look(status),
    groups: async (id) => (await at(id)).groups(id),
    pause: async (id, stop) => (await at(id)).pause(id, stop),
    resume: async (id) => (await at(id)).resume(id),
    cancel: async (id, stop) => (await at(id)).cancel(id, stop),
    delete: async (id) => (await at(id)).delete(id),
  }
}

/** Written to every shard and read from the first, to which it is written last: what can be read holds everywhere. */
function sharedSuppressions(first: QueueParts, others: readonly QueueParts[]): Suppressions {
  const own = createSuppressionStore(first.redis, first.keys)
  const copies = others.map(({ redis, keys, store }) => ({
    store,
    copy: createSuppressionStore(redis, keys),
  }))
  async function everywhere<T>(write: (store: SuppressionStore) => Promise<T>): Promise<T> {
    await Promise.all(copies.map(({ store, copy }) => store(() => write(copy))))
    return write(own)
  }
  return new Suppressions({
    store: {
      ...own,
      put: (entries) => everywhere((store) => store.put(entries)),
      remove: (field) => everywhere((store) => store.remove(field)),
      sweep: (fields, now) => everywhere((store) => store.sweep(fields, now)),
    },
    clock: first.clock,
    run: first.run,
    write: first.store,
  })
}
