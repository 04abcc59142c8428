// A batch under way as a person sees it: a view for a terminal, and one line where there is none.

import { systemClock } from '../clock.js'
import type { BatchProgress, BatchRelay } from '../queue/batch-progress.js'
import type { BatchStatus } from '../queue/batch-status.js'
import type { Wait } from '../queue/waits.js'
import { cut, formatCount, padEnd, padStart, visible, widthOf, wrap } from '../terminal/text.js'
import { headLines } from './batch-show.js'
import { etaText, percentOf, rateText, stateOf, stopTexts } from './batch-state.js'
import { type Context, columnsOf, type Paint, paintFor, type Style } from './context.js'
import { waitLines } from './explain-lines.js'
import { rateText as perSecondText } from './limits-lines.js'
import { faults } from './relay-lines.js'
import { instant } from './status-lines.js'

const GROUPS_SHOWN = 5
const RELAYS_SHOWN = 4
const WAITS_SHOWN = 3
const GAP = '  '

/** The whole view; every line is narrower than the terminal. */
export function watchLines(progress: BatchProgress, { stdout, env }: Context): string[] {
  const columns = columnsOf(stdout) - 1
  const paint = paintFor(stdout, env)
  return [
    ...headLines(progress, columns, paint),
    '',
    ...countLines(progress, columns, paint),
    ...waitLines(keptBy(progress), columns, paint),
    ...relayLines(progress.relays, columns, paint),
    ...groupLines(progress, columns, paint),
  ]
}

interface Count {
  readonly name: string
  readonly value: number
  readonly style?: Style
}

const NAME_WIDTH = 8

/** What is settled on the left, what is pending on the right. */
function countLines(status: BatchStatus, columns: number, paint: Paint): string[] {
  const { sent, failed, skipped, unknown, waiting, active, deferred, rejected, total } = status
  const left: Count[] = [
    { name: 'sent', value: sent, style: 'green' },
    { name: 'failed', value: failed, style: 'red' },
    { name: 'skipped', value: skipped },
    { name: 'unknown', value: unknown, style: 'yellow' },
  ]
  const right: Count[] = [
    { name: 'waiting', value: waiting },
    { name: 'active', value: active },
    { name: 'deferred', value: deferred },
    { name: 'rejected', value: rejected },
  ]
  const width = formatCount(Math.max(total, rejected)).length
  const cell = ({ name, value, style }: Count) => {
    const figure = padStart(formatCount(value), width)
    return padEnd(name, NAME_WIDTH) + GAP + (style && value > 0 ? paint(style, figure) : figure)
  }
  const twice = 2 * (NAME_WIDTH + GAP.length + width) + 2 * GAP.length
  if (twice > columns) return [...left, ...right].map(cell)
  return left.map((count, at) => {
    const other = right[at]
    return cell(count) + (other ? GAP + GAP + cell(other) : '')
  })
}

/** Without what the first lines say, and without its turn while that comes. */
function keptBy({ waits, rate }: BatchProgress): readonly Wait[] {
  const isSaid = ({ kind }: Wait) =>
    kind === 'paused' || kind === 'cancelled' || (kind === 'turn' && (rate > 0 || waits.length > 1))
  return waits.filter((wait) => !isSaid(wait)).slice(0, WAITS_SHOWN)
}

function groupLines({ id, groups, failed, unknown }: BatchProgress, columns: number, paint: Paint): string[] {
  const shown = groups.slice(0, GROUPS_SHOWN)
  if (shown.length === 0) return []
  const counts = shown.map(({ count }) => formatCount(count))
  const countWidth = Math.max(...counts.map(widthOf))
  const codeWidth = Math.max(...shown.map(({ code }) => widthOf(code)))
  const lines = shown.map(({ code, text }, at) => {
    const start = GAP + padStart(counts[at] ?? '', countWidth) + GAP + padEnd(code, codeWidth)
    return cut(`${start}${GAP}${visible(text)}`, columns)
  })
  const rest = failed + unknown - shown.reduce((sum, { count }) => sum + count, 0)
  const more = rest > 0 ? [`  and ${formatCount(rest)} more: fluxmail failures --batch ${id}`] : []
  return ['', paint('red', 'failures'), ...lines, ...more.map((line) => cut(line, columns))]
}

function relayLines(relays: readonly BatchRelay[], columns: number, paint: Paint): string[] {
  if (relays.length === 0) return []
  const shown = relays.slice(0, RELAYS_SHOWN)
  const nameWidth = Math.max(...shown.map(({ relay }) => widthOf(relay)))
  const indent = ' '.repeat(nameWidth + 2 * GAP.length)
  const lines = shown.flatMap((status) => {
    const [first = '', ...others] = wrap(relayText(status), columns - indent.length)
    const all = [GAP + padEnd(status.relay, nameWidth) + GAP + first, ...others.map((line) => indent + line)]
    const style = status.circuit === 'open' ? 'red' : 'yellow'
    return status.circuit === 'closed' ? all : all.map((line) => paint(style, line))
  })
  const more = relays.length - shown.length
  return ['', paint('bold', 'relays'), ...lines, ...(more > 0 ? [`  and ${more} more`] : [])]
}

function relayText({
  circuit,
  fault,
  openedAt,
  nextProbeAt,
  senders,
  workers,
  perSecond,
  sending,
  day,
  tuned,
}: BatchRelay): string {
  const why = fault && circuit !== 'closed' ? `: ${faults[fault]}` : ''
  const since = openedAt && circuit === 'open' ? ` since ${timeOf(openedAt)}` : ''
  const limit = perSecond === undefined ? 'no limit' : `at most ${perSecondText(perSecond)}`
  const facts = [
    `circuit ${circuit}${since}${why}`,
    ...(nextProbeAt ? [`probe ${timeOf(nextProbeAt)}`] : []),
    ...(senders.length > 0
      ? [`${senders.length} refused ${senders.length === 1 ? 'sender' : 'senders'}`]
      : []),
    workers === 0
      ? 'no worker'
      : `${workers} ${workers === 1 ? 'worker' : 'workers'}, ${limit}, now ${perSecondText(sending)}`,
    ...(day ? [`${formatCount(day.used)} of ${formatCount(day.now)} within 24 hours`] : []),
    ...(tuned
      ? [`slowed down since ${timeOf(tuned.since)}${tuned.reply ? `: ${visible(tuned.reply)}` : ''}`]
      : []),
  ]
  return facts.join('; ')
}

function timeOf(date: Date): string {
  return instant(date).slice('YYYY-MM-DD '.length)
}

/** For a log: when, how far, how fast, and what keeps it. */
export function watchLine(progress: BatchProgress): string {
  const { id, total, pending, failed, unknown, skipped } = progress
  const now = systemClock.now()
  const bad = Object.entries({ failed, unknown, skipped }).filter(([, count]) => count > 0)
  const facts = [
    `${formatCount(total - pending)} of ${formatCount(total)} (${percentOf(progress)})`,
    ...bad.map(([name, count]) => `${formatCount(count)} ${name}`),
    ...(pending > 0 && !progress.paused ? [rateText(progress)] : []),
    etaText(progress) ?? [],
    ...stopTexts(progress),
  ].flat()
  const [kept] = keptBy(progress)
  const why = kept ? `; ${visible(kept.text)}` : ''
  return `${instant(new Date(now))} ${id} ${stateOf(progress, now)}: ${facts.join(', ')}${why}`
}
