// Deleting a batch that is over: its jobs first, then all that is kept of it, in a script that looks once more.
// What is interrupted leaves a batch that can be deleted again.

import type { Clock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import type { Keys, Redis } from '../redis.js'
import type { BatchRecord, BatchStore } from '../store/batches.js'
import type { Ledger } from '../store/ledger.js'
import { createRetentionStore, type Deleted } from '../store/retention.js'
import { createFinishedJobs } from './finished-jobs.js'
import type { LaneQueues } from './lane-queues.js'
import { removeJob } from './remove-job.js'

export interface DeleteBatchContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly batches: Pick<BatchStore, 'read'>
  readonly ledger: Pick<Ledger, 'record' | 'forget'>
  readonly lanes: LaneQueues
  readonly clock: Pick<Clock, 'now' | 'sleep'>
  /** Cancels a batch, or goes on with that. */
  cancel(id: string): Promise<unknown>
}

const PAGE = 1_000
/** A worker that has just counted the last delivery finishes its job a moment later. */
const LOOKS = 20
const LOOK_AGAIN_MS = 50

/** @throws FluxMailError `batch_not_found`, `batch_not_finished` */
export async function deleteBatch(context: DeleteBatchContext, id: string): Promise<void> {
  const { redis, keys, batches, clock } = context
  const batch = await batches.read(id)
  if (batch === undefined) throw new FluxMailError('batch_not_found', `there is no batch ${id}`)
  const isCancelled = (await redis.hexists(keys.batch(id), 'cancelled')) === 1
  if (!isCancelled) checkFinished(id, batch)
  if (isCancelled && pendingOf(batch) > 0) await context.cancel(id)
  await removeWaiting(context, id, batch.lane)
  // Of a worker that was lost, a job comes back; a new batch of this id must not be served by it.
  if (await hasActive(context, id, batch.lane)) throw stillTaken(id)
  const store = createRetentionStore(redis, keys)
  await createFinishedJobs(redis, keys, store).dropOfBatch(batch.lane, id)
  const terms = { afterMs: 0, withFailuresMs: 0, abandoned: false }
  let answer: Deleted
  do answer = await store.deleteBatch(id, batch.lane, clock.now(), terms)
  while (answer === 'more')
  if (answer === 'deleted') return
  if (answer === 'missing') throw new FluxMailError('batch_not_found', `there is no batch ${id}`)
  throw stillTaken(id)
}

async function hasActive(
  { redis, keys, clock }: DeleteBatchContext,
  id: string,
  lane: string,
): Promise<boolean> {
  for (let look = 0; look < LOOKS; look += 1) {
    const active = await redis.lrange(`${keys.bullPrefix}:${lane}:active`, 0, -1)
    if (!active.some((job) => job.startsWith(`${id}.`))) return false
    await clock.sleep(LOOK_AGAIN_MS)
  }
  return true
}

function stillTaken(id: string): FluxMailError {
  const why = 'a worker has deliveries of it, or its rows are still enqueued; try again in a moment'
  return notFinished(id, why)
}

function checkFinished(id: string, batch: BatchRecord): void {
  const pending = pendingOf(batch)
  if (pending > 0) throw notFinished(id, `${pending} of its deliveries are pending; cancel it first`)
  if (batch.rows === undefined) throw notFinished(id, 'not all of its rows are enqueued; cancel it first')
}

function pendingOf({ total, sent, failed, skipped, unknown }: BatchRecord): number {
  return total - sent - failed - skipped - unknown
}

function notFinished(id: string, why: string): FluxMailError {
  const message = `batch ${id} is not finished: ${why}`
  return new FluxMailError('batch_not_finished', message, { details: { batchId: id } })
}

/** Jobs that no worker has taken, of deliveries that were cancelled. */
async function removeWaiting(context: DeleteBatchContext, id: string, lane: string): Promise<void> {
  const reason = { code: 'cancelled', message: 'its batch was cancelled' }
  for (const job of await waitingJobs(context, lane)) {
    if (job.startsWith(`${id}.`)) await removeJob(context, lane, job, reason)
  }
}

async function waitingJobs({ redis, keys }: DeleteBatchContext, lane: string): Promise<Set<string>> {
  const key = (part: string) => `${keys.bullPrefix}:${lane}:${part}`
  const found = new Set<string>()
  for (const part of ['delayed', 'prioritized', 'paused', 'wait']) {
    for (let from = 0; ; from += PAGE) {
      const page: string[] =
        part === 'wait' || part === 'paused'
          ? await redis.lrange(key(part), from, from + PAGE - 1)
          : await redis.zrange(key(part), from, `${from + PAGE - 1}`)
      for (const job of page) found.add(job)
      if (page.length < PAGE) break
    }
  }
  return found
}
