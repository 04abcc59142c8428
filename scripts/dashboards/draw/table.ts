// A table panel: the answers as rows of labels and values, transformed as the panel says.

import { colorOf } from './color.js'
import type { FieldConfig, Panel, Transformation } from './dashboard.js'
import type { Answer } from './data.js'
import { fieldOf, shownOf } from './field.js'
import { div, escaped } from './html.js'

type Cell = string | number | undefined
export type Row = ReadonlyMap<string, Cell>

/** As Grafana names the columns: `Value` of a single query, `Value #A` of one of several. */
function rowsOf(answers: readonly Answer[]): Row[] {
  return answers.flatMap(({ target, series }) =>
    series.map(({ labels, samples }) => {
      const last = samples.at(-1)
      const value = answers.length > 1 ? `Value #${target.refId}` : 'Value'
      const named = Object.entries(labels).filter(([label]) => label !== '__name__')
      return new Map<string, Cell>([['Time', last?.at], ...named, [value, last?.value]])
    }),
  )
}

/** Two rows are one where they say the same of all that both speak of. */
function merged(rows: readonly Row[]): Row[] {
  const result: Map<string, Cell>[] = []
  for (const row of rows) {
    const fellow = result.find((other) =>
      [...row].every(
        ([name, cell]) => !other.has(name) || (!name.startsWith('Value') && other.get(name) === cell),
      ),
    )
    if (fellow === undefined) result.push(new Map(row))
    else for (const [name, cell] of row) fellow.set(name, cell)
  }
  return result
}

interface Organize {
  readonly excludeByName?: Readonly<Record<string, boolean>>
  readonly renameByName?: Readonly<Record<string, string>>
  readonly indexByName?: Readonly<Record<string, number>>
}

function organized(
  rows: readonly Row[],
  { excludeByName = {}, renameByName = {}, indexByName = {} }: Organize,
): Row[] {
  const order = (name: string) => indexByName[name] ?? Number.MAX_SAFE_INTEGER
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].filter((name) => !excludeByName[name])
  const inOrder = names.sort((one, other) => order(one) - order(other))
  return rows.map((row) => new Map(inOrder.map((name) => [renameByName[name] || name, row.get(name)])))
}

interface SortBy {
  readonly sort?: readonly { readonly field: string; readonly desc?: boolean }[]
}

function sorted(rows: readonly Row[], { sort = [] }: SortBy): Row[] {
  const [first] = sort
  if (first === undefined) return [...rows]
  const before = (one: Cell, other: Cell) =>
    typeof one === 'number' && typeof other === 'number' ? one - other : `${one}`.localeCompare(`${other}`)
  const factor = first.desc ? -1 : 1
  return [...rows].sort((one, other) => factor * before(one.get(first.field), other.get(first.field)))
}

const transforms: Readonly<Record<string, (rows: readonly Row[], options: never) => Row[]>> = {
  merge: merged,
  joinByField: merged,
  organize: organized,
  sortBy: sorted,
  limit: (rows, { limitField = 10 }: { limitField?: number }) => rows.slice(0, limitField),
}

/** The rows that the panel shows. @throws RangeError for a transformation that is not in the table */
export function tableOf(answers: readonly Answer[], transformations: readonly Transformation[] = []): Row[] {
  return transformations.reduce((rows, { id, options = {} }) => {
    const transform = transforms[id]
    if (transform === undefined) throw new RangeError(`the transformation ${id} is not known to the drawing`)
    return transform(rows, options as never)
  }, rowsOf(answers))
}

function drawCell(cell: Cell, field: FieldConfig, side: string): string {
  if (typeof cell !== 'number') return `<td${side}>${escaped(cell ?? field.noValue ?? '')}</td>`
  const { text, color } = shownOf(cell, field)
  const { type = 'auto' } = (field.custom?.cellOptions ?? {}) as { type?: string }
  const styles: Readonly<Record<string, string>> = {
    'color-text': `color:${colorOf(color)}`,
    'color-background': `background:${colorOf(color)};color:#fff`,
    gauge: `color:${colorOf(color)}`,
  }
  return `<td class="right" style="${escaped(styles[type] ?? '')}">${escaped(text)}</td>`
}

export function drawTable(panel: Panel, answers: readonly Answer[]): string {
  const rows = tableOf(answers, panel.transformations)
  const fields = [...new Set(rows.flatMap((row) => [...row.keys()]))].map((name) => {
    const field = fieldOf(panel, name)
    return { name, field, unseen: Boolean(field.custom?.hidden) }
  })
  const seen = fields.filter(({ unseen }) => !unseen)
  const { sortBy = [] } = (panel.options ?? {}) as { sortBy?: { displayName: string; desc?: boolean }[] }
  const inOrder = sorted(rows, {
    sort: sortBy.map(({ displayName, desc = false }) => ({ field: displayName, desc })),
  })
  const sideOf = (name: string) =>
    rows.some((row) => typeof row.get(name) === 'number') ? ' class="right"' : ''
  const head = seen
    .map(({ name, field }) => `<th${sideOf(name)}>${escaped(field.displayName ?? name)}</th>`)
    .join('')
  const body = inOrder.map(
    (row) =>
      `<tr>${seen.map(({ name, field }) => drawCell(row.get(name), field, sideOf(name))).join('')}</tr>`,
  )
  return div('table', `<table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`)
}
