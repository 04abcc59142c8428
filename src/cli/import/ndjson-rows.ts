// NDJSON as rows: each line is one JSON object, whose fields are the variables; one of them holds the address.

import { messageOf } from '../../errors.js'
import type { Row } from '../../queue/row.js'
import { addressNames, type ColumnOptions } from '../csv/columns.js'
import { UsageError } from '../failure.js'
import { BrokenRow, type Item, tidy } from './item.js'
import { type Line, type LineReader, maxLineLength } from './lines.js'

const linesAtOnce = 256

type Fields = Readonly<Record<string, unknown>>

/** The next items; undefined at the end. */
export async function readJsonRows(
  file: string,
  lines: LineReader,
  options: ColumnOptions,
): Promise<Item[] | undefined> {
  const items: Item[] = []
  while (items.length < linesAtOnce) {
    const line = lines.take()
    if (line === undefined) {
      if (items.length > 0) return items
      if (!(await lines.fill())) return undefined
    } else if (line.text.trim() !== '') {
      refuseArray(file, line)
      items.push(toItem(line, options))
    }
  }
  return items
}

/** A JSON file that is one array has its brackets on lines of their own, or is one line. */
function refuseArray(file: string, { text, number }: Line): void {
  if (number !== 1 || !/^\s*\[\s*(\{|$)/.test(text)) return
  throw new UsageError(
    `${file} is one JSON array and must be one object a line: jq -c '.[]' makes it so`,
    'read_error',
  )
}

function toItem({ text, number, isTooLong }: Line, options: ColumnOptions): Item {
  const broken = (reason: string) => new BrokenRow(number, reason, text.trim())
  if (isTooLong) return broken(`the line is longer than ${maxLineLength} characters`)
  if (text.includes('\ufffd')) return broken('it holds bytes that are not UTF-8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return broken(`it is no JSON: ${briefly(messageOf(error))}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return broken(`it is ${kindOf(value)}, not an object`)
  }
  return rowOf(value as Fields, number, options, broken)
}

/** Without the text itself, which stands beside it, and without a position in one line of many. */
function briefly(problem: string): string {
  return problem.replace(/, (\.\.\.)?".*is not valid JSON$/s, '').replace(/ \(line .*\)$/, '')
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

function rowOf(
  fields: Fields,
  line: number,
  { toColumn, nameColumn = 'name' }: ColumnOptions,
  broken: (reason: string) => BrokenRow,
): Item {
  const names = toColumn === undefined ? addressNames : [toColumn]
  const given = names.find((name) => Object.hasOwn(fields, name))
  if (given === undefined) {
    return broken(`it has no field ${toColumn === undefined ? 'to, email or address' : `"${toColumn}"`}`)
  }
  const to = fields[given]
  const name = Object.hasOwn(fields, nameColumn) ? fields[nameColumn] : undefined
  if (typeof to !== 'string') return { line, row: { ...fields, to } as Row }
  const address = tidy(to)
  const displayName = typeof name === 'string' ? tidy(name) : ''
  const isNamed = displayName !== '' && !address.includes('<')
  return { line, row: { ...fields, to: isNamed ? { name: displayName, address } : address } }
}
