// `fluxmail status`: the lanes, one batch, one delivery, or the relays.

import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { relayLines, troubleLines } from './relay-lines.js'
import { batchLines, deliveryLines, laneLines } from './status-lines.js'

export interface StatusOptions extends QueueOptions {
  readonly batch?: string
  readonly delivery?: string
  readonly relays?: boolean
  readonly json?: boolean
}

export async function status(options: StatusOptions, context: Context): Promise<ExitCode> {
  const asked = [options.batch, options.delivery, options.relays].filter((each) => each !== undefined)
  if (asked.length > 1)
    throw new UsageError('--batch, --delivery and --relays do not go together: ask for one of them')
  await using queue = openQueue(options, context.env)
  if (options.batch !== undefined)
    return show(await queue.batch(options.batch).status(), batchLines, options, context)
  if (options.delivery !== undefined)
    return show(await queue.delivery(options.delivery), deliveryLines, options, context)
  if (options.relays) return show(await queue.relays(), relayLines, options, context)
  const [lanes, relays] = await Promise.all([queue.status(), queue.relays()])
  // As JSON it is the lanes alone, so that it stays an array of one kind.
  const linesOf = () => [...laneLines(lanes, context), ...troubleLines(relays, context)]
  return show(lanes, linesOf, options, context)
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
