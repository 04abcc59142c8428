// The options of enqueue and enqueueBatch, checked before anything is stored.

import { z } from 'zod'
import { name, readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import type { EnqueueOptions } from './enqueue.js'
import type { BatchOptions } from './enqueue-batch.js'
import { sendWindowSchema } from './send-window-option.js'

const instant = z.date('must be a Date')

const shared = {
  lane: name.optional(),
  route: name.optional(),
  sendAt: instant.optional(),
  expiresAt: instant.optional(),
  sendWindow: sendWindowSchema.optional(),
}
/** Redis takes larger ones too; a century is meant by nobody. */
export const ttlSeconds = z
  .number()
  .int()
  .min(1)
  .max(100 * 365 * 86_400)

const enqueueSchema = z.strictObject({
  ...shared,
  idempotencyKey: z.string().min(1).max(512).optional(),
  idempotencyTtlSeconds: ttlSeconds.optional(),
})
const batchSchema = z.strictObject({
  ...shared,
  batchId: name.optional(),
  priority: z.number().int().min(1).max(100).optional(),
  onReject: z
    .custom<BatchOptions['onReject']>((value) => typeof value === 'function', 'must be a function')
    .optional(),
})

/** @throws FluxMailError `invalid_params` */
export function parseEnqueueOptions(options: EnqueueOptions, lanes: readonly string[]): EnqueueOptions {
  return parse(enqueueSchema, options, lanes)
}

/** @throws FluxMailError `invalid_params` */
export function parseBatchOptions(options: BatchOptions, lanes: readonly string[]): BatchOptions {
  return parse(batchSchema, options, lanes)
}

function parse<S extends z.ZodType<{ lane?: string | undefined }>>(
  schema: S,
  options: unknown,
  lanes: readonly string[],
): z.output<S> {
  const read = readWith(schema, options, { code: 'invalid_params', where: 'options' })
  if ('problems' in read) {
    const { problems } = read
    throw new FluxMailError('invalid_params', `enqueueing: ${problems.join('; ')}`, { details: { problems } })
  }
  const { lane } = read.data
  if (lane === undefined || lanes.includes(lane)) return read.data
  throw new FluxMailError('invalid_params', `lane: there is no lane ${lane}; there are ${lanes.join(', ')}`)
}
