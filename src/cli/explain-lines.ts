// A delivery or a batch explained, as a person reads it: what it is, what it waits for, what has come of it so far.

import type { AttemptNote } from '../queue/attempt-notes.js'
import type { DeliveryExplanation } from '../queue/explain.js'
import type { BatchExplanation, BatchReplay } from '../queue/explain-batch.js'
import type { Wait } from '../queue/waits.js'
import { countOf, formatCount, formatSeconds, visible, wrap } from '../terminal/text.js'
import { type Context, columnsOf, type Paint, paintFor } from './context.js'
import { groupLines } from './failure-lines.js'
import { instant } from './status-lines.js'

export function deliveryExplanationLines(found: DeliveryExplanation, context: Context): string[] {
  const { id, recipient, lane, batchId, state, since, lastReason, waits, history, replay } = found
  const { columns, paint } = screenOf(context)
  const of = batchId === undefined ? '' : `, batch ${batchId}`
  const head = `delivery ${id} to ${visible(recipient)} (lane ${lane}${of})`
  const ended = waits.length === 0 && lastReason ? [`the last word: ${visible(lastReason)}`] : []
  return [
    ...wrap(head, columns),
    ...[`${paint('bold', state)} since ${instant(since)}, enqueued ${instant(found.enqueuedAt)}`],
    ...ended.flatMap((line) => wrap(line, columns)),
    ...waitLines(waits, columns, paint),
    ...placeLines(found),
    ...attemptLines(history, found.attempts, columns, paint),
    ...(replay ? ['', ...wrap(replayText(replay), columns)] : []),
  ]
}

export function batchExplanationLines(found: BatchExplanation, context: Context): string[] {
  const { status, state, since, waits, groups, eta, replays } = found
  const { columns, paint } = screenOf(context)
  const { total, sent, failed, skipped, unknown, pending, lane } = status
  const counts = { sent, failed, skipped, unknown, pending }
  const shown = Object.entries(counts).filter(([, count]) => count > 0)
  const parts = shown.map(([name, count]) => `${formatCount(count)} ${name}`).join(', ')
  return [
    ...wrap(
      `batch ${status.id} (lane ${lane}): ${countOf(total, 'delivery', 'deliveries')} accepted`,
      columns,
    ),
    `${paint('bold', state)}, since ${instant(since)}`,
    ...wrap(parts, columns),
    ...waitLines(waits, columns, paint),
    ...(eta ? ['', `done at about ${instant(eta)}`] : []),
    ...(groups.length > 0 ? ['', ...groupLines(groups, context)] : []),
    ...replayLines(replays, columns),
  ]
}

function screenOf({ stdout, env }: Context) {
  return { columns: columnsOf(stdout), paint: paintFor(stdout, env) }
}

export function waitLines(waits: readonly Wait[], columns: number, paint: Paint): string[] {
  if (waits.length === 0) return []
  const lines = waits.flatMap(({ text }) => bullet(visible(text), columns))
  return ['', paint('yellow', 'waits for'), ...lines]
}

function bullet(text: string, columns: number): string[] {
  return wrap(text, columns - 4).map((line, index) => `${index === 0 ? '  - ' : '    '}${line}`)
}

function placeLines({ ahead, eta }: DeliveryExplanation): string[] {
  if (ahead === undefined || eta === undefined) return []
  return ['', `its turn comes at about ${instant(eta)}`]
}

function attemptLines(
  history: readonly AttemptNote[],
  made: number,
  columns: number,
  paint: Paint,
): string[] {
  if (history.length === 0)
    return made > 0 ? ['', `${countOf(made, 'attempt')}, of which nothing is kept`] : []
  const lines = history.flatMap(({ at, durationMs, relay, outcome, code, reply }) => {
    const through = relay === undefined ? '' : ` through ${relay}`
    const said = reply ?? code
    const text = `${instant(at)}  ${outcome}${through} after ${durationText(durationMs)}${said ? `: ${visible(said)}` : ''}`
    return bullet(text, columns)
  })
  return ['', paint('dim', `attempts (${formatCount(made)})`), ...lines]
}

function replayText({ n, at, why }: NonNullable<DeliveryExplanation['replay']>): string {
  const times = n === 1 ? 'once' : `${n} times, the last time`
  return `replayed ${times} at ${instant(at)}${why ? `: ${visible(why)}` : ''}`
}

export function replayLines(replays: readonly BatchReplay[], columns: number): string[] {
  if (replays.length === 0) return []
  const lines = replays.flatMap(({ at, count, what, why }) => {
    const because = why ? `; ${visible(why)}` : ''
    return bullet(
      `${instant(at)}: ${countOf(count, 'delivery', 'deliveries')} (${visible(what)})${because}`,
      columns,
    )
  })
  return ['', 'replayed', ...lines]
}

function durationText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : formatSeconds(ms)
}
