// The way out of Redis: one BullMQ worker a lane, each job an attempt, each outcome carried out.
// A job that cannot be read fails with its reason; it never stops the worker.

import { type Job, Worker } from 'bullmq'
import type { RetryRule } from '../config.js'
import type { Attempt, Delivery } from '../delivery/delivery.js'
import { because, type Outcome } from '../delivery/outcome.js'
import { messageOf } from '../errors.js'
import type { Keys, Redis } from '../redis.js'
import { factsOf, type JobResult } from './delivery-record.js'
import { deliveryOf, type Payload } from './payload.js'
import { backoffStrategy, final, type Settled, settle } from './settle.js'

export interface ConsumerOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly lane: string
  readonly concurrency: number
  readonly lockMs: number
  readonly retry: RetryRule
  now(): number
  random(): number
  /** Makes one attempt; `token` is the lock that it owns its job by. */
  attempt(delivery: Delivery, token: string): Promise<Attempt & { readonly outcome: Outcome }>
  /** A job of ours that cannot be read. */
  onUnreadable(lane: string, jobId: string, error: unknown): Promise<void>
  /** A job is finished: its verdict need not be remembered any more. */
  onFinished(id: string): void
  onError(error: Error): void
}

export interface Consumer {
  /** Resolves when it takes jobs. */
  ready(): Promise<void>
  /** Stops taking jobs; resolves when none is being worked on. */
  stop(): Promise<void>
  /** Lets go of Redis; with `force`, jobs that are still active are left to stall. */
  close(force: boolean): Promise<void>
}

const WEEK_SECONDS = 7 * 24 * 3600
/** Finished jobs stay for questions for a while; their counts are in the ledger for good. */
const finishedJobs = { removeOnComplete: { age: 3600, count: 5000 }, removeOnFail: { age: 4 * WEEK_SECONDS } }
const FAULT_HOLD_MS = 10_000
/** A job that stalls is judged by `claim`, so BullMQ itself must never fail it. */
const MAX_STALLED = 1_000_000

export function createConsumer(options: ConsumerOptions): Consumer {
  const { redis, keys, lane, concurrency, lockMs } = options
  const worker = new Worker<unknown, JobResult>(lane, (job, token) => process(options, job, token ?? ''), {
    connection: redis,
    prefix: keys.bullPrefix,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: MAX_STALLED,
    drainDelay: 2,
    settings: { backoffStrategy },
    ...finishedJobs,
  })
  worker.on('error', options.onError)
  const finished = (job: Job) => {
    // While a caller may still add it again, its verdict has to stand.
    const repeatable = (job.data as Partial<Payload>).k === 1
    if (!repeatable && job.finishedOn !== undefined) options.onFinished(job.id ?? '')
  }
  worker.on('completed', finished)
  worker.on('failed', (job) => job && finished(job))
  return {
    ready: async () => void (await worker.waitUntilReady()),
    stop: () => worker.pause(),
    close: (force) => worker.close(force),
  }
}

async function process(options: ConsumerOptions, job: Job, token: string): Promise<JobResult> {
  const delivery = await read(options, job)
  const attempt = await options.attempt(delivery, token).catch((error: Error): Settled => {
    options.onError(error)
    return { delivery, outcome: ourFault(error) }
  })
  return settle(job, token, attempt, { now: options.now(), chance: options.random(), retry: options.retry })
}

/** What no step expected is no fault of the recipient's: it spends no attempt. */
function ourFault(error: Error): Outcome {
  return { kind: 'held', reason: because('worker_error', messageOf(error)), holdMs: FAULT_HOLD_MS }
}

async function read(options: ConsumerOptions, job: Job): Promise<Delivery> {
  try {
    return deliveryOf(factsOf(job, options.lane), options.now())
  } catch (error) {
    await options.onUnreadable(options.lane, job.id ?? '', error)
    throw final(messageOf(error))
  }
}
