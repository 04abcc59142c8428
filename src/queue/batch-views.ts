// Handles of batches, with all that they ask of Redis, and the list of all batches.

import { z } from 'zod'
import type { Clock } from '../clock.js'
import { readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import { kindOf } from '../message/field-error.js'
import type { Keys, Redis } from '../redis.js'
import { createBatchControlStore } from '../store/batch-control.js'
import type { BatchStore } from '../store/batches.js'
import type { ChunkStore } from '../store/chunks.js'
import type { Ledger } from '../store/ledger.js'
import { Batch, type BatchView } from './batch.js'
import { createBatchControl } from './batch-control.js'
import type { BatchSurroundings } from './batch-progress.js'
import type { BatchStatus } from './batch-status.js'
import { deleteBatch } from './delete-batch.js'
import type { LaneQueues } from './lane-queues.js'

export interface BatchesOptions {
  /** At the most; default 50. */
  limit?: number | undefined
  /** Only those that are not finished: rows are still to come, or deliveries are pending. */
  active?: boolean | undefined
}

export interface BatchViewsOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly batches: BatchStore
  readonly chunks: ChunkStore
  readonly ledger: Pick<Ledger, 'record' | 'forget'>
  readonly lanes: LaneQueues
  readonly clock: Clock
  surroundings(): BatchSurroundings
  /** Runs what talks to Redis. */
  run<T>(command: () => Promise<T>): Promise<T>
  /** Runs what a caller was told to have been written, which then stays so when the primary fails. */
  store<T>(write: () => Promise<T>): Promise<T>
}

export interface BatchViews {
  readonly view: BatchView
  /** @throws FluxMailError `invalid_params` */
  handle(id: string, over?: BatchView): Batch
  /** Newest first. */
  list(options: BatchesOptions): Promise<BatchStatus[]>
}

const schema = z.strictObject({
  limit: z.number().int().min(1).max(10_000).default(50),
  active: z.boolean().default(false),
})
const PAGE = 50

export function createBatchViews(options: BatchViewsOptions): BatchViews {
  const { redis, keys, batches, run, clock } = options
  const view = viewOf(options)

  function handle(id: string, over = view): Batch {
    if (typeof id === 'string') return new Batch(id, over, clock)
    throw new FluxMailError('invalid_params', `id: it is ${kindOf(id)}, not the id of a batch`)
  }

  async function statusesOf(ids: readonly string[]): Promise<BatchStatus[]> {
    const found = await Promise.all(ids.map((id) => handle(id).status().catch(missing)))
    return found.filter((status) => status !== undefined)
  }

  return {
    view,
    handle,
    async list(given) {
      const { limit, active } = parseBatchesOptions(given)
      const listed: BatchStatus[] = []
      for (let first = 0; listed.length < limit; first += PAGE) {
        const ids = await run(() => redis.zrevrange(keys.batches, first, first + PAGE - 1))
        if (ids.length === 0) break
        const statuses = await statusesOf(ids)
        listed.push(...statuses.filter(({ sealed, pending }) => !active || !sealed || pending > 0))
      }
      return listed.slice(0, limit)
    },
  }

  function viewOf({ chunks, lanes, store, surroundings }: BatchViewsOptions): BatchView {
    const control = createBatchControlStore(redis, keys)
    const calls = createBatchControl({ control, batches, chunks, lanes, clock })
    return {
      read: (id) => run(() => batches.read(id)),
      failures: (id) => run(() => batches.failures(id)),
      errors: (id) => run(() => batches.errors(id)),
      observe: (id, lane) => run(() => control.observe(id, lane)),
      look: (status) => surroundings().look(status),
      groups: (id) => surroundings().groups(id),
      pause: (id, stop) => store(() => calls.pause(id, stop)),
      resume: (id) => store(() => calls.resume(id)),
      cancel: (id, stop) => store(() => calls.cancel(id, stop)),
      delete: (id) => run(() => deleteBatch({ ...options, cancel: (each) => calls.cancel(each, {}) }, id)),
    }
  }
}

/** One that was deleted while the list was read. */
function missing(error: unknown): undefined {
  if (error instanceof FluxMailError && error.code === 'batch_not_found') return undefined
  throw error
}

/** @throws FluxMailError `invalid_params` */
function parseBatchesOptions(options: BatchesOptions) {
  const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
  if (!('problems' in read)) return read.data
  const { problems } = read
  throw new FluxMailError('invalid_params', `batches: ${problems.join('; ')}`, { details: { problems } })
}
