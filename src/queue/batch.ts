// A batch as its caller sees it: counts now, counts as they change, and the end.
// Counts come from the ledger's scripts and never from events.

import type { Clock } from '../clock.js'
import type { Reply } from '../delivery/outcome.js'
import { FluxMailError } from '../errors.js'
import type { BatchControlStore } from '../store/batch-control.js'
import type { BatchStore } from '../store/batches.js'
import type { BatchControl, StopOptions } from './batch-control.js'
import { type BatchProgress, type BatchSurroundings, followGroups } from './batch-progress.js'
import { type BatchStatus, statusOf } from './batch-status.js'

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

export interface ProgressOptions extends FollowOptions {
  /** Goes on while something is pending, although nobody enqueues the rest of its rows; default false. */
  whileIncomplete?: boolean | undefined
}

const DEFAULT_INTERVAL_MS = 500

/** What a batch reads of the store and does there. */
export type BatchView = Pick<BatchStore, 'read' | 'failures' | 'errors'> &
  Pick<BatchControlStore, 'observe'> &
  BatchControl &
  BatchSurroundings & {
    delete(id: string): Promise<void>
  }

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
    return statusOf(this.id, record, failures, await this.#store.observe(this.id, record.lane))
  }

  /**
   * Stops the batch until `resume`: once this has resolved, only what already had its wire mark goes out. What was
   * stopped is held and spends nothing. Resolves to whether it was not paused before.
   *
   * @throws FluxMailError `batch_not_found`, `batch_cancelled`, `invalid_params`, `queue_unavailable`
   */
  pause(options: StopOptions = {}): Promise<boolean> {
    return this.#store.pause(this.id, options)
  }

  /**
   * Lets a paused batch go on, at once. Resolves to whether it was paused.
   *
   * @throws FluxMailError `batch_not_found`, `batch_cancelled`, `queue_unavailable`
   */
  resume(): Promise<boolean> {
    return this.#store.resume(this.id)
  }

  /**
   * Ends the batch: what is pending and not on the wire is skipped, by this call and by the workers; `unknown` where an
   * earlier attempt may have been accepted. Workers finish what this call leaves when its process dies. Resolves to
   * whether it was not cancelled before.
   *
   * @throws FluxMailError `batch_not_found`, `invalid_params`, `queue_unavailable`
   */
  cancel(options: StopOptions = {}): Promise<boolean> {
    return this.#store.cancel(this.id, options)
  }

  /**
   * Deletes the batch with all that is kept of it: counts, failures, and jobs that are finished. A batch of the same id
   * is a new one then. Counts of its lane stay.
   *
   * @throws FluxMailError `batch_not_found`, `batch_not_finished` unless it is finished or cancelled and nothing of it
   * is on the wire, `queue_unavailable`
   */
  delete(): Promise<void> {
    return this.#store.delete(this.id)
  }

  /**
   * The status now and after each interval, with what the batch waits for, its relays and its groups of failures; it
   * ends with the one where nothing is pending.
   *
   * @throws FluxMailError `batch_incomplete` when not all rows are acknowledged and nobody enqueues them;
   * `batch_not_found`, `queue_unavailable`
   */
  async *progress(options: ProgressOptions = {}): AsyncGenerator<BatchProgress, void, void> {
    const groups = followGroups(this.#store, this.#clock)
    let isFirst = true
    for await (const status of this.#follow(options)) {
      const around = await this.#store.look(status)
      const isLast = status.pending === 0 && !isFirst
      yield { ...around, groups: await (isLast ? groups.last(status) : groups.now(status)) }
      isFirst = false
      const isPatient = options.signal?.aborted || (options.whileIncomplete && status.pending > 0)
      if (isStranded(status) && !isPatient) throw incomplete(status)
    }
  }

  /**
   * Resolves when every row is acknowledged and nothing is pending; when `signal` is aborted, with what is known then.
   *
   * @throws FluxMailError `batch_incomplete` when not all rows are acknowledged and nobody enqueues them,
   * `batch_not_found`, `queue_unavailable`
   */
  async wait(options: FollowOptions = {}): Promise<BatchResult> {
    let last = await this.status()
    for await (const status of this.#follow(options)) {
      if (isStranded(status) && !options.signal?.aborted) throw incomplete(status)
      last = status
    }
    const errors = await this.#store.errors(this.id)
    return { ...last, errors: errors.map((json) => JSON.parse(json) as BatchError) }
  }

  async *#follow({
    intervalMs = DEFAULT_INTERVAL_MS,
    signal,
  }: FollowOptions): AsyncGenerator<BatchStatus, void, void> {
    for (;;) {
      const status = await this.status()
      yield status
      if (isOver(status) || signal?.aborted) return
      await this.#clock.sleep(intervalMs, signal)
    }
  }
}

function isOver({ sealed, cancelled, importing, pending }: BatchStatus): boolean {
  return pending === 0 && (sealed || (cancelled !== undefined && !importing))
}

/** Rows of it are missing, and nobody brings them. */
function isStranded({ sealed, cancelled, importing }: BatchStatus): boolean {
  return !sealed && !importing && cancelled === undefined
}

function incomplete({ id, total }: BatchStatus): FluxMailError {
  return new FluxMailError(
    'batch_incomplete',
    `nobody enqueues batch ${id} any more, and its last row was not acknowledged (${total} are); ` +
      'enqueue it again with the same batchId and rows, and it goes on',
    { details: { batchId: id } },
  )
}
