// Ends jobs that were worked on, and takes the next ones. Those that end while an earlier call is under way share the
// next one: on an idle system nobody waits, under load Redis is called once for many.

import { type RedisQueueBackend, raw2NextJobData } from 'bullmq'
import { afterTurn, type Clock } from '../clock.js'
import { defineScript, type Redis } from '../redis.js'
import { FINISH } from './finish-script.js'

export interface FinishOptions {
  /** Where BullMQ's script would have been called. */
  readonly redis: Redis
  readonly backend: RedisQueueBackend
  readonly lockMs: number
  /** Of finished jobs so many stay. */
  readonly kept: number
  readonly clock: Clock
}

interface Finished {
  readonly id: string
  readonly token: string
  readonly finishedOn: number
  readonly attempts: number
  readonly value: string
  readonly fetchNext: boolean
  settle(answer: Promise<Answer>): void
}

/** What the script says of one job: a number or a text where it went wrong, else 0 or the next job. */
type Answer = number | string | unknown[]

type MoveToCompleted = RedisQueueBackend['moveToCompleted']

/** Of one call. Redis serves nobody else meanwhile. */
const MOST_AT_ONCE = 64

/** Stands in for the backend's own. */
export function createFinish(options: FinishOptions): MoveToCompleted {
  const { backend, clock } = options
  const gather = createGathering(options)
  return async (job, returnValue, _remove, token, fetchNext) => {
    const finishedOn = clock.now()
    const { id = '', attemptsMade } = job
    const attempts = attemptsMade + 1
    const value = JSON.stringify(returnValue) ?? 'null'
    const answer = await new Promise<Answer>((settle) => {
      gather({ id, token, finishedOn, attempts, value, fetchNext, settle })
    })
    if (typeof answer === 'string') throw refused(answer)
    if (typeof answer === 'number' && answer < 0) {
      const command = 'moveToFinished'
      throw backend.finishedErrors({ code: answer, jobId: id, command, state: 'active' })
    }
    // Without a next one BullMQ asks by itself, and is told until when there is none.
    return { finishedOn, result: Array.isArray(answer) ? raw2NextJobData(answer) : undefined }
  }
}

function createGathering(options: FinishOptions): (job: Finished) => void {
  const call = createCall(options)
  let gathered: Finished[] = []
  let isUnderWay = false

  function send(): void {
    const jobs = gathered.slice(0, MOST_AT_ONCE)
    gathered = gathered.slice(MOST_AT_ONCE)
    const answers = call(jobs)
    for (const [index, { settle }] of jobs.entries()) settle(answers.then((all) => all[index] ?? 0))
    const next = () => {
      if (gathered.length > 0) send()
      else isUnderWay = false
    }
    answers.then(next, next)
  }

  return (job) => {
    gathered.push(job)
    if (isUnderWay) return
    isUnderWay = true
    afterTurn(send)
  }
}

function createCall(options: FinishOptions): (jobs: readonly Finished[]) => Promise<Answer[]> {
  const { redis, backend, lockMs, kept, clock } = options
  const { wait, active, stalled, completed, meta, delayed, marker, events, '': prefix } = backend.keys
  const keys = [wait, active, stalled, completed, meta, delayed, marker, events].map(String)
  const script = defineScript(redis, 'fluxmailFinish', keys.length, FINISH)
  return async (jobs) => {
    const args: (string | number)[] = [String(prefix), clock.now(), lockMs, '', kept]
    for (const { id, token, finishedOn, attempts, value, fetchNext } of jobs)
      args.push(id, token, finishedOn, attempts, value, fetchNext ? '1' : '')
    return (await script(keys, args)) as Answer[]
  }
}

function refused(message: string): Error {
  const error = new Error(message)
  error.name = 'ReplyError'
  return error
}
