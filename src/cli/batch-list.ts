// `fluxmail batch list`: all batches, the newest first, and how far each of them is.

import { systemClock } from '../clock.js'
import type { BatchStatus } from '../queue/batch-status.js'
import { formatCount, padEnd, padStart, widthOf } from '../terminal/text.js'
import { percentOf, stateOf, stateStyles } from './batch-state.js'
import { type Context, columnsOf, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { instant } from './status-lines.js'

export interface BatchListOptions extends QueueOptions {
  readonly active?: boolean
  readonly limit?: number
  readonly json?: boolean
}

const DEFAULT_LIMIT = 20

export async function listBatches(options: BatchListOptions, context: Context): Promise<ExitCode> {
  const { active, limit = DEFAULT_LIMIT, json } = options
  await using queue = openQueue(options, context.env)
  const asked = await queue.batches({ active, limit: json ? limit : limit + 1 })
  const lines = json ? [JSON.stringify(asked)] : linesOf(asked, limit, options, context)
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}

function linesOf(
  asked: readonly BatchStatus[],
  limit: number,
  { active }: BatchListOptions,
  context: Context,
): string[] {
  if (asked.length === 0) return [active ? 'every batch is finished' : 'there is no batch']
  const shown = asked.slice(0, limit)
  const legend = shown.some(isActive) ? ['* is not finished'] : []
  const more = asked.length > limit ? [`there are more than these ${limit}: --limit`] : []
  const below = [...legend, ...more]
  return [...tableOf(shown, context), ...(below.length > 0 ? ['', ...below] : [])]
}

function isActive({ sealed, pending, cancelled }: BatchStatus): boolean {
  return pending > 0 || (!sealed && cancelled === undefined)
}

interface Column {
  readonly title: string
  /** Words stand left, figures right. */
  readonly isText?: true
  textOf(status: BatchStatus): string
}

function columnsFor(batches: readonly BatchStatus[]): Column[] {
  const now = systemClock.now()
  const hasUnknown = batches.some(({ unknown }) => unknown > 0)
  return [
    { title: 'state', isText: true, textOf: (status) => stateOf(status, now) },
    { title: 'done', textOf: percentOf },
    { title: 'accepted', textOf: ({ total }) => formatCount(total) },
    { title: 'failed', textOf: ({ failed }) => formatCount(failed) },
    ...(hasUnknown ? [{ title: 'unknown', textOf: ({ unknown }: BatchStatus) => formatCount(unknown) }] : []),
    { title: 'created', isText: true, textOf: ({ createdAt }) => toTheMinute(createdAt) },
  ]
}

function toTheMinute(date: Date): string {
  return instant(date).slice(0, 'YYYY-MM-DD hh:mm'.length)
}

const GAP = '  '
const MARK_WIDTH = 2

function tableOf(batches: readonly BatchStatus[], { stdout, env }: Context): string[] {
  const paint = paintFor(stdout, env)
  const columns = columnsFor(batches)
  const widths = columns.map(({ title, textOf }) => Math.max(...[title, ...batches.map(textOf)].map(widthOf)))
  const cellsWidth = widths.reduce((sum, width) => sum + GAP.length + width, 0)
  const idWidth = idWidthOf(batches, columnsOf(stdout) - MARK_WIDTH - cellsWidth)
  const cells = (textOf: (column: Column) => string) =>
    columns.map((column, at) => GAP + (column.isText ? padEnd : padStart)(textOf(column), widths[at] ?? 0))
  const head = padEnd('  batch', MARK_WIDTH + idWidth) + cells(({ title }) => title).join('')
  return [
    paint('bold', head.trimEnd()),
    ...batches.flatMap((status) => {
      const [state = '', ...others] = cells(({ textOf }) => textOf(status))
      const facts = (
        paint(stateStyles[stateOf(status, systemClock.now())], state) + others.join('')
      ).trimEnd()
      const name = `${isActive(status) ? '*' : ' '} ${status.id}`
      const isLong = widthOf(status.id) > idWidth
      const start = padEnd(isLong ? '' : name, MARK_WIDTH + idWidth)
      return [...(isLong ? [name] : []), start + facts]
    }),
  ]
}

/** An id is there to be copied and never cut; one that is too long has a line to itself. */
function idWidthOf(batches: readonly BatchStatus[], room: number): number {
  const fitting = batches.map(({ id }) => widthOf(id)).filter((width) => width <= room)
  return Math.max('batch'.length, ...fitting)
}
