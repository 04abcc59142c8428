// A file of recipients, or standard input, as rows for the queue: CSV, TSV or NDJSON, packed or not, in any encoding.
// It holds a block of rows at a time and reads on only when the block is taken.

import { dirname } from 'node:path'
import { type CsvOptions, openCsvRows } from '../csv/csv-rows.js'
import { UsageError } from '../failure.js'
import type { DecodeOptions } from './decode.js'
import type { Item } from './item.js'
import type { LineReader } from './lines.js'
import { readJsonRows } from './ndjson-rows.js'
import { type OpenLines, openLines } from './open-lines.js'
import type { SourceOptions } from './source.js'

export const formats = ['csv', 'tsv', 'ndjson'] as const
export type RowFormat = (typeof formats)[number]

export interface RowFileOptions extends CsvOptions, DecodeOptions, SourceOptions {
  /** By the name of the file unless given; of what has no such name, by its first character. */
  readonly format?: RowFormat | undefined
}

export interface RowFile extends OpenLines {
  /** Where paths in its rows begin. */
  readonly folder: string
  /** The field that holds paths of files to attach; undefined where there is none. */
  readonly attachmentsField: string | undefined
  /** The next rows, in their order; undefined at the end. */
  read(): Promise<Item[] | undefined>
}

/** Opens a file of rows, `-` for standard input. Throws UsageError for what cannot be used as one. */
export async function openRowFile(path: string, options: RowFileOptions = {}): Promise<RowFile> {
  return openLines(path, options, async (name, lines) => {
    const format = options.format ?? formatOfName(path) ?? (await formatOfText(lines))
    const folder = path === '-' ? '.' : dirname(path)
    return { folder, ...(await openRows(name, lines, format, options)) }
  })
}

function formatOfName(path: string): RowFormat | undefined {
  const [, ending] = /\.(csv|tsv|ndjson|jsonl|json)(?:\.gz)?$/i.exec(path) ?? []
  if (ending === undefined) return undefined
  const name = ending.toLowerCase()
  return name === 'csv' || name === 'tsv' ? name : 'ndjson'
}

async function formatOfText(lines: LineReader): Promise<RowFormat> {
  if (!(await lines.fill())) return 'csv'
  const first = lines.take()
  if (first === undefined) return 'csv'
  lines.unread([first])
  return /^\s*[{[]/.test(first.text) ? 'ndjson' : 'csv'
}

async function openRows(
  name: string,
  lines: LineReader,
  format: RowFormat,
  options: RowFileOptions,
): Promise<Pick<RowFile, 'attachmentsField' | 'read'>> {
  if (format === 'ndjson') {
    if (!(await lines.fill())) throw new UsageError(`${name} is empty: it has no row`, 'read_error')
    return {
      attachmentsField: options.attachmentsColumn ?? 'attachments',
      read: () => readJsonRows(name, lines, options),
    }
  }
  const delimiter = options.delimiter ?? (format === 'tsv' ? '\t' : undefined)
  const { columns, read } = await openCsvRows(name, lines, { ...options, delimiter })
  return { attachmentsField: columns.attachments?.variable, read }
}
