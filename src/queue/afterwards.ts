// What is asked of deliveries after they were enqueued: which failed and why, once more, what nobody knows, what they
// wait for. It wires the parts of MailQueue that answer.

import type { Job } from 'bullmq'
import type { Clock } from '../clock.js'
import type { Keys, Redis } from '../redis.js'
import type { Entry, Ledger } from '../store/ledger.js'
import { createReopenStore } from '../store/reopen.js'
import { createResolver } from '../store/resolve.js'
import type { Room } from '../store/room.js'
import { createSuppressionStore } from '../store/suppressions.js'
import { type BatchSurroundings, lookAround } from './batch-progress.js'
import type { BatchStatus } from './batch-status.js'
import { type DeliveryRecord, factsOf } from './delivery-record.js'
import { type DeliveryExplanation, type ExplainContext, explainDelivery } from './explain.js'
import {
  type BatchExplanation,
  checkExplained,
  type ExplainBatchContext,
  explainBatch,
} from './explain-batch.js'
import { type FailureFilter, parseFailureFilter } from './failure-filter.js'
import { Failures, readFailures } from './failures.js'
import type { LaneQueues } from './lane-queues.js'
import type { RelayLimitStatus } from './limit-status.js'
import { deliveryOf, entryOf, isDeliveryId, parsePayload } from './payload.js'
import {
  parseReplayOptions,
  type ReplayContext,
  type ReplayOptions,
  type ReplayResult,
  replayFailures,
} from './replay.js'
import { parseResolvedAs, type ResolvedAs, resolveDelivery } from './resolve.js'

export interface AfterwardsContext {
  readonly redis: Redis
  readonly keys: Keys
  readonly queues: LaneQueues
  readonly room: Room
  readonly ledger: Pick<Ledger, 'claim'>
  readonly clock: Clock
  readonly fleet: ExplainContext['fleet']
  /** What our keys begin with; of all shards that of the first. */
  readonly name: string
  /** Runs what talks to Redis. */
  run<T>(command: () => Promise<T>): Promise<T>
  /** Runs what writes, and resolves once it is as durable as the queue was told to be. */
  store<T>(write: () => Promise<T>): Promise<T>
  limits(): Promise<readonly RelayLimitStatus[]>
  /** As far as it is known without asking. */
  providerOf(address: string): string
  describe(id: string): Promise<DeliveryRecord>
  statusOf(batchId: string): Promise<BatchStatus>
  /** @throws FluxMailError `delivery_not_found` */
  find(id: string): Promise<{ readonly lane: string; readonly job: Job; readonly entry: Entry }>
}

export interface Afterwards {
  failures(filter: FailureFilter): Failures
  /** `isPart`: the filter was split, and what it names is looked for by others too. */
  replay(filter: FailureFilter, options: ReplayOptions, isPart?: boolean): Promise<ReplayResult>
  resolve(id: string, verdict: ResolvedAs): Promise<void>
  explain(id: string): Promise<DeliveryExplanation | BatchExplanation>
  readonly surroundings: BatchSurroundings
}

export function createAfterwards(context: AfterwardsContext): Afterwards {
  const { redis, keys, queues, clock, run, find } = context
  const { lanes } = queues
  const reopen = createReopenStore(redis, keys)
  const suppressed = createSuppressionStore(redis, keys)
  const replaying: ReplayContext = {
    ...context,
    lanes,
    reopen,
    now: () => clock.now(),
    laneOf: async (id) => (await queues.find(id))?.lane,
    isSuppressed: (address) => suppressed.covers(address, clock.now()),
    checkRoom: () => context.room.check(),
  }
  const resolve = createResolver(redis, keys)
  const failures = (filter: FailureFilter) => {
    const parsed = parseFailureFilter(filter, lanes, 'failures')
    return new Failures(() => readFailures(replaying, parsed))
  }
  const explaining: ExplainBatchContext = {
    ...context,
    reopen,
    now: () => clock.now(),
    async findJob(id) {
      const found = await queues.find(id)
      return found && { ...found, entry: entryOf({ id, lane: found.lane }, parsePayload(found.job.data)) }
    },
    groupsOf: (batch) => failures({ batch }).groups(),
  }
  return {
    failures,
    surroundings: {
      look: (status) => run(() => lookAround(explaining, status)),
      groups: (batch) => failures({ batch }).groups(),
    },
    async explain(id) {
      const checked = checkExplained(id)
      return run<DeliveryExplanation | BatchExplanation>(() =>
        isDeliveryId(checked) ? explainDelivery(explaining, checked) : explainBatch(explaining, checked),
      )
    },
    async replay(filter, options, isPart) {
      const parsed = parseReplayOptions(options)
      return replayFailures(replaying, parseFailureFilter(filter, lanes, 'replay'), { ...parsed, isPart })
    },
    async resolve(id, verdict) {
      const checked = parseResolvedAs(verdict)
      await context.store(async () => {
        const { job, lane, entry } = await find(id)
        const { recipient, createdAt } = deliveryOf(factsOf(job, lane), job.timestamp)
        const facts = { recipient: recipient.address, enqueuedAt: createdAt }
        await resolveDelivery(resolve, { entry, verdict: checked, ...facts })
      })
    },
  }
}
