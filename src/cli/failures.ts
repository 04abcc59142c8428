// `fluxmail failures`: the deliveries that failed or are unknown, in groups of alike replies, or each on a line.

import { countOf } from '../terminal/text.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { csvHead, csvOf, groupLines } from './failure-lines.js'
import { type FilterOptions, filterOf } from './filter-flags.js'
import { openQueue, type QueueOptions } from './open-queue.js'

export interface FailuresOptions extends QueueOptions, FilterOptions {
  readonly unknown?: boolean
  readonly json?: boolean
  readonly csv?: boolean
}

export async function failures(options: FailuresOptions, context: Context): Promise<ExitCode> {
  if (options.json && options.csv) throw new UsageError('--json and --csv do not go together')
  const { stdout, signal } = context
  await using queue = openQueue(options, context.env)
  const asked = options.unknown ? ({ outcome: 'unknown' } as const) : {}
  const found = queue.failures({ ...filterOf(options), ...asked })
  if (options.csv) {
    say(stdout, csvHead)
    for await (const failure of found) {
      if (signal.aborted) return exitCodes.interrupted
      say(stdout, csvOf(failure))
    }
    return exitCodes.done
  }
  const groups = await found.groups()
  const lines = options.json ? [JSON.stringify(groups)] : linesOf(groups, context)
  for (const line of lines) say(stdout, line)
  return exitCodes.done
}

function linesOf(groups: Parameters<typeof groupLines>[0], context: Context): string[] {
  if (groups.length === 0) return ['no delivery failed or is unknown']
  const count = groups.reduce((sum, group) => sum + group.count, 0)
  const head = `${countOf(count, 'delivery', 'deliveries')} in ${countOf(groups.length, 'group')}`
  return [head, '', ...groupLines(groups, context)]
}
