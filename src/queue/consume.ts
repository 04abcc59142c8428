// The way out of Redis: one BullMQ worker a lane, each job an attempt, each outcome carried out.
// A job that cannot be read fails with its reason; it never stops the worker.

import { EventEmitter, once, setMaxListeners } from 'node:events'
import type { Job } from 'bullmq'
import type { Clock } from '../clock.js'
import type { RetryRule } from '../config.js'
import type { Attempt, Delivery } from '../delivery/delivery.js'
import { because, type Outcome } from '../delivery/outcome.js'
import { messageOf } from '../errors.js'
import { isPassing, type Keys, type Redis } from '../redis.js'
import { createAsideStore } from '../store/aside.js'
import { repeatableSeconds, unknownSeconds } from '../store/finished-verdicts.js'
import { createForgetFailed } from '../store/reopen.js'
import { type Aside, createAside } from './aside.js'
import { factsOf, isUnknown, type JobResult } from './delivery-record.js'
import { createFinish } from './finish-jobs.js'
import { createJobData } from './job-data.js'
import { PatientWorker } from './patient-worker.js'
import { deliveryOf, type Payload } from './payload.js'
import { backoffStrategy, final, type Settled, settle } from './settle.js'
import { createWatch } from './watch.js'

export interface ConsumerOptions {
  readonly redis: Redis
  readonly keys: Keys
  readonly lane: string
  readonly concurrency: number
  readonly lockMs: number
  readonly retry: RetryRule
  readonly clock: Clock
  /** The provider of an address, as far as it is known now. */
  providerOf(address: string): string
  /** Makes one attempt; `token` is the lock that it owns its job by. */
  attempt(delivery: Delivery, token: string): Promise<Attempt & { readonly outcome: Outcome }>
  /** A job of ours that cannot be read. */
  onUnreadable(lane: string, jobId: string, error: unknown): Promise<void>
  /** A delivery that was replayed is taken up for the first time since. */
  onReplayed(lane: string): void
  /** A delivery was found that has lost its worker, by this consumer and no other. */
  onStalled(lane: string): void
  /** A job is finished: its verdict need not be remembered for longer than so many seconds. */
  onFinished(id: string, keptSeconds: number): void
  /** Jobs waited and none was taken, so what takes them was built anew. */
  onRebuilt(lane: string): void
  onError(error: Error): void
}

export interface Consumer {
  readonly lane: string
  /** How many jobs are being worked on. */
  readonly active: number
  /** Resolves when it takes jobs. */
  ready(): Promise<void>
  /** Whether jobs wait and it takes none, although it was rebuilt. */
  readonly isStuck: boolean
  /** Stops taking jobs; resolves when none is being worked on. */
  stop(): Promise<void>
  /** Lets go of Redis; with `force`, jobs that are still active are left to stall. */
  close(force: boolean): Promise<void>
}

/** Of finished jobs, so many stay for questions; their counts are in the ledger for good. */
const MOST_FINISHED = 5000
const FAULT_HOLD_MS = 10_000
/** A job that stalls is judged by `claim`, so BullMQ itself must never fail it. */
const MAX_STALLED = 1_000_000
/** How long BullMQ waits before it tries again after a connection was lost. */
const RECONNECT_MS = 1_000
/** How long a move waits that Redis refused. */
const MOVE_AGAIN_MS = 1_000

export function createConsumer(options: ConsumerOptions): Consumer {
  const { redis, keys, lane, concurrency, clock, lockMs, providerOf } = options
  const keepData = createJobData(redis)
  const aside = createAside({ store: createAsideStore(redis, keys), lane, clock, providerOf })
  const stopping = new AbortController()
  // Every job that cannot be moved listens.
  setMaxListeners(0, stopping.signal)
  const retired = new Set<Promise<void>>()
  const idle = new EventEmitter()
  let active = 0
  let worker = build()
  const watch = createWatch({
    clock,
    patienceMs: lockMs,
    isBusy: () => active >= concurrency,
    hasWaiting: () => hasWaiting(redis, `${keys.bullPrefix}:${lane}`, clock.now()),
    rebuild: () => {
      retire(worker, retired)
      worker = build()
      options.onRebuilt(lane)
    },
  })

  function build(): PatientWorker {
    const built = createWorker(options, async (job, token) => {
      active += 1
      watch.taken()
      try {
        const keep = (payload: Payload) => keepData(`${keys.bullPrefix}:${lane}:${job.id}`, payload)
        return await process(options, job, token, { keep, aside, stopping: stopping.signal })
      } finally {
        active -= 1
        if (active === 0) idle.emit('idle')
      }
    })
    built.run().catch(options.onError)
    return built
  }

  return {
    lane,
    get active() {
      return active
    },
    ready: async () => void (await worker.waitUntilReady()),
    get isStuck() {
      return watch.isStuck
    },
    stop: async () => {
      watch.stop()
      stopping.abort()
      // It rejects where Redis goes away meanwhile, which says nothing of the jobs.
      const stopped = worker.pause().catch(() => undefined)
      worker.wake()
      await Promise.all([stopped, ...retired])
      if (active > 0) await once(idle, 'idle')
    },
    close: (force) => worker.close(force),
  }
}

