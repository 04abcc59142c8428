// MailQueue: the way in. What it has acknowledged is in Redis; a crash of the caller loses nothing of it.

import { z } from 'zod'
import { type Clock, parseClock } from './clock.js'
import { defaultLanes, durability, name as laneName, parseConfig } from './config.js'
import { type BatchContent, bundleBatchContent } from './content/batch-content.js'
import { readFileLimited } from './content/read-file.js'
import { FluxMailError, guarded } from './errors.js'
import { Email } from './message/email.js'
import type { AddressInput } from './message/email-parts.js'
import { RawMessage } from './message/raw-message.js'
import { type Afterwards, createAfterwards } from './queue/afterwards.js'
import type { Batch } from './queue/batch.js'
import type { BatchStatus } from './queue/batch-status.js'
import { type BatchesOptions, type BatchViews, createBatchViews } from './queue/batch-views.js'
import { createDeliveries, type Deliveries } from './queue/deliveries.js'
import type { DeliveryRecord } from './queue/delivery-record.js'
import { type EnqueueOptions, enqueueEmail, type Receipt } from './queue/enqueue.js'
import { type BatchOptions, enqueueRows } from './queue/enqueue-batch.js'
import type { DeliveryExplanation } from './queue/explain.js'
import type { BatchExplanation } from './queue/explain-batch.js'
import type { FailureFilter } from './queue/failure-filter.js'
import type { Failures } from './queue/failures.js'
import { type ForgetOptions, type Forgotten, forgetAddress } from './queue/forget.js'
import { createLaneQueues, type LaneQueues } from './queue/lane-queues.js'
import { type LaneStatus, readLaneStatus } from './queue/lane-status.js'
import { parseBatchOptions, parseEnqueueOptions, ttlSeconds } from './queue/options.js'
import {
  type DeliveryOutcome,
  type OutcomesOptions,
  parseOutcomesOptions,
  readOutcomes,
} from './queue/outcomes.js'
import type { ReplayOptions, ReplayResult } from './queue/replay.js'
import type { ResolvedAs } from './queue/resolve.js'
import { Suppressions } from './queue/suppressions.js'
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
import { type ChunkStore, createChunkStore } from './store/chunks.js'
import { type ContentStore, createContentStore } from './store/contents.js'
import { createLedger, type Ledger } from './store/ledger.js'
import { createOutcomeStream, type OutcomeStream } from './store/outcome-stream.js'
import { createReceiptStore, type ReceiptStore, receiptTtlSeconds } from './store/receipts.js'
import { type RelayStatus, readRelayStatus } from './store/relay-status.js'
import { createReplicas, type Replicas } from './store/replicas.js'
import { createRoom, type Room } from './store/room.js'
import { createSuppressionStore } from './store/suppressions.js'

