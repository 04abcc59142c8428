// Tables for a terminal, never wider than asked: a figure beside its name, or one column for each of several things.
// It only arranges text; what is coloured is coloured by the caller's paint, after the widths are known.

import { cut, padEnd, padStart, widthOf, wrap } from '../terminal/text.js'
import type { Paint, Style } from './context.js'

export interface Fact {
  readonly name: string
  readonly value: string
  readonly note?: string
  /** How deep it stands below the fact above that it is a part of. */
  readonly depth?: number
  readonly style?: Style
}

const GAP = '  '

/** Lines of name, value and note; values stand right-aligned, notes are cut or wrapped to the width. */
export function factTable(facts: readonly Fact[], columns: number, paint: Paint): string[] {
  const nameOf = ({ name, depth = 0 }: Fact) => GAP.repeat(depth) + name
  const nameWidth = Math.max(...facts.map((fact) => widthOf(nameOf(fact))))
  const valueWidth = Math.max(...facts.map(({ value }) => widthOf(value)))
  const noteColumn = nameWidth + valueWidth + 2 * GAP.length
  return facts.flatMap((fact) => {
    const name = padEnd(nameOf(fact), nameWidth)
    const value = padStart(fact.value, valueWidth)
    const [note = '', ...more] = fact.note ? wrap(fact.note, Math.max(20, columns - noteColumn)) : []
    const painted = fact.style ? paint(fact.style, value) : value
    const first =
      note === '' ? `${name}${GAP}${painted}` : `${name}${GAP}${painted}${GAP}${paint('dim', note)}`
    return [first, ...more.map((line) => ' '.repeat(noteColumn) + paint('dim', line))]
  })
}

export interface NamedColumn {
  readonly title: string
  readonly values: readonly string[]
}

/** One column for each thing under its title; those that do not fit stand below, under the same names. */
export function columnTable(
  names: readonly string[],
  things: readonly NamedColumn[],
  columns: number,
): string[] {
  const nameWidth = Math.max(...names.map(widthOf))
  const widthFor = (column: NamedColumn) => Math.max(widthOf(column.title), ...column.values.map(widthOf))
  const lines: string[] = []
  let rest = things.map((column) => ({
    ...column,
    title: cut(column.title, columns - nameWidth - GAP.length),
  }))
  while (rest.length > 0) {
    const fitting = howManyFit(rest.map(widthFor), columns - nameWidth)
    const shown = rest.slice(0, fitting)
    const row = (name: string, cellOf: (column: NamedColumn) => string) =>
      padEnd(name, nameWidth) +
      shown.map((column) => GAP + padStart(cellOf(column), widthFor(column))).join('')
    if (lines.length > 0) lines.push('')
    lines.push(row('', ({ title }) => title))
    for (const [index, name] of names.entries()) lines.push(row(name, ({ values }) => values[index] ?? ''))
    rest = rest.slice(fitting)
  }
  return lines
}

function howManyFit(widths: readonly number[], columns: number): number {
  let used = 0
  const fitting = widths.findIndex((width) => {
    used += GAP.length + width
    return used > columns
  })
  return fitting < 0 ? widths.length : Math.max(1, fitting)
}
