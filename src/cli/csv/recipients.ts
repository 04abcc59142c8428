// A CSV of recipients as rows for the queue: the header names the variables, one column holds the address.
// It keeps no row; what is known of one beside its values is the line on which it stands.

import { stat } from 'node:fs/promises'
import type { Row } from '../../queue/row.js'
import { UsageError, unreadable } from '../failure.js'
import { LineReader } from './lines.js'
import { type BrokenRecord, type CsvRecord, isBroken, type RecordFormat, readRecords } from './records.js'

export interface RecipientOptions {
  /** The column of the address; `to`, `email` or `address` is found by itself. */
  readonly toColumn?: string | undefined
  /** The column of the name in the To header; `name` is found by itself. */
  readonly nameColumn?: string | undefined
}

export interface Recipients extends Disposable {
  /** The names under which templates find the values. */
  readonly variables: readonly string[]
  /** Reads on as rows are taken. Broken records go to `onBroken` and are no rows. */
  rows(onBroken: (record: BrokenRecord) => void): AsyncGenerator<Row, void, void>
  /** On which line of the file a row of this CSV begins. */
  lineOf(row: unknown): number | undefined
  /** How much of the file has been read, from 0 to 1. */
  readonly share: number
}

const addressColumns = ['to', 'email', 'e-mail', 'address', 'mail']
const nameColumns = ['name']
const delimiters = [',', ';', '\t'] as const

interface Column {
  readonly index: number
  readonly header: string
  readonly variable: string
}

/** Opens a CSV and reads its header; throws UsageError when it has none that can be used. */
export async function openRecipients(path: string, options: RecipientOptions = {}): Promise<Recipients> {
  const bytes = await sizeOf(path)
  const lines = new LineReader(path)
  try {
    const { fields, delimiter } = await readHeader(path, lines)
    const columns = columnsOf(path, fields)
    const to = addressColumn(path, columns, options.toColumn)
    const name = nameColumn(path, columns, options.nameColumn)
    return new RecipientFile({
      lines,
      bytes,
      format: { delimiter, fieldCount: fields.length },
      columns,
      to,
      name,
    })
  } catch (error) {
    lines.close()
    throw error
  }
}

interface FileParts {
  readonly lines: LineReader
  readonly bytes: number
  readonly format: RecordFormat
  readonly columns: readonly Column[]
  readonly to: Column
  readonly name: Column | undefined
}

class RecipientFile implements Recipients {
  readonly #parts: FileParts
  readonly #lineOf = new WeakMap<object, number>()

  constructor(parts: FileParts) {
    this.#parts = parts
  }

  get variables(): readonly string[] {
    return this.#parts.columns.map(({ variable }) => variable).filter((variable) => variable !== 'to')
  }

  get share(): number {
    return this.#parts.bytes === 0 ? 1 : Math.min(1, this.#parts.lines.bytesTaken / this.#parts.bytes)
  }

  lineOf(row: unknown): number | undefined {
    return typeof row === 'object' && row !== null ? this.#lineOf.get(row) : undefined
  }

  async *rows(onBroken: (record: BrokenRecord) => void): AsyncGenerator<Row, void, void> {
    const { lines, format } = this.#parts
    for (;;) {
      const items = await readRecords(lines, format)
      if (items.length === 0) return
      for (const item of items) {
        if (isBroken(item)) onBroken(item)
        else yield this.#toRow(item)
      }
    }
  }

  [Symbol.dispose](): void {
    this.#parts.lines.close()
  }

  #toRow({ line, fields }: CsvRecord): Row {
    const { columns, to, name } = this.#parts
    const textIn = (column: Column | undefined) =>
      (column && fields[column.index]?.trim().replace(/\s+/g, ' ')) || ''
    const address = textIn(to)
    const displayName = textIn(name)
    const values = columns.map(({ index, variable }) => [variable, fields[index] ?? ''] as const)
    const row: Row = {
      ...Object.fromEntries(values),
      to: displayName ? { name: displayName, address } : address,
    }
    this.#lineOf.set(row, line)
    return row
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

async function readHeader(
  path: string,
  lines: LineReader,
): Promise<{ fields: readonly string[]; delimiter: string }> {
  const first = await lines.next()
  if (first === undefined)
    throw new UsageError(`${path} is empty: its first line must name the columns`, 'read_error')
  lines.unread([first])
  const delimiter = delimiterOf(first.text)
  const [header] = await readRecords(lines, { delimiter }, 1)
  if (header !== undefined && !isBroken(header)) return { fields: header.fields, delimiter }
  throw new UsageError(`${path}, line 1: ${header?.reason ?? 'there is no header'}`, 'read_error')
}

/** Spreadsheets of half of Europe write semicolons: whichever of the three stands in the header most. */
function delimiterOf(header: string): string {
  const countOf = (delimiter: string) => header.split(delimiter).length
  return delimiters.reduce((best, delimiter) => (countOf(delimiter) > countOf(best) ? delimiter : best))
}

/** A column without a name is left out: spreadsheets like to add some at the end. */
function columnsOf(path: string, fields: readonly string[]): Column[] {
  const columns = fields.flatMap((field, index) => {
    const header = field.trim()
    return header === '' ? [] : [{ index, header, variable: variableOf(header) }]
  })
  const twice = columns.find((column) =>
    columns.some((other) => other.index < column.index && other.variable === column.variable),
  )
  if (twice) throw new UsageError(`${path}: two columns are named "${twice.variable}"`, 'read_error')
  return columns
}

/** `First name` cannot stand in a template; `First_name` can. */
function variableOf(header: string): string {
  return header.replace(/[^\p{L}\p{M}\p{N}_]+/gu, '_')
}

function addressColumn(path: string, columns: readonly Column[], asked: string | undefined): Column {
  const found = asked === undefined ? findColumn(columns, addressColumns) : findColumn(columns, [asked])
  if (found) return found
  const names = columns.map(({ header }) => header).join(', ')
  if (asked !== undefined)
    throw new UsageError(`${path} has no column "${asked}" (--to-column); it has ${names}`)
  throw new UsageError(
    `${path} has no column named to, email or address; it has ${names}; name one with --to-column`,
  )
}

function nameColumn(path: string, columns: readonly Column[], asked: string | undefined): Column | undefined {
  if (asked === undefined) return findColumn(columns, nameColumns)
  const found = findColumn(columns, [asked])
  if (found) return found
  throw new UsageError(
    `${path} has no column "${asked}" (--name-column); it has ${columns.map(({ header }) => header).join(', ')}`,
  )
}

function findColumn(columns: readonly Column[], names: readonly string[]): Column | undefined {
  const byName = (name: string) => columns.find(({ header }) => header.toLowerCase() === name.toLowerCase())
  return names.map(byName).find((column) => column !== undefined)
}
