// `fluxmail suppress import`: many addresses and domains from a file. To import it again changes nothing.

import type { MailQueue } from '../mail-queue.js'
import type { SuppressionImport, SuppressionInput } from '../queue/suppressions.js'
import { openProgress, type Progress } from '../terminal/progress.js'
import { countOf, formatCount } from '../terminal/text.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import type { Encoding } from './import/decode.js'
import { BrokenRow } from './import/item.js'
import { LinesOfRows } from './import/lines-of-rows.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { Rejects, sayRejects } from './rejects.js'
import { type SuppressTermOptions, termOf } from './suppress.js'
import { openSuppressFile, type SuppressFile } from './suppress-file.js'

export interface SuppressImportOptions extends QueueOptions, SuppressTermOptions {
  readonly file: string
  readonly encoding?: Encoding
  readonly delimiter?: string
  readonly toColumn?: string
  readonly rejects?: string
  readonly maxRejects?: number
  readonly json?: boolean
}

export async function importSuppressions(
  options: SuppressImportOptions,
  context: Context,
): Promise<ExitCode> {
  const { stdin, stdout, stderr, signal } = context
  const term = termOf(options)
  using rejects = new Rejects({
    file: options.rejects,
    max: options.maxRejects,
    fault: 'cannot be taken',
  })
  await using queue = openQueue(options, context.env)
  using progress = openProgress(context, { label: 'importing', unit: 'entries' })
  await using file = await openSuppressFile(options.file, {
    ...options,
    stdin,
    signal,
    onLatin1() {
      const show = progress.hide()
      say(stderr, `${options.file} is not UTF-8: read as Latin-1 (--encoding utf-8 insists)`)
      show()
    },
  })
  const count = await importAll({ queue, file, rejects, progress, term, signal })
  progress[Symbol.dispose]()
  sayRejects(context, rejects, file.name, options.rejects)
  const all = { ...count, rejected: rejects.count }
  say(stdout, options.json ? JSON.stringify(all) : textOf(all))
  if (signal.aborted) say(stderr, 'stopped; the same command again imports the rest')
  if (signal.aborted) return exitCodes.interrupted
  return all.added + all.replaced > 0 ? exitCodes.done : exitCodes.commandLine
}

interface Import {
  readonly queue: MailQueue
  readonly file: SuppressFile
  readonly rejects: Rejects
  readonly progress: Progress
  readonly term: ReturnType<typeof termOf>
  readonly signal: AbortSignal
}

async function importAll(job: Import): Promise<SuppressionImport> {
  const lines = new LinesOfRows()
  return job.queue.suppressions.importMany(entriesIn(job, lines), {
    ...job.term,
    onReject: (entry, { message }, index) =>
      job.rejects.add({
        line: lines.of(index),
        reason: message.replace(/^address: /, ''),
        text: textIn(entry),
      }),
  })
}

function textIn(entry: unknown): string {
  return typeof entry === 'string' ? entry : String((entry as { address?: unknown }).address)
}

async function* entriesIn(
  { file, rejects, progress, signal }: Import,
  lines: LinesOfRows,
): AsyncGenerator<SuppressionInput, void, void> {
  let count = 0
  async function read() {
    try {
      return await file.read()
    } catch (error) {
      // Ctrl-C has ended the reading; what was read before it is imported.
      if (signal.aborted) return undefined
      throw error
    }
  }
  for (let items = await read(); items !== undefined; items = await read()) {
    for (const item of items) {
      if (signal.aborted) return
      if (item instanceof BrokenRow) {
        rejects.add(item)
        continue
      }
      lines.add(item.line)
      yield item.entry
    }
    count += items.length
    const { share } = file
    progress.update(share === undefined ? { count } : { share, count })
  }
}

function textOf({ added, replaced }: SuppressionImport): string {
  const known = replaced > 0 ? `, and ${formatCount(replaced)} that were there before` : ''
  return `${countOf(added, 'new suppression')}${known}`
}
