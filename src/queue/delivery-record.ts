// What is known of one delivery: from its job while there is one, else from the ledger.

import type { Job } from 'bullmq'
import type { Standing } from '../store/ledger.js'
import { deliveryOf } from './payload.js'

/** `settled`: it has ended, and how is only in the counts of its batch any more. */
export type DeliveryState =
  | 'waiting'
  | 'scheduled'
  | 'active'
  | 'deferred'
  | 'held'
  | 'sent'
  | 'failed'
  | 'skipped'
  | 'unknown'
  | 'settled'

export interface DeliveryRecord {
  readonly id: string
  readonly lane: string
  readonly recipient: string
  readonly batchId?: string
  readonly state: DeliveryState
  /** Attempts that have ended, the one that settled it included; time held spends none. */
  readonly attempts: number
  readonly enqueuedAt: Date
  /** What the last attempt came to, in the words of the relay or of ours. */
  readonly lastReason?: string
  /** When it will be tried next, where that is known. */
  readonly nextAttemptAt?: Date
}

/** What a finished job carries as its return value. */
export interface JobResult {
  readonly outcome: 'sent' | 'skipped' | 'settled'
  readonly relay?: string
  readonly reply?: string
}

export async function describeJob(
  job: Job,
  lane: string,
  standing: Standing,
  now: number,
): Promise<DeliveryRecord> {
  const delivery = deliveryOf(factsOf(job, lane), now)
  const reason = reasonOf(job)
  const state = await stateOf(job, standing)
  const waits = state === 'deferred' || state === 'held' || state === 'scheduled'
  return {
    id: delivery.id,
    lane,
    recipient: delivery.recipient.address,
    state,
    attempts: job.attemptsMade,
    enqueuedAt: new Date(job.timestamp),
    ...(delivery.batch ? { batchId: delivery.batch.id } : {}),
    ...(reason ? { lastReason: reason } : {}),
    ...(waits && job.delay > 0
      ? { nextAttemptAt: new Date((job.processedOn ?? job.timestamp) + job.delay) }
      : {}),
  }
}

/** Whether nothing will become of a job any more. */
export async function isFinished(job: Job): Promise<boolean> {
  const state = await job.getState()
  return state === 'completed' || state === 'failed'
}

/** The facts of a BullMQ job that a delivery is read from. */
export function factsOf(job: Job, lane: string) {
  return {
    id: job.id ?? '',
    lane,
    data: job.data as unknown,
    timestamp: job.timestamp,
    attemptsMade: job.attemptsMade,
    stalledCounter: job.stalledCounter,
  }
}

function reasonOf(job: Job): string | undefined {
  const result = job.returnvalue as JobResult | null | undefined
  return result?.reply ?? (job.data as { w?: string }).w ?? (job.failedReason || undefined)
}

async function stateOf(job: Job, standing: Standing): Promise<DeliveryState> {
  const state = await job.getState()
  // A finished job knows how it ended for longer than the ledger remembers the verdict.
  if (state === 'completed') return (job.returnvalue as JobResult | null)?.outcome ?? 'sent'
  if (state === 'failed') return job.failedReason.startsWith('unknown') ? 'unknown' : 'failed'
  if (standing.kind === 'settled') return settledState(standing.verdict)
  if (state === 'active') return 'active'
  if (state !== 'delayed') return 'waiting'
  if (job.attemptsStarted === 0) return 'scheduled'
  return (job.data as { s?: number }).s === undefined ? 'deferred' : 'held'
}

function settledState(verdict: string): DeliveryState {
  const word = verdict.split(' ', 1)[0]
  return settledStates.find((state) => state === word) ?? 'settled'
}

const settledStates = ['sent', 'failed', 'skipped', 'unknown'] as const
