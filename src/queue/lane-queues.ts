// The BullMQ queues of the lanes as a producer sees them: adding jobs, finding one, counting them.
// It knows nothing of emails; what a job means stands in payload.ts.

import { Job, Queue } from 'bullmq'
import { systemClock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import { gateName } from '../limits/gate.js'
import { isForgotten, type Keys, type Redis, type ScriptCall, sendScripts } from '../redis.js'
import { addCalls, defineAdd, type PlainJob } from './add-script.js'
import { moveBack, moveLeftBehind } from './move-back.js'
import type { Payload } from './payload.js'
import { unreadable } from './readable-job.js'

export interface NewJob {
  readonly id: string
  readonly payload: Payload
  /** Who takes its mail; with its route it is what the job is named after. */
  readonly provider: string
  /** Milliseconds until it may be taken. */
  readonly delayMs: number
  /** Default: now. */
  readonly enqueuedAt?: number
}

/** Jobs of one lane by what they are doing; observed, so it may lag behind for a moment. */
export interface LaneJobs {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
}

export interface LaneQueues {
  readonly lanes: readonly string[]
  /** Adds all jobs and makes the call after them, in one transaction: all of it happens or nothing. */
  add(lane: string, jobs: readonly NewJob[], commit?: ScriptCall): Promise<void>
  /** Makes a finished job wait again where `allow` lets it, in one transaction; resolves to what `allow` answered. */
  moveBack(lane: string, id: string, allow: ScriptCall): Promise<string>
  /** Moves the jobs that were allowed to wait again and have not been moved. */
  moveLeftBehind(lane: string): Promise<void>
  /** Makes jobs wait that wait for a time, as far as they still do. */
  promote(lane: string, ids: readonly string[]): Promise<void>
  /** Removes a job, unless a worker has it; resolves to whether it did. */
  remove(lane: string, id: string): Promise<boolean>
  /** The key that a job of this lane is under. */
  keyOf(lane: string, id: string): string
  /** Finds a job in whichever lane has it. */
  find(id: string): Promise<{ lane: string; job: Job } | undefined>
  count(lane: string): Promise<LaneJobs>
  close(): Promise<void>
}

/** How often BullMQ may retry is the lane's rule alone, which settle.ts applies; this is no limit. */
const ATTEMPTS = 100_000
/** BullMQ's own event stream, which nothing here reads; its 10,000 events would take 650 kB of Redis a lane. */
const EVENTS_KEPT = 100
/** Of every job. The type of its backoff is what settle.ts answers for. */
const options = { attempts: ATTEMPTS, backoff: { type: 'lane' } }

export function createLaneQueues(redis: Redis, keys: Keys, lanes: readonly string[]): LaneQueues {
  const queues = new Map<string, Queue>()
  defineAdd(redis)

  const queueOf = (lane: string): Queue => {
    const open = queues.get(lane)
    if (open) return open
    if (!lanes.includes(lane)) {
      throw new FluxMailError(
        'invalid_params',
        `lane: there is no lane ${JSON.stringify(lane)}; there are ${lanes.join(', ')}`,
      )
    }
    const streams = { events: { maxLen: EVENTS_KEPT } }
    const queue = new Queue(lane, { connection: redis, prefix: keys.bullPrefix, streams })
    // The connection's own listener has heard of it already; without one here, Node would throw.
    queue.on('error', () => undefined)
    queues.set(lane, queue)
    return queue
  }

  return {
    lanes,
    add: (lane, jobs, commit) => addAtOnce(redis, queueOf(lane), jobs, commit),
    moveBack: (lane, id, allow) => moveBack(queueOf(lane), id, allow),
    moveLeftBehind: (lane) => moveLeftBehind(queueOf(lane), redis),
    async promote(lane, ids) {
      const { backend } = queueOf(lane)
      // One that was taken meanwhile needs it no more.
      await Promise.all(ids.map((id) => backend.promote(id).catch(() => undefined)))
    },
    remove: async (lane, id) => (await queueOf(lane).remove(id)) === 1,
    keyOf: (lane, id) => queueOf(lane).toKey(id),
    async find(id) {
      for (const lane of lanes) {
        const job = await queueOf(lane)
          .getJob(id)
          .catch((thrown: unknown) => {
            throw unreadable(id, thrown)
          })
        if (job) return { lane, job }
      }
      return undefined
    },
    async count(lane) {
      const counts = await queueOf(lane).getJobCounts('waiting', 'active', 'delayed', 'prioritized')
      const count = (state: string) => counts[state] ?? 0
      return {
        waiting: count('waiting') + count('prioritized'),
        active: count('active'),
        delayed: count('delayed'),
      }
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()))
    },
  }
}

/** What `addBulk` does is no transaction: a Redis that is killed or full in the middle of it keeps a part. */
async function addAtOnce(
  redis: Redis,
  queue: Queue,
  jobs: readonly NewJob[],
  commit?: ScriptCall,
): Promise<void> {
  const failed = await transact(queue, jobs, commit)
  if (!failed) return
  if (!isForgotten(failed)) throw failed
  // Inside a transaction nobody sends a script again. What was added without the rest has the same ids.
  await sendScripts(redis)
  const failedAgain = await transact(queue, jobs, commit)
  if (failedAgain) throw failedAgain
}

async function transact(
  queue: Queue,
  jobs: readonly NewJob[],
  commit: ScriptCall | undefined,
): Promise<Error | undefined> {
  const client = await queue.backend.client
  const transaction = client.multi()
  const { plain, delayed } = parted(jobs)
  for (const { name, args } of addCalls(queue, plain, options)) transaction.runCommand(name, [...args])
  for (const newJob of delayed) {
    const { id, delayMs: delay, enqueuedAt, payload } = newJob
    const timed = { ...options, jobId: id, delay, ...(enqueuedAt !== undefined && { timestamp: enqueuedAt }) }
    const job = new Job(queue, nameOf(newJob), payload, timed, id)
    // It only queues the command; what becomes of it is in the answer to all of them.
    queue.backend.addJobToTransaction(transaction, job.asJSON(), id).catch(() => undefined)
  }
  if (commit) transaction.runCommand(commit.name, [...commit.args])
  const answers = (await transaction.exec()) ?? []
  return answers.find(([error]) => error !== null)?.[0] ?? undefined
}

function nameOf({ provider, payload }: NewJob): string {
  return gateName({ provider, route: payload.r })
}

/** Those that wait for a time are BullMQ's to add. */
function parted(jobs: readonly NewJob[]): { plain: PlainJob[]; delayed: NewJob[] } {
  const now = systemClock.now()
  const plain: PlainJob[] = []
  const delayed: NewJob[] = []
  for (const job of jobs) {
    const { id, payload: data, enqueuedAt: timestamp = now } = job
    if (job.delayMs > 0) delayed.push(job)
    else plain.push({ id, name: nameOf(job), timestamp, data })
  }
  return { plain, delayed }
}
