// `fluxmail batch pause` and `resume`.

import { hostname, userInfo } from 'node:os'
import type { BatchStatus } from '../queue/batch-status.js'
import { countOf, wrap } from '../terminal/text.js'
import { stopTexts } from './batch-state.js'
import { type Context, columnsOf, type ExitCode, exitCodes, say } from './context.js'
import { openQueue, type QueueOptions } from './open-queue.js'

export interface BatchOptions extends QueueOptions {
  readonly id: string
  readonly json?: boolean
}

export interface BatchStopOptions extends BatchOptions {
  readonly reason?: string
  readonly by?: string
}

export async function pauseBatch(options: BatchStopOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const batch = queue.batch(options.id)
  const changed = await batch.pause({ reason: options.reason, by: options.by ?? whoAsks() })
  const status = await batch.status()
  if (options.json) return sayJson(context, changed, status)
  const waiting = countOf(status.pending, 'delivery waits', 'deliveries wait')
  const lines = changed
    ? [
        `batch ${batch.id} is paused; ${waiting}`,
        'only what a relay was being handed just then still goes out',
        `to go on: fluxmail batch resume ${batch.id}`,
      ]
    : [`batch ${batch.id} stays as it was: ${stopTexts(status).join('')}`]
  return sayLines(context, lines)
}

export async function resumeBatch(options: BatchOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const batch = queue.batch(options.id)
  const changed = await batch.resume()
  const status = await batch.status()
  if (options.json) return sayJson(context, changed, status)
  const pending = countOf(status.pending, 'delivery is', 'deliveries are')
  const head = changed ? `batch ${batch.id} goes on` : `batch ${batch.id} was not paused`
  const watch = status.pending > 0 ? [`to look on: fluxmail watch ${batch.id}`] : []
  return sayLines(context, [`${head}; ${pending} pending`, ...watch])
}

/** The account and the machine, as a colleague knows them. */
export function whoAsks(): string {
  try {
    return `${userInfo().username}@${hostname()}`.slice(0, 200)
  } catch {
    // There are accounts without a name.
    return hostname()
  }
}

/** The status as it is now, and whether the command changed anything. */
export function sayJson({ stdout }: Context, changed: boolean, status: BatchStatus): ExitCode {
  say(stdout, JSON.stringify({ ...status, changed }))
  return exitCodes.done
}

export function sayLines({ stdout }: Context, lines: readonly string[]): ExitCode {
  for (const line of lines.flatMap((text) => wrap(text, columnsOf(stdout)))) say(stdout, line)
  return exitCodes.done
}
