// MailQueue: the way in. What it has acknowledged is in Redis; a crash of the caller loses nothing of it.

import { z } from 'zod'
import { type Clock, parseClock } from './clock.js'
import { defaultLanes, durability, name as laneName, parseConfig } from './config.js'
import { type BatchContent, bundleBatchContent } from './content/batch-content.js'
import { readFileLimited } from './content/read-file.js'
import { FluxMailError, guarded } from './errors.js'
import { Email } from './message/email.js'
import type { AddressInput } from './message/email-parts.js'
import { kindOf, quoted } from './message/field-error.js'
import { RawMessage } from './message/raw-message.js'
import { Batch, type BatchView } from './queue/batch.js'
import { cancellationOf, type DeliveryRecord, describeJob, isFinished } from './queue/delivery-record.js'
import { type EnqueueOptions, enqueueEmail, type Receipt } from './queue/enqueue.js'
import { type BatchOptions, enqueueRows } from './queue/enqueue-batch.js'
import { createLaneQueues, type LaneQueues } from './queue/lane-queues.js'
import { parseBatchOptions, parseEnqueueOptions, ttlSeconds } from './queue/options.js'
import {
  type DeliveryOutcome,
  type OutcomesOptions,
  parseOutcomesOptions,
  readOutcomes,
} from './queue/outcomes.js'
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
import { createOutcomeStream, type OutcomeStream } from './store/outcome-stream.js'
import { createReceiptStore, type ReceiptStore, receiptTtlSeconds } from './store/receipts.js'
import { type RelayStatus, readRelayStatus } from './store/relay-status.js'
import { createReplicas, type Replicas } from './store/replicas.js'
import { createRoom, type Room } from './store/room.js'

export interface MailQueueOptions {
  /** A `redis://` or `rediss://` URL, or ioredis options; default `redis://127.0.0.1:6379`. */
  redis?: RedisTarget | undefined
  /** What our keys in Redis begin with; default `fluxmail`. Workers must use the same. */
  name?: string | undefined
  /** The lanes that exist; default `transactional` and `bulk`. */
  lanes?: readonly string[] | undefined
  /** The attachments of one email together; default 25 MB. */
  maxAttachmentBytes?: number | undefined
  /** How long an idempotency key is remembered; default 86 400, a day. */
  idempotencyTtlSeconds?: number | undefined
  /** How long outcomes are kept for those who have not read them, set by each call of `outcomes`; default 604 800, a week. */
  outcomesTtlSeconds?: number | undefined
  /**
   * Default `primary`. With `replicated`, what is enqueued counts as acknowledged once a replica of Redis has it
   * (`WAIT 1`); where none says so within a second it is `queue_unavailable`, although the primary has it.
   */
  durability?: 'primary' | 'replicated' | undefined
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
  /** Further copies that may have been delivered, because an unknown was sent again. */
  readonly resent: number
  /** Observed: what the pending ones are doing. */
  readonly waiting: number
  readonly active: number
  readonly delayed: number
}

const closedMessage = 'this MailQueue was closed; create another one'

export const defaultMaxAttachmentBytes = 25 * 1024 * 1024

const outcomesTtlSeconds = 7 * 24 * 3600

