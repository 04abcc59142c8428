// What becomes of a job after its attempt: the one place that knows BullMQ's control flow by exceptions.
// The delivery is in the ledger already; if a move fails here, the job comes back and the ledger stops it.

import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq'
import type { RetryRule } from '../config.js'
import { retryDelayMs } from '../delivery/backoff.js'
import type { Attempt } from '../delivery/delivery.js'
import type { Outcome } from '../delivery/outcome.js'
import type { Aside } from './aside.js'
import { withAttempt } from './attempt-list.js'
import type { JobResult } from './delivery-record.js'
import type { Payload } from './payload.js'

/** Thrown for `deferred`: BullMQ keeps count of the attempts and asks `backoffStrategy` for the delay. */
class Deferral extends Error {
  readonly delayMs: number

  constructor(message: string, delayMs: number) {
    super(message)
    this.name = 'Deferral'
    this.delayMs = delayMs
    // BullMQ stores the stack of every error with its job; ours says nothing that the message does not.
    this.stack = ''
  }
}

/** Of a reason for waiting, so much is kept with the job. */
const MAX_REASON = 200

/** For a fault of ours that no step expected: the job is tried again in a minute. */
const UNEXPECTED_DELAY_MS = 60_000

/** The delay before BullMQ's next attempt, as the deferral asked for it. */
export function backoffStrategy(_attempts?: number, _type?: string, error?: Error): number {
  return error instanceof Deferral ? error.delayMs : UNEXPECTED_DELAY_MS
}

export interface SettleContext {
  readonly now: number
  readonly chance: number
  readonly retry: RetryRule
  /** Keeps changed data with the job, also when the memory of Redis is full. */
  keep(payload: Payload): Promise<void>
  /** Where those go that found their gate shut. */
  readonly aside?: Aside | undefined
}

/** The part of an attempt that decides what becomes of its job. */
export type Settled = Pick<Attempt, 'delivery' | 'relay' | 'wire' | 'late'> & { readonly outcome: Outcome }

/** Carries an outcome out: returns what a finished job keeps, or throws what moves the job. */
export async function settle(
  job: Job,
  token: string,
  attempt: Settled,
  context: SettleContext,
): Promise<JobResult> {
  const { outcome, relay } = attempt
  // Whoever found it unknown has finished its job.
  if (attempt.late) throw new WaitingError()
  switch (outcome.kind) {
    case 'sent':
      return resultOf(
        'sent',
        relay,
        outcome.reply ? `${outcome.reply.code} ${outcome.reply.text}` : undefined,
      )
    case 'skipped':
      return resultOf(
        outcome.reason.code === 'settled' ? 'settled' : 'skipped',
        relay,
        outcome.reason.message,
      )
    case 'failed':
    case 'unknown':
      await context.keep(withAttempt(job.data as Payload, attempt, context.now))
      throw final(
        `${outcome.kind === 'unknown' ? 'unknown:' : outcome.reason.code} ${outcome.reason.message}`,
      )
    case 'held':
      return hold(job, token, outcome, context)
    case 'deferred':
      return defer(job, attempt, outcome, context)
  }
}

function resultOf(
  outcome: JobResult['outcome'],
  relay: string | undefined,
  reply: string | undefined,
): JobResult {
  return { outcome, ...(relay === undefined ? {} : { relay }), ...(reply === undefined ? {} : { reply }) }
}

/** What makes BullMQ keep a job as failed without another attempt. */
export function final(reason: string): Error {
  const error = new UnrecoverableError(reason)
  error.stack = ''
  return error
}

async function hold(
  job: Job,
  token: string,
  outcome: Outcome & { kind: 'held' },
  { now, keep, aside }: SettleContext,
): Promise<never> {
  const payload = job.data as Payload
  const { code, message } = outcome.reason
  // Another worker has the job: nothing about it is ours to change.
  if (code === 'superseded') throw new WaitingError()
  // The time that this attempt took was spent waiting as well, and so was every hold right before it.
  const since = payload.s ?? job.processedOn ?? now
  const why = `${code} ${message}`.slice(0, MAX_REASON)
  await keep({ ...payload, s: since, w: why })
  const { gate, perSecond = 1 } = outcome
  if (gate && aside) {
    const due = await aside.put({ id: job.id ?? '', name: job.name, gate, perSecond, why })
    await job.moveToDelayed(due, token)
    throw new DelayedError()
  }
  if (outcome.holdMs > 0) {
    await job.moveToDelayed(now + outcome.holdMs, token)
    throw new DelayedError()
  }
  await job.moveToWait(token)
  throw new WaitingError()
}

async function defer(
  job: Job,
  attempt: Settled,
  outcome: Outcome & { kind: 'deferred' },
  { now, chance, retry, keep }: SettleContext,
): Promise<never> {
  const { delivery } = attempt
  const { w: _heldFor, ...payload } = withAttempt(job.data as Payload, attempt, now)
  const { code, message } = outcome.reason
  const delayMs = retryDelayMs(retry, delivery.attemptsMade + 1, chance, outcome.retryAfterMs)
  await keep({
    ...payload,
    f: delivery.firstAttemptAt ?? now,
    ...(delivery.heldMs > 0 ? { h: delivery.heldMs } : {}),
    // Once its time has come it waits in line, behind all that its lane has to send: that is no age either.
    s: now + delayMs,
  })
  throw new Deferral(`${code} ${message}`, delayMs)
}
