// `fluxmail replay`: deliveries that failed are tried once more, from their first attempt on.

import type { ReplayResult } from '../queue/replay.js'
import { type LeftReason, leftReasons } from '../store/reopen.js'
import { openProgress } from '../terminal/progress.js'
import { countOf, formatCount, wrap } from '../terminal/text.js'
import { type Context, columnsOf, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { groupLines } from './failure-lines.js'
import { type FilterOptions, filterOf } from './filter-flags.js'
import { openQueue, type QueueOptions } from './open-queue.js'

export interface ReplayCommandOptions extends QueueOptions, FilterOptions {
  readonly dryRun?: boolean
  readonly rate?: number
  readonly why?: string
  readonly includeUnknown?: boolean
  readonly json?: boolean
}

export async function replay(options: ReplayCommandOptions, context: Context): Promise<ExitCode> {
  const filter = filterOf(options)
  if (Object.keys(filter).length === 0)
    throw new UsageError(
      'say what is to be replayed: --batch, --lane, --code, --group, --relay, --domain, --since or --id',
    )
  const { dryRun, rate, why, includeUnknown, json } = options
  await using queue = openQueue(options, context.env)
  using progress = openProgress(context, { label: 'replaying', unit: 'deliveries' })
  const result = await queue.replay(filter, {
    dryRun,
    ratePerSecond: rate,
    why,
    includeUnknown,
    signal: context.signal,
    onProgress: (count) => progress.update({ count }),
  })
  progress[Symbol.dispose]()
  for (const line of json ? [JSON.stringify(result)] : linesOf(result, context)) say(context.stdout, line)
  return result.stopped ? exitCodes.interrupted : exitCodes.done
}

function linesOf(result: ReplayResult, context: Context): string[] {
  const { replayed, dryRun, groups, stopped } = result
  const counted = countOf(replayed, 'delivery', 'deliveries')
  const verb = replayed === 1 ? 'is' : 'are'
  const head = dryRun
    ? `${counted} would be replayed; nothing was changed`
    : `${counted} ${verb} pending again`
  const rest = stopped ? ['stopped; the same command again goes on with the rest'] : []
  const table = groups.length === 0 ? [] : ['', ...groupLines(groups, context)]
  const words = [head, ...rest, ...leftLines(result)].flatMap((line) => wrap(line, columnsOf(context.stdout)))
  return [...words, ...table]
}

const hints: Readonly<Record<string, string>> = {
  unknown: ' (--include-unknown)',
  suppressed: ' (fluxmail suppress remove)',
}

function leftLines({ left }: ReplayResult): string[] {
  return Object.entries(left).map(([reason, count]) => {
    const hint = hints[reason] ?? ''
    return `left as they are: ${formatCount(count)}, each of which ${leftReasons[reason as LeftReason]}${hint}`
  })
}
