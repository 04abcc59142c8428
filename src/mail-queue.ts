// MailQueue: the way in. What it has acknowledged is in Redis; a crash of the caller loses nothing of it.

import { z } from 'zod'
import { type Clock, parseClock } from './clock.js'
import { defaultLanes, name as laneName, parseConfig } from './config.js'
import { type BatchContent, bundleBatchContent } from './content/batch-content.js'
import { readFileLimited } from './content/read-file.js'
import { FluxMailError, guarded } from './errors.js'
import { Email } from './message/email.js'
import type { AddressInput } from './message/email-parts.js'
import { kindOf, quoted } from './message/field-error.js'
import { RawMessage } from './message/raw-message.js'
import { Batch, type BatchView } from './queue/batch.js'
import { type DeliveryRecord, describeJob, isFinished } from './queue/delivery-record.js'
import { type EnqueueOptions, enqueueEmail, type Receipt } from './queue/enqueue.js'
import { type BatchOptions, enqueueRows } from './queue/enqueue-batch.js'
import { createLaneQueues, type LaneQueues } from './queue/lane-queues.js'
import { parseBatchOptions, parseEnqueueOptions } from './queue/options.js'
import { entryOf, isDeliveryId, parsePayload } from './queue/payload.js'
import {
  checkName,
  createRedis,
  defaultName,
  defaultRedisUrl,
  type Keys,
  keysOf,
  type Redis,
  type RedisTarget,
  ready,
  unavailable,
} from './redis.js'
import { type BatchStore, createBatchStore } from './store/batches.js'
import { type ContentStore, createContentStore } from './store/contents.js'
import { createLedger, type Ledger } from './store/ledger.js'
import { createReceiptStore, type ReceiptStore } from './store/receipts.js'

export interface MailQueueOptions {
  /** A `redis://` or `rediss://` URL, or ioredis options; default `redis://127.0.0.1:6379`. */
  redis?: RedisTarget | undefined
  /** What our keys in Redis begin with; default `fluxmail`. Workers must use the same. */
  name?: string | undefined
  /** The lanes that exist; default `transactional` and `bulk`. */
  lanes?: readonly string[] | undefined
  /** The attachments of one email together; default 25 MB. */
  maxAttachmentBytes?: number | undefined
  clock?: Clock | undefined
}

export interface LaneStatus {
  readonly lane: string
  /** Exact: deliveries acknowledged, and how they ended. */
  readonly accepted: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly unknown: number
  readonly pending: number
  /** Observed: what the pending ones are doing. */
  readonly waiting: number
  readonly active: number
  readonly delayed: number
}

export const defaultMaxAttachmentBytes = 25 * 1024 * 1024

const limitsSchema = z.strictObject({
  lanes: z.array(laneName).min(1).default(Object.keys(defaultLanes)),
  maxAttachmentBytes: z.number().int().min(1).default(defaultMaxAttachmentBytes),
})

/** Enqueues emails and batches. One instance serves any number of concurrent callers. */
export class MailQueue {
  readonly #redis: Redis
  readonly #keys: Keys
  readonly #clock: Clock
  readonly #contents: ContentStore
  readonly #batches: BatchStore
  readonly #ledger: Ledger
  readonly #receipts: ReceiptStore
  readonly #lanes: LaneQueues
  readonly #maxAttachmentBytes: number
  #closed = false

  /** @throws FluxMailError `invalid_config` */
  constructor(options: MailQueueOptions) {
    if (typeof options !== 'object' || options === null) {
      throw new FluxMailError('invalid_config', 'new MailQueue({ redis }) needs options')
    }
    const {
      redis = defaultRedisUrl,
      name = defaultName,
      clock,
      ...others
    } = guarded('invalid_config', 'the options of MailQueue', () => ({ ...options }))
    const limits = parseConfig(limitsSchema, others, 'the configuration of the queue', [
      'redis',
      'name',
      'clock',
    ])
    this.#redis = createRedis(redis, 'producer')
    this.#keys = keysOf(checkName(name))
    this.#clock = parseClock(clock)
    this.#contents = createContentStore(this.#redis, this.#keys)
    this.#batches = createBatchStore(this.#redis, this.#keys)
    this.#ledger = createLedger(this.#redis, this.#keys)
    this.#receipts = createReceiptStore(this.#redis, this.#keys)
    this.#lanes = createLaneQueues(this.#redis, this.#keys, limits.lanes)
    this.#maxAttachmentBytes = limits.maxAttachmentBytes
  }

