// The README's table of speed, from the result that `npm run bench -- --save` keeps: no figure is written by hand.
// Which rows there are and what they are to reach stands in the benchmark itself.

import { markdownTable } from '../src/cli/markdown-table.js'
import { holds, type Summary } from './bench/speed/figures.js'
import { costOf, type Result, type ResultRow, rangeOf, short, targetText } from './bench/speed/report.js'
import type { Row } from './bench/speed/row.js'

const paces = { quick: 'roughly, with `--quick`', usual: 'as it is', full: 'with `--full`' } as const

/** How and where it was measured, and a line for each row of the benchmark, measured or not. */
export function speedTable(rows: readonly Row[], result: Result): string {
  const lines = rows.map((row) =>
    rowOf(
      row,
      result.rows.find(({ name }) => name === row.name),
    ),
  )
  const head = ['compared with', 'FluxMail', 'CPU ms', 'peer', 'CPU ms', 'ratio', 'target', 'held']
  return [aboutOf(result), '', markdownTable(head, lines), '', wireOf(result)].join('\n')
}

function aboutOf({ date, machine, versions, pace, runs }: Result): string {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const times =
    runs === 1 ? 'One run' : `Medians of ${runs} runs in turns, the lowest and the highest beside them`
  return `Measured on ${date}, ${paces[pace]}, on ${machine}; ${list.join(', ')}. ${times}. CPU: of the sending process + of Redis, milliseconds a message.`
}

function wireOf({ bytes, warmUp }: Result): string {
  const sizes = Object.entries(bytes).map(([name, size]) => `${name} ${size}`)
  return `Bytes of a message on the wire: ${sizes.join('; ')}. ${warmUp}`
}

function rowOf({ title, unit, target }: Row, measured: ResultRow | undefined): string[] {
  const named = `${title}, ${unit}`
  const wanted = target ? targetText({ target: target.value, kind: target.kind ?? 'at least' }) : ''
  if (!measured || measured.ours === null) return [named, 'not measured', '', '', '', '', wanted, '']
  const { ours, peer } = measured.runs
  const judged = measured.ratio ?? measured.ours
  return [
    measured.note === null ? named : `${named}. ${measured.note}`,
    ...cellsOf(ours),
    ...cellsOf(peer),
    measured.ratio === null ? '' : short(measured.ratio),
    wanted,
    target ? (holds(judged, target) ? 'yes' : 'no') : '',
  ]
}

function cellsOf(summary: Summary | null): [string, string] {
  if (summary === null) return ['', '']
  const range = rangeOf(summary)
  return [`${short(summary.median)}${range && ` (${range})`}`, costOf(summary)]
}
