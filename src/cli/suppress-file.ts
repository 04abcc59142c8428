// A file of addresses that nothing is to be sent to: CSV or NDJSON with what is known of each, or one address a line.

import { systemClock } from '../clock.js'
import { messageOf } from '../errors.js'
import type { SuppressionInput } from '../queue/suppressions.js'
import { openCsvRows } from './csv/csv-rows.js'
import { UsageError } from './failure.js'
import type { DecodeOptions } from './import/decode.js'
import { BrokenRow, type Item, tidy } from './import/item.js'
import type { LineReader } from './import/lines.js'
import { readJsonRows } from './import/ndjson-rows.js'
import { type OpenLines, openLines } from './import/open-lines.js'
import type { SourceOptions } from './import/source.js'

export interface SuppressFileOptions extends DecodeOptions, SourceOptions {
  readonly delimiter?: string | undefined
  /** The column of the address. */
  readonly toColumn?: string | undefined
}

export interface SuppressFile extends OpenLines {
  /** The next entries with their lines; undefined at the end. */
  read(): Promise<(NumberedEntry | BrokenRow)[] | undefined>
}

export interface NumberedEntry {
  readonly line: number
  readonly entry: SuppressionInput
}

/** Opens a file, `-` for standard input. Throws UsageError for what cannot be used as one. */
export async function openSuppressFile(path: string, options: SuppressFileOptions): Promise<SuppressFile> {
  return openLines(path, options, async (name, lines) => ({ read: await readerOf(name, lines, options) }))
}

type Read = SuppressFile['read']

async function readerOf(name: string, lines: LineReader, options: SuppressFileOptions): Promise<Read> {
  const first = await firstLine(lines)
  if (first === undefined) throw new UsageError(`${name} is empty: it has no address`, 'read_error')
  const { toColumn } = options
  if (/^\s*[{[]/.test(first)) {
    return async () => entriesOf(await readJsonRows(name, lines, { toColumn }))
  }
  if (isAddress(first)) return () => readList(lines)
  const { read } = await openCsvRows(name, lines, { toColumn, delimiter: options.delimiter })
  return async () => entriesOf(await read())
}

/** The first line that holds something, put back for whoever reads on. */
async function firstLine(lines: LineReader): Promise<string | undefined> {
  while (await lines.fill()) {
    const line = lines.take()
    if (line === undefined || line.text.trim() === '' || isComment(line.text)) continue
    lines.unread([line])
    return line.text.trim()
  }
  return undefined
}

/** A header names columns, and no column is named like this. */
function isAddress(text: string): boolean {
  return /^"?[^\s,;|"]*@[^\s@]+$/.test(text)
}

function isComment(text: string): boolean {
  return text.trimStart().startsWith('#')
}

const linesAtOnce = 256

async function readList(lines: LineReader): ReturnType<Read> {
  const entries: (NumberedEntry | BrokenRow)[] = []
  while (entries.length < linesAtOnce) {
    const line = lines.take()
    if (line === undefined) {
      if (entries.length > 0) return entries
      if (!(await lines.fill())) return undefined
      continue
    }
    const text = tidy(line.text).replace(/^"(.*)"$/, '$1')
    if (text !== '' && !isComment(text)) entries.push({ line: line.number, entry: text })
  }
  return entries
}

function entriesOf(items: readonly Item[] | undefined): (NumberedEntry | BrokenRow)[] | undefined {
  return items?.map((item) => (item instanceof BrokenRow ? item : entryOf(item)))
}

const expiryNames = ['expires_at', 'expiresat', 'expires', 'until']

function entryOf({ line, row }: Exclude<Item, BrokenRow>): NumberedEntry | BrokenRow {
  const address = typeof row.to === 'object' && row.to !== null ? row.to.address : String(row.to)
  const fields = new Map(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]))
  const reason = textOf(fields.get('reason'))
  try {
    const since = dateOf('since', fields.get('since'))
    const expiresAt = dateOf('expires_at', expiryNames.map((name) => fields.get(name)).find(textOf))
    if (expiresAt && expiresAt.getTime() <= systemClock.now())
      throw new UsageError(`expires_at: ${expiresAt.toISOString()} is over already`)
    const known = {
      ...(reason === undefined ? {} : { reason }),
      ...(since === undefined ? {} : { since }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    }
    return { line, entry: { address, ...known } }
  } catch (error) {
    return new BrokenRow(line, messageOf(error), address)
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? tidy(value) : undefined
}

function dateOf(name: string, value: unknown): Date | undefined {
  const text = textOf(value)
  if (text === undefined) return undefined
  const date = new Date(text)
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date
  throw new UsageError(`${name}: it is no time such as 2027-03-01 or 2027-03-01T12:00Z`)
}