export type { LaneStatus }

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
  readonly #chunks: ChunkStore
  readonly #deliveries: Deliveries
  readonly #ledger: Ledger
  readonly #receipts: ReceiptStore
  readonly #lanes: LaneQueues
  readonly #room: Room
  readonly #replicaRedis: Redis | undefined
  readonly #replicas: Replicas | undefined
  readonly #outcomes: OutcomeStream
  readonly #afterwards: Afterwards
  readonly #views: BatchViews
  /** The addresses and domains that nothing is sent to. */
  readonly suppressions: Suppressions
  readonly #limits: z.output<typeof limitsSchema>
  readonly #connect: () => Redis
  readonly #closing = new AbortController()

  /** @throws FluxMailError `invalid_config` */
  constructor(options: MailQueueOptions) {
    const { redis, name, clock, limits } = readOptions(options)
    this.#limits = limits
    this.#connect = () => createRedis(redis, 'worker')
    this.#redis = createRedis(redis, 'producer')
    this.#keys = keysOf(checkName(name))
    this.#clock = parseClock(clock)
    this.#contents = createContentStore(this.#redis, this.#keys)
    this.#batches = createBatchStore(this.#redis, this.#keys)
    this.#chunks = createChunkStore(this.#redis, this.#keys)
    this.#ledger = createLedger(this.#redis, this.#keys)
    this.#receipts = createReceiptStore(this.#redis, this.#keys)
    this.#outcomes = createOutcomeStream(this.#redis, this.#keys)
    this.#lanes = createLaneQueues(this.#redis, this.#keys, limits.lanes)
    if (limits.durability === 'replicated') {
      this.#replicaRedis = createRedis(redis, 'producer')
      this.#replicas = createReplicas(this.#replicaRedis, this.#keys)
    }
    this.#room = createRoom(this.#redis, this.#clock)
    const run = <T>(command: () => Promise<T>) => this.#withRedis(command)
    const shared = {
      lanes: this.#lanes,
      batches: this.#batches,
      chunks: this.#chunks,
      ledger: this.#ledger,
      clock: this.#clock,
    }
    this.#views = createBatchViews({
      ...shared,
      redis: this.#redis,
      keys: this.#keys,
      replicas: this.#replicas,
      surroundings: () => this.#afterwards.surroundings,
      run,
    })
    const suppressed = createSuppressionStore(this.#redis, this.#keys)
    this.suppressions = new Suppressions({ store: suppressed, clock: this.#clock, run })
    this.#deliveries = createDeliveries(shared)
    this.#afterwards = this.#createAfterwards(name)
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
   * stored; one may bring `attachments` of its own. If `rows` throws, what was acknowledged stays; calling again with the same `batchId` and rows goes on.
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
    return this.#views.handle(id)
  }

  /**
   * Batches and how they stand, newest first.
   *
   * @throws FluxMailError `invalid_params`, `queue_unavailable`
   */
  batches(options: BatchesOptions = {}): Promise<BatchStatus[]> {
    return this.#views.list(options)
  }

  /**
   * What is known of one delivery.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async delivery(id: string): Promise<DeliveryRecord> {
    return this.#withRedis(() => this.#deliveries.describe(id))
  }

  /**
   * Cancels one delivery unless it has been settled or is on the wire; its outcome is then `skipped`, or `unknown`
   * where an earlier attempt may have been accepted.
   * Resolves to whether it was cancelled.
   *
   * @throws FluxMailError `delivery_not_found`, `queue_unavailable`
   */
  async cancel(id: string): Promise<boolean> {
    return this.#withRedis(() => this.#deliveries.cancel(id))
  }

  /** Deliveries that failed or are unknown, one by one, or counted in groups of alike replies. */
  failures(filter: FailureFilter = {}): Failures {
    return this.#afterwards.failures(filter)
  }

  /**
   * Makes deliveries that failed pending again, each in one transaction, with their attempts begun anew; one that was
   * sent never is. Interrupted, it loses nothing, and the same call again goes on with the rest.
   *
   * @throws FluxMailError `invalid_params`, `batch_not_found`, `queue_full`, `queue_unavailable`; for deliveries named
   * by id `delivery_not_found` and `not_replayable`
   */
  replay(filter: FailureFilter, options: ReplayOptions = {}): Promise<ReplayResult> {
    return this.#afterwards.replay(filter, options)
  }

  /**
   * Says of an unknown delivery whether it was sent.
   *
   * @throws FluxMailError `invalid_params`, `delivery_not_found`, `not_unknown`, `queue_unavailable`
   */
  resolve(id: string, verdict: ResolvedAs): Promise<void> {
    return this.#afterwards.resolve(id, verdict)
  }

  /**
   * Why a delivery or a batch is where it is: what it waits for by name, its attempts, its place and its ETA.
   *
   * @throws FluxMailError `invalid_params`, `delivery_not_found`, `batch_not_found`, `queue_unavailable`
   */
  explain(id: string): Promise<DeliveryExplanation | BatchExplanation> {
    return this.#afterwards.explain(id)
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

  /**
   * Erases what is kept about an address: its deliveries that wait are skipped as `forgotten`, those that are over, with
   * failures, outcomes and receipts that name it, are gone. Counts stay. A suppression of it stays as a digest. What is
   * enqueued to it afterwards is not looked at.
   *
   * @throws FluxMailError `invalid_email`, `no_email`, `invalid_params`, `queue_unavailable`
   */
  async forget(address: string, options: ForgetOptions = {}): Promise<Forgotten> {
    const context = { ...this.#context(), redis: this.#redis, keys: this.#keys, ledger: this.#ledger }
    return this.#withRedis(() => forgetAddress(context, address, options))
  }

  /** Counts of each lane. */
  async status(): Promise<LaneStatus[]> {
    return this.#withRedis(() => readLaneStatus(this.#redis, this.#keys, this.#lanes))
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

  #createAfterwards(name: string): Afterwards {
    return createAfterwards({
      redis: this.#redis,
      keys: this.#keys,
      queues: this.#lanes,
      room: this.#room,
      clock: this.#clock,
      name,
      run: (command) => this.#withRedis(command),
      ledger: this.#ledger,
      find: (id) => this.#deliveries.find(id),
      describe: (id) => this.#deliveries.describe(id),
      statusOf: (id) => this.batch(id).status(),
    })
  }

  #context() {
    return {
      contents: this.#contents,
      receipts: this.#receipts,
      batches: this.#batches,
      chunks: this.#chunks,
      lanes: this.#lanes,
      room: this.#room,
      clock: this.#clock,
      maxAttachmentBytes: this.#limits.maxAttachmentBytes,
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

function readOptions(options: MailQueueOptions) {
  if (typeof options !== 'object' || options === null) {
    throw new FluxMailError('invalid_config', 'new MailQueue({ redis }) needs options')
  }
  const {
    redis = defaultRedisUrl,
    name = defaultName,
    clock,
    ...others
  } = guarded('invalid_config', 'the options of MailQueue', () => ({ ...options }))
  const where = 'the configuration of the queue'
  return { redis, name, clock, limits: parseConfig(limitsSchema, others, where, ['redis', 'name', 'clock']) }
}