/** What it works on is finished by it; whether it can be closed is not waited for. */
function retire(old: PatientWorker, retired: Set<Promise<void>>): void {
  const closing = old.close().finally(() => retired.delete(closing))
  retired.add(closing)
  old.wake()
}

function createWorker(
  options: ConsumerOptions,
  work: (job: Job, token: string) => Promise<JobResult>,
): PatientWorker {
  const { redis, keys, lane, concurrency, lockMs, clock } = options
  const worker = new PatientWorker(lane, (job, token) => work(job, token ?? ''), {
    connection: redis,
    prefix: keys.bullPrefix,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: MAX_STALLED,
    drainDelay: 2,
    runRetryDelay: RECONNECT_MS,
    settings: { backoffStrategy },
    clock,
  })
  worker.backend.moveToCompleted = createFinish({
    ...{ redis, clock, lockMs },
    backend: worker.backend,
    kept: MOST_FINISHED,
  })
  worker.on('error', options.onError)
  worker.on('stalled', () => options.onStalled(lane))
  worker.on('completed', (job) => {
    if (job.finishedOn !== undefined) options.onFinished(job.id ?? '', verdictSeconds(job))
  })
  const forgetFailed = createForgetFailed(redis, keys, lane)
  worker.on('failed', (job) => {
    if (job?.finishedOn === undefined) return
    const seconds = verdictSeconds(job)
    if (seconds > 0) options.onFinished(job.id ?? '', seconds)
    // One that failed may be replayed, and what is on the wire then must not be forgotten in its place.
    else forgetFailed(job.id ?? '').catch(() => undefined)
  })
  return worker
}

/** While a relay may still answer, or a caller may still add it again, its verdict has to stand. */
function verdictSeconds(job: Job): number {
  if (isUnknown(job)) return unknownSeconds
  return (job.data as Partial<Payload> | null)?.k === 1 ? repeatableSeconds : 0
}

/** Whether a lane has a job that could be taken: one that waits, or one whose time has come. */
async function hasWaiting(redis: Redis, queue: string, now: number): Promise<boolean> {
  const [waiting, prioritized, due] = await Promise.all([
    redis.llen(`${queue}:wait`),
    redis.zcard(`${queue}:prioritized`),
    // BullMQ keeps the time in milliseconds above twelve bits of its own.
    redis.zcount(`${queue}:delayed`, 0, now * 0x1000),
  ])
  return waiting + prioritized + due > 0
}

/** What a job is settled with. */
interface Surroundings {
  keep(payload: Payload): Promise<void>
  readonly aside: Aside
  readonly stopping: AbortSignal
}

async function process(
  options: ConsumerOptions,
  job: Job,
  token: string,
  { keep, aside, stopping }: Surroundings,
): Promise<JobResult> {
  const { clock, retry } = options
  const delivery = await read(options, job)
  if (delivery.replays !== undefined && job.attemptsStarted === 1) options.onReplayed(delivery.lane)
  const attempt = await options.attempt(delivery, token).catch((error: Error): Settled => {
    options.onError(error)
    return { delivery, outcome: ourFault(error) }
  })
  for (;;) {
    try {
      const context = { now: clock.now(), chance: clock.random(), retry, keep, aside }
      return await settle(job, token, attempt, context)
    } catch (error) {
      // What BullMQ made of it would be an attempt more, for want of memory in Redis.
      if (!isPassing(error) || stopping.aborted) throw error
      options.onError(error)
      await clock.sleep(MOVE_AGAIN_MS, stopping)
    }
  }
}

/** What no step expected is no fault of the recipient's: it spends no attempt. */
function ourFault(error: Error): Outcome {
  return { kind: 'held', reason: because('worker_error', messageOf(error)), holdMs: FAULT_HOLD_MS }
}

async function read(options: ConsumerOptions, job: Job): Promise<Delivery> {
  try {
    return deliveryOf(factsOf(job, options.lane), options.clock.now())
  } catch (error) {
    await options.onUnreadable(options.lane, job.id ?? '', error)
    throw final(messageOf(error))
  }
}
