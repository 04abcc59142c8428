// A batch at one instant: what it is, its exact counts, and what is observed of it. Pure.

import type { SendWindow } from '../delivery/send-window.js'
import type { BatchObservation, StoredStop } from '../store/batch-control.js'
import type { BatchRecord } from '../store/batches.js'

export interface BatchStatus {
  readonly id: string
  readonly lane: string
  /** The route that was asked for; missing for that of the workers. */
  readonly route?: string
  /** Its share of the lane beside other batches; missing where none was asked for. */
  readonly priority?: number
  /** Nothing is tried before it. */
  readonly sendAt?: Date
  /** What is not sent by then fails. */
  readonly expiresAt?: Date
  /** The hours in which it may be sent. */
  readonly sendWindow?: SendWindow
  /** Deliveries that were acknowledged: `sent + failed + skipped + unknown + pending`. */
  readonly total: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly unknown: number
  readonly pending: number
  /** Observed: pending ones that wait for their turn, as jobs or as rows in chunks. */
  readonly waiting: number
  /** Observed: pending ones that a worker has. */
  readonly active: number
  /** Observed: pending ones that wait for a time, because they were deferred or are held. */
  readonly deferred: number
  /** Deliveries settled in a second, over the last minute or since the first of them. */
  readonly rate: number
  /** Until nothing is pending, at this rate; missing where there is none, or the batch is paused. */
  readonly etaSeconds?: number
  /** Missing where it is not paused. */
  readonly paused?: BatchStop
  /** Missing where it was not cancelled. */
  readonly cancelled?: BatchStop
  /** Further copies that may have been delivered, because an unknown was sent again. */
  readonly resent: number
  /** Rows that could not be a delivery; they are not in `total`. */
  readonly rejected: number
  /** Whether every row has been acknowledged. */
  readonly sealed: boolean
  /** Whether somebody is there who enqueues its rows; missed some 30 seconds after it was killed. */
  readonly importing: boolean
  readonly createdAt: Date
  /** When every row was acknowledged and nothing was pending any more. */
  readonly finishedAt?: Date
  /** Number of failures by reason, such as `550 5.1.1` or `template_error`. */
  readonly failures: Readonly<Record<string, number>>
}

/** Who stopped a batch, when and why. */
export interface BatchStop {
  readonly at: Date
  readonly by: string
  readonly reason?: string
}

export function statusOf(
  id: string,
  record: BatchRecord,
  failures: Record<string, number>,
  observed: BatchObservation,
): BatchStatus {
  const { lane, total, sent, failed, skipped, unknown, resent, rejected } = record
  const pending = total - sent - failed - skipped - unknown
  return {
    id,
    lane,
    ...scheduleOf(record),
    total,
    sent,
    failed,
    skipped,
    unknown,
    pending,
    ...progressOf(pending, observed),
    resent,
    rejected,
    sealed: record.rows !== undefined,
    importing: record.importing,
    createdAt: new Date(record.createdAt),
    failures,
  }
}

function scheduleOf({ route, priority, sendAt, expiresAt, sendWindow }: BatchRecord) {
  return {
    ...(route === undefined ? {} : { route }),
    ...(priority === undefined ? {} : { priority }),
    ...(sendAt === undefined ? {} : { sendAt: new Date(sendAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
    ...(sendWindow === undefined ? {} : { sendWindow: JSON.parse(sendWindow) as SendWindow }),
  }
}

/** What jobs do is seen a moment after the counts; it never adds up to more than is pending. */
function progressOf(pending: number, observed: BatchObservation) {
  const { paused, cancelled, finishedAt, ratePerSecond: rate } = observed
  const active = Math.min(pending, observed.active)
  const deferred = Math.min(pending - active, observed.delayed)
  // What is put off comes at its time, whatever the rate.
  const hasEta = paused === undefined && (pending === 0 || (pending > deferred && rate > 0))
  return {
    waiting: pending - active - deferred,
    active,
    deferred,
    rate,
    ...(hasEta ? { etaSeconds: pending === 0 ? 0 : Math.ceil(pending / rate) } : {}),
    ...(paused ? { paused: stopOf(paused) } : {}),
    ...(cancelled ? { cancelled: stopOf(cancelled) } : {}),
    ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt) }),
  }
}

function stopOf({ at, by, reason }: StoredStop): BatchStop {
  return { at: new Date(at), by, ...(reason === undefined ? {} : { reason }) }
}
