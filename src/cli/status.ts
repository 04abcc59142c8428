// `fluxmail status`: the lanes, one batch, or one delivery.

import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { batchLines, deliveryLines, laneLines } from './status-lines.js'

export interface StatusOptions extends QueueOptions {
  readonly batch?: string
  readonly delivery?: string
  readonly json?: boolean
}

export async function status(options: StatusOptions, context: Context): Promise<ExitCode> {
  if (options.batch !== undefined && options.delivery !== undefined) {
    throw new UsageError('--batch and --delivery do not go together: ask for one of them')
  }
  await using queue = openQueue(options, context.env)
  if (options.batch !== undefined)
    return show(await queue.batch(options.batch).status(), batchLines, options, context)
  if (options.delivery !== undefined)
    return show(await queue.delivery(options.delivery), deliveryLines, options, context)
  return show(await queue.status(), laneLines, options, context)
}

function show<T>(
  value: T,
  linesOf: (value: T, context: Context) => string[],
  { json }: StatusOptions,
  context: Context,
): ExitCode {
  const lines = json ? [JSON.stringify(value)] : linesOf(value, context)
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}
