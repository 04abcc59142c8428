// `fluxmail forget`: erases what is kept about one address. What would go is counted and shown before anybody is asked.

import type { Forgotten } from '../queue/forget.js'
import { countOf, formatCount, visible, wrap } from '../terminal/text.js'
import { type ConfirmOptions, confirm } from './confirm.js'
import { type Context, columnsOf, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { type Fact, factTable } from './table.js'

export interface ForgetCommandOptions extends QueueOptions, ConfirmOptions {
  readonly address: string
  readonly suppress?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

export async function forget(options: ForgetCommandOptions, context: Context): Promise<ExitCode> {
  const { address, suppress = false, json } = options
  await using queue = openQueue(options, context.env)
  if (options.dryRun) {
    const found = await queue.forget(address, { suppress, dryRun: true })
    return show(found, `what would be erased of ${visible(address)}; nothing was changed`, options, context)
  }
  // Who said --yes is not kept waiting for a count.
  if (!options.yes && context.stdin.isTTY && context.stderr.isTTY) {
    const found = await queue.forget(address, { suppress, dryRun: true })
    for (const line of linesOf(found, context)) say(context.stderr, line)
  }
  const question = `Erase what is kept about ${visible(address)}?`
  if (!(await confirm(question, options, context)))
    return context.signal.aborted ? exitCodes.interrupted : exitCodes.commandLine
  const gone = await queue.forget(address, { suppress })
  show(gone, `what was kept about ${visible(address)} is erased`, options, context)
  if (gone.active > 0 && !json)
    say(context.stderr, 'a worker has a delivery to it: run this again in a moment')
  return gone.active > 0 ? exitCodes.fluxMail : exitCodes.done
}

function show(found: Forgotten, head: string, { json }: ForgetCommandOptions, context: Context): ExitCode {
  const lines = json
    ? [JSON.stringify(found)]
    : [...wrap(head, columnsOf(context.stdout)), '', ...linesOf(found, context)]
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}

const facts: readonly (readonly [keyof Forgotten, name: string, note?: string])[] = [
  ['rows', 'rows in batches', 'counted as skipped, and not sent'],
  ['waiting', 'deliveries that wait', 'counted as skipped, and not sent'],
  ['finished', 'deliveries that are over'],
  ['failed', 'deliveries that failed', 'none of which can be replayed then'],
  ['errors', 'errors in lists of batches'],
  ['outcomes', 'outcomes', 'for those who read them'],
  ['receipts', 'receipts'],
  ['senders', 'holds of it as a sender'],
]

function linesOf(found: Forgotten, { stdout, env }: Context): string[] {
  const columns = columnsOf(stdout)
  const shown = facts.flatMap(([field, name, note]): Fact[] => {
    const value = Number(found[field])
    return value === 0 ? [] : [{ name, value: formatCount(value), ...(note ? { note } : {}) }]
  })
  const table = shown.length === 0 ? ['nothing'] : factTable(shown, columns, paintFor(stdout, env))
  return [...table, ...leftLines(found).flatMap((line) => wrap(line, columns))]
}

function leftLines({ active, contents, suppressed }: Forgotten): string[] {
  return [
    ...(active > 0 ? [`left: ${countOf(active, 'delivery', 'deliveries')} that a worker has just now`] : []),
    ...(contents > 0
      ? [
          `left: ${countOf(contents, 'email')} with other recipients who wait for it; the last of them ends it`,
        ]
      : []),
    ...(suppressed ? ['kept: a digest of it, by which nothing is sent to it'] : []),
  ]
}
