// What the flags of `fluxmail enqueue` say of the rows: which file, how it is read, and what a row must be.

import { defaultMaxAttachmentBytes } from '../mail-queue.js'
import type { Progress } from '../terminal/progress.js'
import { type Context, say } from './context.js'
import { UsageError } from './failure.js'
import { type Encoding, encodings } from './import/decode.js'
import { RowCheck } from './import/row-check.js'
import { formats, openRowFile, type RowFile, type RowFormat } from './import/row-file.js'
import { RowFiles } from './import/row-files.js'

export interface RowOptions {
  readonly rows?: string
  readonly csv?: string
  readonly format?: RowFormat
  readonly encoding?: Encoding
  readonly delimiter?: string
  readonly toColumn?: string
  readonly nameColumn?: string
  readonly attachmentsColumn?: string
  readonly attachmentsFolder?: string
  readonly allowDuplicates?: boolean
}

/** @throws UsageError */
export function parseFormat(text: string): RowFormat {
  const found = formats.find((format) => format === (text === 'jsonl' ? 'ndjson' : text.toLowerCase()))
  if (found) return found
  throw new UsageError(`--format takes ${formats.join(', ')}, not "${text}"`)
}

const otherNames: Readonly<Record<string, Encoding>> = {
  utf8: 'utf-8',
  'latin-1': 'latin1',
  'iso-8859-1': 'latin1',
  'windows-1252': 'latin1',
}

/** @throws UsageError */
export function parseEncoding(text: string): Encoding {
  const name = text.toLowerCase()
  const found = encodings.find((encoding) => encoding === name) ?? otherNames[name]
  if (found) return found
  throw new UsageError(`--encoding takes ${encodings.join(', ')}, not "${text}"`)
}

/** @throws UsageError */
export function parseDelimiter(text: string): string {
  const delimiter = text === 'tab' || text === '\\t' ? '\t' : text
  if (delimiter.length === 1 && !/["\r\n]/.test(delimiter)) return delimiter
  throw new UsageError(`--delimiter takes one character, or tab, not "${text}"`)
}

/** Opens the rows; `progress` makes way for what there is to say of them. */
export async function openRows(
  options: RowOptions,
  { stdin, stderr, signal }: Context,
  progress: Progress,
): Promise<RowFile> {
  return openRowFile(rowsPath(options), {
    ...options,
    stdin,
    signal,
    onLatin1() {
      const show = progress.hide()
      say(stderr, `${rowsName(options)} is not UTF-8: read as Latin-1 (--encoding utf-8 insists)`)
      show()
    },
  })
}

export function rowsPath({ rows, csv }: RowOptions): string {
  const path = rows ?? csv
  if (path === undefined) throw new UsageError('--rows FILE is missing: where the recipients are')
  if (rows !== undefined && csv !== undefined) throw new UsageError('--rows and --csv are the same: give one')
  return path
}

/** What messages call it. */
export function rowsName(options: RowOptions): string {
  const path = rowsPath(options)
  return path === '-' ? 'standard input' : path
}

export function checkOf(options: RowOptions, file: RowFile): RowCheck {
  const { attachmentsField } = file
  const folder = options.attachmentsFolder ?? file.folder
  return new RowCheck({
    allowDuplicates: options.allowDuplicates,
    attachmentsField,
    files: attachmentsField === undefined ? undefined : new RowFiles(folder, defaultMaxAttachmentBytes),
  })
}
