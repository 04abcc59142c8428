// A batch as its caller sees it: counts now, counts as they change, and the end.
// Counts come from the ledger's scripts and never from events.

import type { Clock } from '../clock.js'
import type { Reply } from '../delivery/outcome.js'
import { FluxMailError } from '../errors.js'
import type { BatchRecord, BatchStore } from '../store/batches.js'

export interface BatchStatus {
  readonly id: string
  readonly lane: string
  /** Deliveries that were acknowledged: `sent + failed + skipped + unknown + pending`. */
  readonly total: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly unknown: number
  readonly pending: number
  /** Further copies that may have been delivered, because an unknown was sent again. */
  readonly resent: number
  /** Rows that could not be a delivery; they are not in `total`. */
  readonly rejected: number
  /** Whether every row has been acknowledged. */
  readonly sealed: boolean
  readonly createdAt: Date
  /** Number of failures by reason, such as `550 5.1.1` or `template_error`. */
  readonly failures: Readonly<Record<string, number>>
}

/** One delivery that did not end as sent. */
export interface BatchError {
  readonly id: string
  readonly ordinal: number
  readonly recipient: string
  readonly outcome: 'failed' | 'unknown'
  readonly code: string
  readonly message: string
  readonly reply?: Reply
}

export interface BatchResult extends BatchStatus {
  /** The first 1,000 deliveries that failed or are unknown; `failures` counts all. */
  readonly errors: readonly BatchError[]
}

export interface FollowOptions {
  /** Time between two looks; default 500. */
  intervalMs?: number | undefined
  signal?: AbortSignal | undefined
}

const DEFAULT_INTERVAL_MS = 500

/** What a batch reads of the store. */
export type BatchView = Pick<BatchStore, 'read' | 'failures' | 'errors'>

export class Batch {
  readonly id: string
  readonly #store: BatchView
  readonly #clock: Clock

  /** @internal Comes from `enqueueBatch` or `queue.batch(id)`. */
  constructor(id: string, store: BatchView, clock: Clock) {
    this.id = id
    this.#store = store
    this.#clock = clock
  }

  /** @throws FluxMailError `batch_not_found`, `queue_unavailable` */
  async status(): Promise<BatchStatus> {
    const [record, failures] = await Promise.all([this.#store.read(this.id), this.#store.failures(this.id)])
    if (record === undefined) throw new FluxMailError('batch_not_found', `there is no batch ${this.id}`)
    return statusOf(this.id, record, failures)
  }

  /** The status now and after each interval, ending with the one where nothing is pending. */
  async *progress(options: FollowOptions = {}): AsyncGenerator<BatchStatus, void, void> {
    const { intervalMs = DEFAULT_INTERVAL_MS, signal } = options
    for (;;) {
      const status = await this.status()
      yield status
      if ((status.sealed && status.pending === 0) || signal?.aborted) return
      await this.#clock.sleep(intervalMs, signal)
    }
  }

  /** Resolves when every row is acknowledged and nothing is pending; when `signal` is aborted, with what is known then. */
  async wait(options: FollowOptions = {}): Promise<BatchResult> {
    let last = await this.status()
    for await (const status of this.progress(options)) last = status
    const errors = await this.#store.errors(this.id)
    return { ...last, errors: errors.map((json) => JSON.parse(json) as BatchError) }
  }
}

function statusOf(id: string, record: BatchRecord, failures: Record<string, number>): BatchStatus {
  const { lane, total, sent, failed, skipped, unknown, resent, rejected } = record
  return {
    id,
    lane,
    total,
    sent,
    failed,
    skipped,
    unknown,
    pending: total - sent - failed - skipped - unknown,
    resent,
    rejected,
    sealed: record.rows !== undefined,
    createdAt: new Date(record.createdAt),
    failures,
  }
}
