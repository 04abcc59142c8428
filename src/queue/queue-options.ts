// What a MailQueue is told: where Redis is, what its keys begin with, which lanes there are, and its limits.

import { z } from 'zod'
import type { Clock } from '../clock.js'
import { defaultLanes, durability, name as laneName, parseConfig, shardCount } from '../config.js'
import { FluxMailError, guarded } from '../errors.js'
import { checkName, defaultName, defaultRedisUrl, type RedisTarget } from '../redis.js'
import { receiptTtlSeconds } from '../store/receipts.js'
import { layoutProblem } from '../store/shard-layout.js'
import { ttlSeconds } from './options.js'

export interface MailQueueOptions {
  /** Where Redis is, as a URL or as options; default `redis://127.0.0.1:6379`. */
  redis?: RedisTarget | undefined
  /** What our keys in Redis begin with; default `fluxmail`. Workers must use the same. */
  name?: string | undefined
  /** The lanes that exist; default `transactional` and `bulk`. */
  lanes?: readonly string[] | undefined
  /**
   * Over how many places in Redis the lanes are spread, so that on a cluster their mail is with several masters: lane
   * number i is in place i mod `shards`. Default 1. Workers must have the same number, and the same order of lanes.
   */
  shards?: number | undefined
  /** The attachments of one email together; default 25 MB. */
  maxAttachmentBytes?: number | undefined
  /** How long an idempotency key is remembered; default 86 400, a day. */
  idempotencyTtlSeconds?: number | undefined
  /** How long outcomes are kept for those who have not read them, set by each call of `outcomes`; default 604 800, a week. */
  outcomesTtlSeconds?: number | undefined
  /**
   * Default `primary`. With `replicated`, what is enqueued, cancelled, suppressed, resolved or forgotten counts as
   * acknowledged once a replica of Redis has it (`WAIT 1`); where none says so within a second, or the primary may have
   * been replaced meanwhile, it is `queue_unavailable`, although a primary has it.
   */
  durability?: 'primary' | 'replicated' | undefined
  clock?: Clock | undefined
}

export const defaultMaxAttachmentBytes = 25 * 1024 * 1024

const outcomesTtlSeconds = 7 * 24 * 3600

const limitsSchema = z
  .strictObject({
    shards: shardCount,
    lanes: z.array(laneName).min(1).default(Object.keys(defaultLanes)),
    maxAttachmentBytes: z.number().int().min(1).default(defaultMaxAttachmentBytes),
    idempotencyTtlSeconds: ttlSeconds.default(receiptTtlSeconds),
    outcomesTtlSeconds: ttlSeconds.default(outcomesTtlSeconds),
    durability,
  })
  .superRefine((limits, context) => {
    const message = layoutProblem(limits)
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['shards'], message })
  })

export type QueueLimits = z.output<typeof limitsSchema>

/** @throws FluxMailError `invalid_config` */
export function readOptions(options: MailQueueOptions) {
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
  return {
    redis,
    name: checkName(name),
    clock,
    limits: parseConfig(limitsSchema, others, where, ['redis', 'name', 'clock']),
  }
}
