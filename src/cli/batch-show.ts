// `fluxmail batch show`: all that is known of one batch.

import { systemClock } from '../clock.js'
import { type SendWindow, weekdayNames } from '../delivery/send-window.js'
import type { BatchStatus } from '../queue/batch-status.js'
import type { BatchExplanation } from '../queue/explain-batch.js'
import { barOf } from '../terminal/progress.js'
import { countOf, formatCount, wrap } from '../terminal/text.js'
import { etaText, percentOf, rateText, shareOf, stateOf, stateStyles, stopTexts } from './batch-state.js'
import { type Context, columnsOf, type ExitCode, exitCodes, type Paint, paintFor, say } from './context.js'
import { replayLines, waitLines } from './explain-lines.js'
import { UsageError } from './failure.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { batchFacts, failureLines, instant } from './status-lines.js'
import { type Fact, factTable } from './table.js'

export interface BatchShowOptions extends QueueOptions {
  readonly id: string
  readonly json?: boolean
}

export async function showBatch(options: BatchShowOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const { id, json } = options
  const found = await queue.explain(id)
  if (found.kind === 'delivery')
    throw new UsageError(`${id} is a delivery: \`fluxmail explain ${id}\` tells of it`)
  for (const line of json ? [JSON.stringify(found)] : linesOf(found, context)) say(context.stdout, line)
  return exitCodes.done
}

function linesOf({ status, waits, replays }: BatchExplanation, { stdout, env }: Context): string[] {
  const columns = columnsOf(stdout)
  const paint = paintFor(stdout, env)
  const failures = failureLines(status, columns)
  // Who paused or cancelled it stands at the top.
  const others = waits.filter(({ kind }) => kind !== 'paused' && kind !== 'cancelled')
  return [
    ...headLines(status, columns, paint),
    '',
    ...factTable(factsOf(status), columns, paint),
    ...failures,
    ...(failures.length > 0 ? wrap(`in groups: fluxmail failures --batch ${status.id}`, columns) : []),
    ...scheduleLines(status, columns, paint),
    ...waitLines(others, columns, paint),
    ...replayLines(replays, columns),
  ]
}

/** What it is, how it stands, how far it is: the first lines of it here and in the live view. */
export function headLines(status: BatchStatus, columns: number, paint: Paint): string[] {
  const { id, lane, createdAt, finishedAt } = status
  const state = stateOf(status, systemClock.now())
  const since = `created ${instant(createdAt)}${finishedAt ? `, finished ${instant(finishedAt)}` : ''}`
  return [
    `batch ${paint('bold', id)} in lane ${lane}: ${paint(stateStyles[state], state)}`,
    since,
    ...stopTexts(status).flatMap((text) => wrap(text, columns)),
    barLine(status, columns, paint),
  ]
}

const WIDEST_BAR = 46

function barLine(status: BatchStatus, columns: number, paint: Paint): string {
  const isMoving = status.pending > 0 && !status.paused
  const words = [percentOf(status), ...(isMoving ? [rateText(status)] : []), etaText(status)]
  const tail = words.filter((word) => word !== undefined).join('  ')
  const width = Math.min(WIDEST_BAR, columns - tail.length - 3)
  return `${paint('green', barOf(shareOf(status) ?? 0, width))}  ${tail}`
}

function factsOf(status: BatchStatus): Fact[] {
  const { waiting, active, deferred, pending, resent } = status
  const part = (name: string, value: number, note: string): Fact => ({
    name,
    value: formatCount(value),
    depth: 2,
    ...(value > 0 ? { note } : {}),
  })
  const parts = [
    part('waiting', waiting, 'for their turn'),
    part('active', active, 'a worker has them'),
    part('deferred', deferred, 'deferred or held, until a time'),
  ]
  const facts = batchFacts(status)
  const at = facts.findIndex(({ name }) => name === 'pending') + 1
  const copies: Fact[] =
    resent > 0
      ? [{ name: 'resent', value: formatCount(resent), note: 'copies that may have come twice' }]
      : []
  return [...facts.slice(0, at), ...(pending > 0 ? parts : []), ...facts.slice(at), ...copies]
}

function scheduleLines(status: BatchStatus, columns: number, paint: Paint): string[] {
  const { sendAt, expiresAt, sendWindow, priority, route } = status
  const facts = [
    ...(sendAt ? [`nothing before ${instant(sendAt)}`] : []),
    ...(sendWindow ? [windowText(sendWindow)] : []),
    ...(expiresAt ? [`nothing after ${instant(expiresAt)}`] : []),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
    ...(route === undefined ? [] : [`route ${route}`]),
  ]
  if (facts.length === 0) return []
  return ['', paint('bold', 'schedule'), ...facts.flatMap((fact) => wrap(`  ${fact}`, columns))]
}

/** As `--send-window` takes it. */
function windowText({ days = weekdayNames, from, to, timeZone }: SendWindow): string {
  const [first = '', ...others] = weekdayNames.filter((day) => days.includes(day))
  const isRow = weekdayNames.join().includes([first, ...others].join())
  const named = isRow && others.length > 1 ? `${first}-${others.at(-1)}` : [first, ...others].join(', ')
  return `only ${named === 'mon-sun' ? '' : `${named} `}${from} to ${to}, ${timeZone}`
}

/** One line of what a batch is, for a question about it. */
export function briefOf({ id, total, sent, failed, pending }: BatchStatus): string {
  const parts = [
    `${formatCount(sent)} sent`,
    `${formatCount(failed)} failed`,
    `${formatCount(pending)} pending`,
  ]
  return `batch ${id}: ${countOf(total, 'delivery', 'deliveries')}, ${parts.join(', ')}`
}