const limitsSchema = z.strictObject({
  lanes: z.array(laneName).min(1).default(Object.keys(defaultLanes)),
  maxAttachmentBytes: z.number().int().min(1).default(defaultMaxAttachmentBytes),
  idempotencyTtlSeconds: ttlSeconds.default(receiptTtlSeconds),
  outcomesTtlSeconds: ttlSeconds.default(outcomesTtlSeconds),
  durability,
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
  readonly #room: Room
  readonly #replicaRedis: Redis | undefined
  readonly #replicas: Replicas | undefined
  readonly #outcomes: OutcomeStream
  readonly #limits: z.output<typeof limitsSchema>
  readonly #connect: () => Redis
  readonly #closing = new AbortController()

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
    this.#limits = limits
    this.#connect = () => createRedis(redis, 'worker')
    this.#redis = createRedis(redis, 'producer')
    this.#keys = keysOf(checkName(name))
    this.#clock = parseClock(clock)
    this.#contents = createContentStore(this.#redis, this.#keys)
    this.#batches = createBatchStore(this.#redis, this.#keys)
    this.#ledger = createLedger(this.#redis, this.#keys)
    this.#receipts = createReceiptStore(this.#redis, this.#keys)
    this.#outcomes = createOutcomeStream(this.#redis, this.#keys)
    this.#lanes = createLaneQueues(this.#redis, this.#keys, limits.lanes)
    if (limits.durability === 'replicated') {
      this.#replicaRedis = createRedis(redis, 'producer')
      this.#replicas = createReplicas(this.#replicaRedis, this.#keys)
    }
    this.#room = createRoom(this.#redis, this.#clock)
  }

  /**
   * Enqueues one email: a delivery for each address of To, Cc and Bcc, or of the envelope of a raw message.
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
    const checked = parseEnqueueOptions(options, this.#lanes.lanes)
    return this.#withRedis(async () => {
      const receipt = await enqueueEmail(this.#context(), email, checked)
      await this.#replicas?.confirm()
      return receipt
    })
  }

  /**
   * Enqueues one content to many recipients, and resolves once every row is acknowledged. Rows are read as they are
   * stored. If `rows` throws, what was acknowledged stays; calling again with the same `batchId` and rows goes on.
   *
   * @throws FluxMailError `invalid_params`, `template_error`, `css_inline_failed`, `batch_conflict`, `queue_full`,
   * `queue_unavailable`
   */
  async enqueueBatch<R extends { to: AddressInput }>(
    rows: Iterable<R> | AsyncIterable<R>,
    content: BatchContent,
    options: BatchOptions = {},
  ): Promise<Batch> {
    const checked = parseBatchOptions(options, this.#lanes.lanes)
    const bundle = bundleBatchContent(content, readFileLimited, this.#limits.maxAttachmentBytes)
    return this.#withRedis(async () => {
      const id = await enqueueRows(this.#context(), rows, bundle, checked)
      await this.#replicas?.confirm()
      return this.batch(id)
    })
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
      const { record, ended } = await this.#describe(id)
      // What ended while it was read has its reason now.
      return ended ? (await this.#describe(id)).record : record
    })
  }

  async #describe(id: string): Promise<{ record: DeliveryRecord; ended: boolean }> {
    const { job, lane, entry } = await this.#find(id)
    const record = await describeJob(job, lane, await this.#ledger.claim(entry), this.#clock.now())
    return { record, ended: job.finishedOn === undefined && (await isFinished(job)) }
  }

  /**
   * Cancels one delivery unless it has been settled or is on the wire; its outcome is then `skipped`, or `unknown`
   * where an earlier attempt may have been accepted.
   * Resolves to whether it was cancelled.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async cancel(id: string): Promise<boolean> {
    return this.#withRedis(async () => {
      const { job, lane, entry } = await this.#find(id)
      if (await isFinished(job)) return false
      const verdict = cancellationOf(job, lane)
      const { kind } = await this.#ledger.record(entry, verdict, { spareMarked: true })
      // The job stays and will be finished by whoever takes it next; a scheduled one need not wait for its time.
      if (kind === 'counted' && (await job.isDelayed())) await job.promote().catch(() => undefined)
      return kind === 'counted'
    })
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
    if (this.#closing.signal.aborted) throw new FluxMailError('closed', closedMessage)
    const context = {
      keys: this.#keys,
      stream: this.#outcomes,
      clock: this.#clock,
      keptSeconds: this.#limits.outcomesTtlSeconds,
      connect: this.#connect,
      run: <T>(command: () => Promise<T>) => this.#withRedis(command),
      closing: this.#closing.signal,
    }
    return readOutcomes(context, reading)
  }

  /**
   * Ends a group of `outcomes`; after the last one nothing is recorded any more. Resolves to whether there was one.
   *
   * @throws FluxMailError `invalid_params`, `queue_unavailable`
   */
  async endOutcomes(group: string): Promise<boolean> {
    const checked = parseOutcomesOptions({ group })
    return this.#withRedis(() => this.#outcomes.leave(checked.group))
  }

  /** Counts of each lane. */
  async status(): Promise<LaneStatus[]> {
    return this.#withRedis(() => Promise.all(this.#lanes.lanes.map((lane) => this.#laneStatus(lane))))
  }

  /** The relays that workers have or had within the last day: their circuits, and the senders that are held. */
  async relays(): Promise<RelayStatus[]> {
    return this.#withRedis(() => readRelayStatus(this.#redis, this.#keys))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#lanes.close()
    this.#redis.disconnect()
    this.#replicaRedis?.disconnect()
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
    const pending = accepted - ended.sent - ended.failed - ended.skipped - ended.unknown
    return { lane, accepted, ...ended, pending, resent: count('resent'), ...jobs }
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
      room: this.#room,
      idempotencyTtlSeconds: this.#limits.idempotencyTtlSeconds,
      now: () => this.#clock.now(),
    }
  }

  async #withRedis<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new FluxMailError('closed', closedMessage)
    await ready(this.#redis)
    try {
      return await run()
    } catch (cause) {
      throw unavailable(cause)
    }
  }
}
