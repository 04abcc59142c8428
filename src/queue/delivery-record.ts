// What is known of one delivery: from its job while there is one, else from the ledger.

import type { Job } from 'bullmq'
import type { Standing, Verdict } from '../store/ledger.js'
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
  const state = await stateOf(job, standing)
  const reason = reasonOf(job, state) ?? codeOf(standing)
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

/** The verdict on a delivery that its caller takes back. */
export function cancellationOf(job: Job, lane: string): Verdict {
  const { recipient, createdAt } = deliveryOf(factsOf(job, lane), job.timestamp)
  const reason = { code: 'cancelled', message: 'it was cancelled' }
  return { outcome: 'skipped', ...reason, recipient: recipient.address, enqueuedAt: createdAt }
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

/** Whether a job was finished as unknown; a relay may still answer. */
export function isUnknown(job: Job): boolean {
  return job.failedReason?.startsWith('unknown:') ?? false
}

function reasonOf(job: Job, state: DeliveryState): string | undefined {
  const isAnswered = isUnknown(job) && (state === 'sent' || state === 'failed')
  if (isAnswered)
    return 'it had been found unknown; the answer of the relay came late, or somebody resolved it'
  const result = job.returnvalue as JobResult | null | undefined
  // What it was held for before says nothing of how it ended.
  const heldFor = isOver(state) ? undefined : (job.data as { w?: string }).w
  return result?.reply ?? heldFor ?? (job.failedReason || undefined)
}

/** Between its verdict and the end of its job, the ledger alone knows why. */
function codeOf(standing: Standing): string | undefined {
  const code = standing.kind === 'settled' ? standing.verdict.split(' ')[1] : undefined
  return code === '-' ? undefined : code?.replaceAll('_', ' ')
}

async function stateOf(job: Job, standing: Standing): Promise<DeliveryState> {
  const state = await job.getState()
  // A finished job knows how it ended for longer than the ledger remembers the verdict.
  if (state === 'completed') return (job.returnvalue as JobResult | null)?.outcome ?? 'sent'
  // What was unknown when its job was finished may have been answered since.
  const isOpen = state === 'failed' && isUnknown(job)
  if (state === 'failed' && !isOpen) return 'failed'
  if (isOpen && standing.kind !== 'settled') return 'unknown'
  if (standing.kind === 'settled') return settledState(standing.verdict)
  if (state === 'active') return 'active'
  if (state !== 'delayed') return 'waiting'
  if ((job.data as { w?: string }).w !== undefined) return 'held'
  return job.attemptsStarted === 0 ? 'scheduled' : 'deferred'
}

function settledState(verdict: string): DeliveryState {
  const word = verdict.split(' ', 1)[0]
  return settledStates.find((state) => state === word) ?? 'settled'
}

const settledStates = ['sent', 'failed', 'skipped', 'unknown'] as const
const isOver = (state: DeliveryState) => state === 'settled' || settledStates.some((each) => each === state)
