// MailQueue: the way in. What it has acknowledged is in Redis; a crash of the caller loses nothing of it.

import { parseClock } from './clock.js'
import { type BatchContent, bundleBatchContent } from './content/batch-content.js'
import { readFileLimited } from './content/read-file.js'
import { FluxMailError, guarded } from './errors.js'
import { Email } from './message/email.js'
import type { AddressInput } from './message/email-parts.js'
import { RawMessage } from './message/raw-message.js'
import type { Batch } from './queue/batch.js'
import type { BatchStatus } from './queue/batch-status.js'
import type { BatchesOptions } from './queue/batch-views.js'
import type { DeliveryRecord } from './queue/delivery-record.js'
import { defaultLane, type EnqueueOptions, enqueueEmail, type Receipt } from './queue/enqueue.js'
import { type BatchOptions, defaultBatchLane, enqueueRows } from './queue/enqueue-batch.js'
import type { DeliveryExplanation } from './queue/explain.js'
import type { BatchExplanation } from './queue/explain-batch.js'
import type { FailureFilter } from './queue/failure-filter.js'
import type { Failures } from './queue/failures.js'
import type { ForgetOptions, Forgotten } from './queue/forget.js'
import type { LaneStatus } from './queue/lane-status.js'
import type { Limits } from './queue/limits.js'
import {
  failuresOf,
  forgetEverywhere,
  laneStatuses,
  listBatches,
  readAllOutcomes,
  replayAll,
} from './queue/merged.js'
import { parseBatchOptions, parseEnqueueOptions } from './queue/options.js'
import { type DeliveryOutcome, type OutcomesOptions, parseOutcomesOptions } from './queue/outcomes.js'
import { defaultMaxAttachmentBytes, type MailQueueOptions, readOptions } from './queue/queue-options.js'
import type { QueueParts } from './queue/queue-parts.js'
import type { ReplayOptions, ReplayResult } from './queue/replay.js'
import type { ResolvedAs } from './queue/resolve.js'
import { openShards, type Shards } from './queue/shards.js'
import type { Suppressions } from './queue/suppressions.js'
import { type WorkerView, workerView } from './queue/workers.js'
import { type RelayStatus, readRelayStatus } from './store/relay-status.js'
import { readWorkers } from './store/workers.js'

export { defaultMaxAttachmentBytes, type LaneStatus, type MailQueueOptions }

const closedMessage = 'this MailQueue was closed; create another one'

/** Enqueues emails and batches. One instance serves any number of concurrent callers. */
export class MailQueue {
  readonly #shards: Shards
  readonly #outcomesTtlSeconds: number
  readonly #closing = new AbortController()
  /** The addresses and domains that nothing is sent to. */
  readonly suppressions: Suppressions
  /** The limits of the relays, which all workers share. */
  readonly limits: Limits