  /**
   * Enqueues one email: a delivery for each address of To, Cc and Bcc, or of the envelope of a raw message.
   *
   * @throws FluxMailError `invalid_params`, `idempotency_conflict`, `outlook_no_async`, `queue_unavailable`
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
    const checked = parseEnqueueOptions(options, this.#lanes.lanes)
    return this.#withRedis(() => enqueueEmail(this.#context(), email, checked))
  }

  /**
   * Enqueues one content to many recipients, and resolves once every row is acknowledged. Rows are read as they are
   * stored. If `rows` throws, what was acknowledged stays; calling again with the same `batchId` and rows goes on.
   *
   * @throws FluxMailError `invalid_params`, `template_error`, `css_inline_failed`, `batch_conflict`, `queue_unavailable`
   */
  async enqueueBatch<R extends { to: AddressInput }>(
    rows: Iterable<R> | AsyncIterable<R>,
    content: BatchContent,
    options: BatchOptions = {},
  ): Promise<Batch> {
    const checked = parseBatchOptions(options, this.#lanes.lanes)
    const bundle = bundleBatchContent(content, readFileLimited, this.#maxAttachmentBytes)
    const id = await this.#withRedis(() => enqueueRows(this.#context(), rows, bundle, checked))
    return this.batch(id)
  }

  /** The handle of a batch; whether there is one is said by its methods. */
  batch(id: string): Batch {
    if (typeof id !== 'string') {
      throw new FluxMailError('invalid_params', `id: it is ${kindOf(id)}, not the id of a batch`)
    }
    const view: BatchView = {
      read: (batchId) => this.#withRedis(() => this.#batches.read(batchId)),
      failures: (batchId) => this.#withRedis(() => this.#batches.failures(batchId)),
      errors: (batchId) => this.#withRedis(() => this.#batches.errors(batchId)),
    }
    return new Batch(id, view, this.#clock)
  }

  /**
   * What is known of one delivery.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async delivery(id: string): Promise<DeliveryRecord> {
    return this.#withRedis(async () => {
      const { job, lane, entry } = await this.#find(id)
      return describeJob(job, lane, await this.#ledger.claim(entry), this.#clock.now())
    })
  }

  /**
   * Cancels one delivery unless it has been settled or is on the wire; its outcome is then `skipped`.
   * Resolves to whether it was cancelled.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async cancel(id: string): Promise<boolean> {
    return this.#withRedis(async () => {
      const { job, entry } = await this.#find(id)
      if (await isFinished(job)) return false
      const verdict = { outcome: 'skipped', json: 'skipped cancelled' } as const
      const standing = await this.#ledger.record(entry, verdict, { spareMarked: true })
      // The job stays and will be finished by whoever takes it next; a scheduled one need not wait for its time.
      if (standing.kind === 'free' && (await job.isDelayed())) await job.promote().catch(() => undefined)
      return standing.kind === 'free'
    })
  }

  /** Counts of each lane. */
  async status(): Promise<LaneStatus[]> {
    return this.#withRedis(() => Promise.all(this.#lanes.lanes.map((lane) => this.#laneStatus(lane))))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#lanes.close()
    this.#redis.disconnect()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #laneStatus(lane: string): Promise<LaneStatus> {
    const [counts, jobs] = await Promise.all([
      this.#redis.hgetall(this.#keys.laneCounts(lane)),
      this.#lanes.count(lane),
    ])
    const count = (field: string) => Number(counts[field] ?? 0)
    const ended = {
      sent: count('sent'),
      failed: count('failed'),
      skipped: count('skipped'),
      unknown: count('unknown'),
    }
    const accepted = count('accepted')
    // A delivery may be settled before its own enqueue has returned and counted it.
    const pending = Math.max(0, accepted - ended.sent - ended.failed - ended.skipped - ended.unknown)
    return { lane, accepted, ...ended, pending, ...jobs }
  }

  async #find(id: string) {
    const found = isDeliveryId(id) ? await this.#lanes.find(id) : undefined
    if (found === undefined) {
      throw new FluxMailError(
        'delivery_not_found',
        `there is no delivery ${quoted(id)}, or it was finished and has been removed`,
      )
    }
    const entry = entryOf({ id, lane: found.lane }, parsePayload(found.job.data))
    return { ...found, entry }
  }

  #context() {
    return {
      contents: this.#contents,
      receipts: this.#receipts,
      batches: this.#batches,
      lanes: this.#lanes,
      now: () => this.#clock.now(),
    }
  }

  async #withRedis<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new FluxMailError('closed', 'this MailQueue was closed; create another one')
    await ready(this.#redis)
    try {
      return await run()
    } catch (cause) {
      throw unavailable(cause)
    }
  }
}
