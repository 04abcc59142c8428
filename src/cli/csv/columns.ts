// The columns of a CSV: the header names the variables, one column holds the address, one may hold the name.

import { UsageError } from '../failure.js'
import { tidy } from '../import/item.js'

export interface Column {
  readonly index: number
  readonly header: string
  /** What templates call it. */
  readonly variable: string
}

export interface ColumnOptions {
  /** The column of the address; `to`, `email` or `address` is found by itself. */
  readonly toColumn?: string | undefined
  /** The column of the name in the To header; `name` is found by itself. */
  readonly nameColumn?: string | undefined
  /** The column of paths of files to attach; `attachments` is found by itself. */
  readonly attachmentsColumn?: string | undefined
}

export interface Columns {
  readonly all: readonly Column[]
  readonly to: Column
  readonly name: Column | undefined
  readonly attachments: Column | undefined
}

export const addressNames = ['to', 'email', 'e-mail', 'address', 'mail'] as const

/** @throws UsageError when they cannot be used */
export function readColumns(file: string, fields: readonly string[], options: ColumnOptions): Columns {
  refuseRow(file, fields)
  const all = namedColumns(file, fields)
  const { toColumn, nameColumn, attachmentsColumn } = options
  const to =
    toColumn === undefined ? findColumn(all, addressNames) : asked(file, all, toColumn, '--to-column')
  if (to === undefined) {
    throw new UsageError(
      `${file} has no column named to, email or address; it has ${listed(all)}; name one with --to-column`,
    )
  }
  return {
    all,
    to,
    name:
      nameColumn === undefined ? findColumn(all, ['name']) : asked(file, all, nameColumn, '--name-column'),
    attachments:
      attachmentsColumn === undefined
        ? findColumn(all, ['attachments'])
        : asked(file, all, attachmentsColumn, '--attachments-column'),
  }
}

/** A first line with an address in it names no columns, and would be a row that nobody gets. */
function refuseRow(file: string, fields: readonly string[]): void {
  if (!fields.some((field) => /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(field.trim()))) return
  throw new UsageError(
    `${file}: its first line holds an address and must name the columns, as in email,name`,
    'read_error',
  )
}

/** A column without a name is left out: spreadsheets like to add some at the end. */
function namedColumns(file: string, fields: readonly string[]): Column[] {
  const columns = fields.flatMap((field, index) => {
    const header = tidy(field)
    return header === '' ? [] : [{ index, header, variable: variableOf(header) }]
  })
  const seen = new Set<string>()
  for (const { variable } of columns) {
    if (seen.has(variable)) throw new UsageError(`${file}: two columns are named "${variable}"`, 'read_error')
    if (variable === '__proto__')
      throw new UsageError(`${file}: no column may be named __proto__`, 'read_error')
    seen.add(variable)
  }
  return columns
}

/** `First name` cannot stand in a template; `First_name` can. */
function variableOf(header: string): string {
  return header.replace(/[^\p{L}\p{M}\p{N}_]+/gu, '_')
}

function asked(file: string, columns: readonly Column[], name: string, flag: string): Column {
  const found = findColumn(columns, [name])
  if (found) return found
  throw new UsageError(`${file} has no column "${name}" (${flag}); it has ${listed(columns)}`)
}

function findColumn(columns: readonly Column[], names: readonly string[]): Column | undefined {
  const byName = (name: string) => columns.find(({ header }) => header.toLowerCase() === name.toLowerCase())
  return names.map(byName).find((column) => column !== undefined)
}

function listed(columns: readonly Column[]): string {
  return columns.map(({ header }) => header).join(', ')
}
