// A CSV as rows: the header names the variables, and every record behind it is a row or says why it is none.

import type { AddressInput } from '../../message/email-parts.js'
import type { Row } from '../../queue/row.js'
import { UsageError } from '../failure.js'
import { BrokenRow, type Item, tidy } from '../import/item.js'
import type { Line, LineReader } from '../import/lines.js'
import { type ColumnOptions, type Columns, readColumns } from './columns.js'
import { findDelimiter } from './delimiter.js'
import { type RecordFormat, readRecords } from './records.js'

export interface CsvOptions extends ColumnOptions {
  /** One character; found by itself unless given. */
  readonly delimiter?: string | undefined
}

export interface CsvRows {
  readonly columns: Columns
  /** The next items; undefined at the end. */
  read(): Promise<Item[] | undefined>
}

const SAMPLE_LINES = 20
const SAMPLE_LENGTH = 64 * 1024

/** Reads the header. Throws UsageError when there is none that can be used. */
export async function openCsvRows(file: string, lines: LineReader, options: CsvOptions): Promise<CsvRows> {
  const delimiter = options.delimiter ?? (await delimiterOf(file, lines))
  const fields = await readHeader(file, lines, { delimiter })
  const columns = readColumns(file, fields, options)
  const format = { delimiter, fieldCount: fields.length }
  const toRow = rowMaker(columns)
  return {
    columns,
    async read() {
      const records = await readRecords(lines, format)
      return records?.map((record): Item => {
        return record instanceof BrokenRow ? record : { line: record.line, row: toRow(record.fields) }
      })
    },
  }
}

async function delimiterOf(file: string, lines: LineReader): Promise<string> {
  const sample: Line[] = []
  let length = 0
  while (sample.length < SAMPLE_LINES && length < SAMPLE_LENGTH) {
    const line = lines.take() ?? ((await lines.fill()) ? lines.take() : undefined)
    if (line === undefined) break
    sample.push(line)
    length += line.text.length
  }
  checkStart(file, sample[0])
  const said = /^sep=(.)\s*$/i.exec(sample[0]?.text ?? '')?.[1]
  lines.unread(said === undefined ? sample : sample.slice(1))
  return said ?? findDelimiter(sample.map(({ text }) => text))
}

function checkStart(file: string, first: Line | undefined): void {
  if (first === undefined) {
    throw new UsageError(`${file} is empty: its first line must name the columns`, 'read_error')
  }
  const problem = problemOfText(first.text)
  if (problem === undefined) return
  throw new UsageError(`${file} is no CSV that can be read: ${problem}; save it as "CSV UTF-8"`, 'read_error')
}

function problemOfText(text: string): string | undefined {
  if (text.startsWith('PK\u0003\u0004')) return 'it is a spreadsheet or another archive'
  return /\0|^\ufffd{2}/.test(text) ? 'it is UTF-16 without its mark, or no text at all' : undefined
}

async function readHeader(file: string, lines: LineReader, format: RecordFormat): Promise<readonly string[]> {
  for (;;) {
    const records = await readRecords(lines, format, 1)
    if (records === undefined) {
      throw new UsageError(`${file} is empty: its first line must name the columns`, 'read_error')
    }
    const [header] = records
    if (header instanceof BrokenRow) {
      throw new UsageError(`${file}, line ${header.line}: ${header.reason}`, 'read_error')
    }
    if (header) return header.fields
  }
}

function rowMaker({ all, to, name }: Columns): (fields: readonly string[]) => Row {
  const addressAt = to.index
  const nameAt = name?.index ?? -1
  return (fields) => {
    const address = tidy(fields[addressAt] ?? '')
    const displayName = nameAt < 0 ? '' : tidy(fields[nameAt] ?? '')
    const row: Record<string, unknown> & { to: AddressInput } = { to: '' }
    for (const { variable, index } of all) row[variable] = fields[index] ?? ''
    row.to = displayName === '' ? address : { name: displayName, address }
    return row
  }
}
