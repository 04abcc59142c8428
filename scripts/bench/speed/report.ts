// How the result is shown: a table of 80 columns for people and a line of JSON for programs. Pure.

import { COLUMNS } from '../command.js'
import { type Figure, holds, ratioOf, type Summary, summaryOf, type Target } from './figures.js'

/** What the runs of one row measured. */
export interface Measured {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly target: Target | undefined
  readonly ours: readonly Figure[]
  /** Empty where there is no peer; the target is about our own figure then. */
  readonly peer: readonly Figure[]
  /** Why it was not measured. */
  readonly absent?: string | undefined
  /** A sentence about what was measured. */
  readonly note?: string | undefined
}

/** A row of the result, as programs read it and as it is kept. */
export interface ResultRow {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** Medians. */
  readonly ours: number | null
  readonly peer: number | null
  readonly ratio: number | null
  readonly target: number | null
  readonly kind: 'at least' | 'at most' | 'within'
  /** Null where nothing was measured, or where there is no target. */
  readonly held: boolean | null
  readonly runs: { readonly ours: Summary | null; readonly peer: Summary | null }
  readonly note: string | null
}

/** What was measured, and where, when and how. */
export interface Result {
  readonly rows: readonly ResultRow[]
  /** Such as 2026-11-23. */
  readonly date: string
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
  readonly pace: 'quick' | 'usual' | 'full'
  readonly runs: number
  /** In a sentence. */
  readonly warmUp: string
  /** What each side puts on the wire: bytes of a message. */
  readonly bytes: Readonly<Record<string, number>>
}

export function resultOf({ name, title, unit, target, ...row }: Measured): ResultRow {
  const ours = row.ours.length > 0 ? summaryOf(row.ours) : null
  const peer = row.peer.length > 0 ? summaryOf(row.peer) : null
  const ratio = ours && peer ? ratioOf(row.ours, row.peer) : null
  const judged = ratio ?? ours?.median
  return {
    ...{ name, title, unit, ours: ours?.median ?? null, peer: peer?.median ?? null, ratio },
    ...{ target: target?.value ?? null, kind: target?.kind ?? 'at least' },
    held: target === undefined || judged === undefined ? null : holds(judged, target),
    runs: { ours, peer },
    note: row.absent ?? row.note ?? null,
  }
}

const widths = { title: 33, side: 14, ratio: 7, target: 8 } as const

/** For each row its medians, below them how far the runs lie apart, and what a message costs. */
export function resultTable(rows: readonly ResultRow[]): string[] {
  const head = line('compared with', 'FluxMail', 'peer', 'ratio', 'target', '')
  return [head, '-'.repeat(COLUMNS), ...rows.flatMap(rowLines)]
}

function rowLines(row: ResultRow): string[] {
  const { title, ours, peer, ratio, runs } = row
  const note = wrapped(row.note ?? '')
  if (ours === null) return [line(title, 'not measured', '', '', '', ''), ...note]
  const both = (show: (summary: Summary) => string): [string, string] => [
    runs.ours ? show(runs.ours) : '',
    runs.peer ? show(runs.peer) : '',
  ]
  const medians = [short(ours), peer === null ? '' : short(peer), ratio === null ? '' : short(ratio)] as const
  const cost = line("  CPU ms, Redis' own", ...both(costOf), '', '', '')
  return [
    line(title, ...medians, targetText(row), verdictOf(row)),
    line(`  ${row.unit}`, ...both(rangeOf), '', '', ''),
    ...(runs.ours?.cpuMs === undefined && runs.peer?.cpuMs === undefined ? [] : [cost]),
    ...note,
  ]
}

export function targetText({ target, kind }: Pick<ResultRow, 'target' | 'kind'>): string {
  if (target === null) return ''
  if (kind === 'within') return `±${short(100 * target)} %`
  return `${kind === 'at most' ? '<=' : '>='} ${short(target)}`
}

export const verdictOf = ({ held }: Pick<ResultRow, 'held'>) => (held === null ? '' : held ? 'yes' : 'NO')

/** The lowest and the highest, where there was more than one. */
export const rangeOf = ({ lowest, highest }: Summary) =>
  lowest === highest ? '' : `${short(lowest)}–${short(highest)}`

/** Of the sending process, and of Redis where there is one. */
export function costOf({ cpuMs, redisMs }: Summary): string {
  const each = [cpuMs, redisMs].flatMap((ms) => (ms === undefined ? [] : [ms.toFixed(2)]))
  return each.join(' + ')
}

function line(
  title: string,
  ours: string,
  peer: string,
  ratio: string,
  target: string,
  held: string,
): string {
  const cells = [
    title.slice(0, widths.title - 1).padEnd(widths.title),
    ours.padStart(widths.side),
    peer.padStart(widths.side),
    ratio.padStart(widths.ratio),
    target.padStart(widths.target),
    held.padStart(COLUMNS - widths.title - 2 * widths.side - widths.ratio - widths.target),
  ]
  return cells.join('').trimEnd()
}

/** A sentence within the columns, further in than what it is about. */
export function wrapped(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`  ${word}`)
  }
  return lines.filter((each) => each.trim() !== '')
}

/** Three digits that count. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value >= 1_000_000) return `${Number((value / 1_000_000).toPrecision(3))} M`
  if (value >= 100_000) return `${Math.round(value / 1_000)} k`
  if (value >= 1_000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return String(Number(value < 0.01 ? value.toFixed(4) : value.toPrecision(3)))
}