  /** @throws FluxMailError `invalid_config` */
  constructor(options: MailQueueOptions) {
    const { redis, name, clock, limits } = readOptions(options)
    this.#outcomesTtlSeconds = limits.outcomesTtlSeconds
    this.#shards = openShards({
      redis,
      name,
      clock: parseClock(clock),
      limits,
      checkOpen: () => this.#checkOpen(),
    })
    this.suppressions = this.#shards.suppressions
    this.limits = this.#shards.first.limits
  }

  /**
   * Enqueues one email: a delivery for each address of To, Cc and Bcc, or of the envelope of a raw message. With
   * `shards`, an `idempotencyKey` is looked for in all of them; two callers who use one at the same instant for lanes in
   * different shards are both served.
   *
   * @throws FluxMailError `invalid_params`, `idempotency_conflict`, `outlook_no_async`, `queue_full`,
   * `queue_unavailable`
   */
  async enqueue(email: Email | RawMessage, options: EnqueueOptions = {}): Promise<Receipt> {
    const known = guarded(
      'invalid_params',
      'the email',
      () => email instanceof Email || email instanceof RawMessage,
    )
    if (!known) {
      throw new FluxMailError(
        'invalid_params',
        'enqueue takes what mail.create(…) or createRawMessage(…) returns; for rows there is enqueueBatch',
      )
    }
    const checked = parseEnqueueOptions(options, this.#shards.lanes)
    const parts = this.#shards.of(checked.lane ?? defaultLane)
    await this.#shards.checkKey(parts, checked.idempotencyKey)
    return parts.store(() => enqueueEmail(parts.enqueueing, email, checked))
  }

  /**
   * Enqueues one content to many recipients, and resolves once every row is acknowledged. Rows are read as they are
   * stored; one may bring `attachments` of its own. If `rows` throws, what was acknowledged stays; calling again with the same `batchId` and rows goes on. With
   * `shards`, a `batchId` is looked for in all of them; two callers who use one at the same instant for lanes in different
   * shards have two batches, of which `batch` finds the first.
   *
   * @throws FluxMailError `invalid_params`, `template_error`, `css_inline_failed`, `batch_conflict`, `queue_full`,
   * `queue_unavailable`
   */
  async enqueueBatch<R extends { to: AddressInput }>(
    rows: Iterable<R> | AsyncIterable<R>,
    content: BatchContent,
    options: BatchOptions = {},
  ): Promise<Batch> {
    const checked = parseBatchOptions(options, this.#shards.lanes)
    const parts = this.#shards.of(checked.lane ?? defaultBatchLane)
    const bundle = bundleBatchContent(content, readFileLimited, parts.enqueueing.maxAttachmentBytes)
    await this.#shards.checkBatchId(parts, checked.batchId)
    const id = await parts.store(() => enqueueRows(parts.enqueueing, rows, bundle, checked))
    return parts.views.handle(id)
  }

  /** The handle of a batch; whether there is one is said by its methods. */
  batch(id: string): Batch {
    return this.#shards.first.views.handle(id, this.#shards.batches)
  }

  /**
   * Batches and how they stand, newest first.
   *
   * @throws FluxMailError `invalid_params`, `queue_unavailable`
   */
  batches(options: BatchesOptions = {}): Promise<BatchStatus[]> {
    return listBatches(this.#shards, options)
  }

  /**
   * What is known of one delivery.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async delivery(id: string): Promise<DeliveryRecord> {
    const { run, deliveries } = await this.#shards.homeOf(id)
    return run(() => deliveries.describe(id))
  }

  /**
   * Cancels one delivery unless it has been settled or is on the wire; its outcome is then `skipped`, or `unknown`
   * where an earlier attempt may have been accepted.
   * Resolves to whether it was cancelled.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async cancel(id: string): Promise<boolean> {
    const { store, deliveries } = await this.#shards.homeOf(id)
    return store(() => deliveries.cancel(id))
  }

  /** Deliveries that failed or are unknown, one by one, or counted in groups of alike replies. */
  failures(filter: FailureFilter = {}): Failures {
    return failuresOf(this.#shards, filter)
  }

  /**
   * Makes deliveries that failed pending again, each in one transaction, with their attempts begun anew; one that was
   * sent never is. Interrupted, it loses nothing, and the same call again goes on with the rest.
   *
   * @throws FluxMailError `invalid_params`, `batch_not_found`, `queue_full`, `queue_unavailable`; for deliveries named
   * by id `delivery_not_found` and `not_replayable`
   */
  replay(filter: FailureFilter, options: ReplayOptions = {}): Promise<ReplayResult> {
    return replayAll(this.#shards, filter, options)
  }

  /**
   * Says of an unknown delivery whether it was sent.
   *
   * @throws FluxMailError `invalid_params`, `delivery_not_found`, `not_unknown`, `queue_unavailable`
   */
  async resolve(id: string, verdict: ResolvedAs): Promise<void> {
    const { afterwards } = await this.#shards.homeOf(id)
    await afterwards.resolve(id, verdict)
  }

  /**
   * Why a delivery or a batch is where it is: what it waits for by name, its attempts, its place and its ETA.
   *
   * @throws FluxMailError `invalid_params`, `delivery_not_found`, `batch_not_found`, `queue_unavailable`
   */
  async explain(id: string): Promise<DeliveryExplanation | BatchExplanation> {
    const { afterwards } = await this.#shards.homeOf(id)
    return afterwards.explain(id)
  }

  /**
   * Deliveries as they are settled, each given until it is acknowledged: at least once, in each group. A group begins
   * with its first call; before any group nothing is recorded. A delivery that was given as `unknown` comes again as
   * `sent` or `failed` when the relay's answer comes late. Ends when `signal` is aborted or the queue is closed.
   *
   * @throws FluxMailError `invalid_params`, `queue_unavailable`, `closed`
   */
  outcomes(options: OutcomesOptions): AsyncGenerator<DeliveryOutcome, void, void> {
    const reading = parseOutcomesOptions(options)
    this.#checkOpen()
    const context = { keptSeconds: this.#outcomesTtlSeconds, closing: this.#closing.signal }
    return readAllOutcomes(this.#shards, reading, context)
  }

  /**
   * Ends a group of `outcomes`; after the last one nothing is recorded any more. Resolves to whether there was one.
   *
   * @throws FluxMailError `invalid_params`, `queue_unavailable`
   */
  async endOutcomes(group: string): Promise<boolean> {
    const checked = parseOutcomesOptions({ group })
    const leave = ({ run, outcomes }: QueueParts) => run(() => outcomes.leave(checked.group))
    return (await Promise.all(this.#shards.all.map(leave))).includes(true)
  }

  /**
   * Erases what is kept about an address: its deliveries that wait are skipped as `forgotten`, those that are over, with
   * failures, outcomes and receipts that name it, are gone. Counts stay. A suppression of it stays as a digest. What is
   * enqueued to it afterwards is not looked at.
   *
   * @throws FluxMailError `invalid_email`, `no_email`, `invalid_params`, `queue_unavailable`
   */
  async forget(address: string, options: ForgetOptions = {}): Promise<Forgotten> {
    return forgetEverywhere(this.#shards, address, options)
  }

  /** Counts of each lane. */
  async status(): Promise<LaneStatus[]> {
    return laneStatuses(this.#shards)
  }

  /** The relays that workers have or had within the last day: their circuits, and the senders that are held. */
  async relays(): Promise<RelayStatus[]> {
    const { run, redis, keys } = this.#shards.first
    return run(() => readRelayStatus(redis, keys))
  }

  /** The workers that are there: each has said so within the last six seconds. */
  async workers(): Promise<WorkerView[]> {
    const { run, redis, keys } = this.#shards.first
    return run(async () => (await readWorkers(redis, keys)).map(workerView))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#shards.all.map((parts) => parts.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new FluxMailError('closed', closedMessage)
  }
}
