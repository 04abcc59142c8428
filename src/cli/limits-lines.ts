// The limits of relays as a person reads them: a table for each, and below it what slows it down and whose it is.

import type { BucketStatus, FigureStatus, RelayLimitStatus } from '../queue/limit-status.js'
import { cut, formatCount, padEnd, padStart, visible, widthOf, wrap } from '../terminal/text.js'
import { type Context, columnsOf, type Paint, paintFor, type Style } from './context.js'
import { instant } from './status-lines.js'

const GAP = '  '
const titles = ['', 'configured', 'set', 'now', 'in use', 'tokens']
const none = '–'

interface TableRow {
  readonly cells: readonly string[]
  /** Of what holds now. */
  readonly style?: Style | undefined
}

export function limitLines(relays: readonly RelayLimitStatus[], context: Context): string[] {
  if (relays.length === 0) return ['no worker had a relay within the last day']
  return relays.flatMap((relay, at) => [...(at > 0 ? [''] : []), ...linesOf(relay, context)])
}

function linesOf(status: RelayLimitStatus, { stdout, env }: Context): string[] {
  const columns = columnsOf(stdout)
  const paint = paintFor(stdout, env)
  const rows = [...status.buckets.flatMap(bucketRows), connectionRow(status), dayRow(status)]
  return [
    ...tableOf(paint('bold', visible(status.relay)), rows, columns, paint),
    ...noteTexts(status).flatMap((text) => bullet(text, columns)),
  ]
}

function bucketRows(bucket: BucketStatus): TableRow[] {
  const { provider, ratePerSecond, burst, sending, tokens, tuned } = bucket
  const name = provider === undefined ? 'messages' : `${GAP}to ${visible(provider)}`
  const there = tokens === undefined ? none : formatCount(Math.floor(tokens))
  const cells = [name, ...figureCells(ratePerSecond, rateText), rateText(sending), there]
  const rate: TableRow = { cells, style: tuned ? 'yellow' : undefined }
  if (burst.configured === undefined && burst.set === undefined) return [rate]
  const indent = provider === undefined ? GAP : GAP + GAP
  return [rate, { cells: [`${indent}burst`, ...figureCells(burst, formatCount).slice(0, 2)] }]
}

function connectionRow({ connections }: RelayLimitStatus): TableRow {
  return { cells: ['connections', ...figureCells(connections, formatCount), formatCount(connections.open)] }
}

function dayRow({ day }: RelayLimitStatus): TableRow {
  const isUp = day.now !== undefined && day.used >= day.now
  const cells = ['in 24 hours', ...figureCells(day, formatCount), formatCount(day.used)]
  return { cells, style: isUp ? 'red' : undefined }
}

function figureCells({ configured, set, now }: FigureStatus, text: (value: number) => string): string[] {
  const cell = (value: number | null | undefined) =>
    value === undefined ? none : value === null ? 'none' : text(value)
  return [cell(configured), cell(set), cell(now)]
}

/** Of small rates the fractions are told, of large ones nobody needs them. */
export function rateText(perSecond: number): string {
  if (perSecond === 0 || perSecond >= 100) return `${formatCount(perSecond)}/s`
  return `${Number(perSecond.toPrecision(3))}/s`
}

function tableOf(title: string, rows: readonly TableRow[], columns: number, paint: Paint): string[] {
  const all = [titles, ...rows.map(({ cells }) => cells)]
  const widths = titles.map((_, at) => Math.max(...all.map((cells) => widthOf(cells[at] ?? ''))))
  const others = widths.slice(1).reduce((sum, width) => sum + GAP.length + width, 0)
  const nameWidth = Math.max(8, Math.min(widths[0] ?? 0, columns - others))
  const line = ({ cells, style }: TableRow) => {
    const [name = '', ...figures] = cells
    const padded = figures.map((cell, at) => {
      const figure = padStart(cell, widths[at + 1] ?? 0)
      return GAP + (style && titles[at + 1] === 'now' ? paint(style, figure) : figure)
    })
    return (padEnd(cut(name, nameWidth), nameWidth) + padded.join('')).trimEnd()
  }
  return [title, paint('dim', line({ cells: titles })), ...rows.map(line)]
}

/** What the figures alone do not say. */
function noteTexts(status: RelayLimitStatus): string[] {
  const { buckets, day, warmup, lanes, selfTuning } = status
  return [
    ...buckets.flatMap(tunedText),
    ...(day.now !== undefined && day.freesAt
      ? [`the oldest of its day are over at ${instant(day.freesAt)}`]
      : []),
    ...(warmup ? [warmupText(warmup)] : []),
    ...(selfTuning ? [] : ['it is not slowed down when it asks for less (selfTuning is off)']),
    ...(lanes.length > 0 ? [`lanes: ${lanes.map(laneText).join(', ')}`] : []),
  ]
}

function tunedText({ provider, tuned }: BucketStatus): string[] {
  if (tuned === undefined) return []
  const { since, tooManyPerSecond, reply } = tuned
  const what = provider === undefined ? 'slowed down' : `slowed down to ${visible(provider)}`
  const said = reply ? `: ${visible(reply)}` : ''
  return [`${what} since ${instant(since)}, when ${rateText(tooManyPerSecond)} was too much${said}`]
}

function warmupText({
  from,
  to,
  days,
  step,
  perDay,
  since,
}: NonNullable<RelayLimitStatus['warmup']>): string {
  if (perDay === undefined) return `its warm-up of ${days} days is over`
  const begun = since ? ` since ${instant(since)}` : ', which begins with its first message'
  const range = `from ${formatCount(from)} to ${formatCount(to)}`
  return `warm-up, step ${step} of ${days} (${range}): ${formatCount(perDay)} within 24 hours${begun}`
}

function laneText({ lane, share, sending }: RelayLimitStatus['lanes'][number]): string {
  const sure = share > 0 ? `sure of ${Math.round(share * 100)} %` : 'no share of its own'
  return `${visible(lane)} ${rateText(sending)} (${sure})`
}

function bullet(text: string, columns: number): string[] {
  return wrap(text, columns - 4).map((line, index) => `${index === 0 ? '  - ' : '    '}${line}`)
}
