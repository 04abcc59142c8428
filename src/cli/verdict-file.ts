// A file of verdicts, as it is made from the log of a relay: CSV with a header, or one JSON object a line.

import { createInterface } from 'node:readline'
import { parse } from 'csv-parse'
import type { ResolvedAs } from '../queue/resolve.js'
import type { Context, Input } from './context.js'
import { UsageError, unreadable } from './failure.js'
import { openStream } from './options.js'

export interface VerdictLine {
  readonly line: number
  /** The id of a delivery, or a Message-ID. */
  readonly id: string
  readonly recipient?: string
  readonly verdict: ResolvedAs
}

export interface WrongLine {
  readonly line: number
  readonly reason: string
}

type Fields = Readonly<Record<string, unknown>>

const idNames = ['delivery', 'id', 'messageid']
const verdictNames = ['verdict', 'outcome', 'status']
const recipientNames = ['recipient', 'to', 'address']

/** @throws UsageError when the file cannot be read, or is no such file */
export async function* readVerdicts(
  path: string,
  { stdin }: Context,
): AsyncGenerator<VerdictLine | WrongLine> {
  const stream: Input = path === '-' ? stdin : openStream(path)
  const isJson = /\.(ndjson|jsonl|json)$/i.test(path)
  try {
    for await (const { line, fields } of isJson ? jsonLines(stream) : csvRecords(stream)) {
      yield typeof fields === 'string' ? { line, reason: fields } : verdictOf(line, fields)
    }
  } catch (cause) {
    throw cause instanceof UsageError ? cause : unreadable(path, cause)
  }
}

type Numbered = { readonly line: number; readonly fields: Fields | string }

async function* jsonLines(stream: Input): AsyncGenerator<Numbered> {
  let line = 0
  for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1
    if (text.trim() !== '') yield { line, fields: parseJson(text) }
  }
}

function parseJson(text: string): Fields | string {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? byPlainName(value as Fields) : 'it is no JSON object'
  } catch {
    return 'it is no JSON'
  }
}

async function* csvRecords(stream: Input): AsyncGenerator<Numbered> {
  const parser = stream.pipe(
    parse({
      bom: true,
      columns: (names: string[]) => names.map(plainName),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }),
  )
  stream.once('error', (error) => parser.destroy(error))
  for await (const { record, info } of parser as AsyncIterable<{ record: Fields; info: { lines: number } }>) {
    if (info.lines < 1) continue
    if (!idNames.some((name) => name in record) || !verdictNames.some((name) => name in record))
      throw new UsageError(
        'the file needs a header that names the columns delivery or message_id, and verdict',
      )
    yield { line: info.lines, fields: record }
  }
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/g, '')
}

function byPlainName(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [plainName(name), value]))
}

function verdictOf(line: number, fields: Fields): VerdictLine | WrongLine {
  const id = textIn(fields, idNames)
  const said = textIn(fields, verdictNames)?.toLowerCase().replace(/[- ]/g, '_')
  const recipient = textIn(fields, recipientNames)
  if (id === undefined) return { line, reason: 'it names no delivery and no Message-ID' }
  if (said !== 'sent' && said !== 'not_sent')
    return { line, reason: 'its verdict is neither sent nor not_sent' }
  return { line, id, verdict: said, ...(recipient === undefined ? {} : { recipient }) }
}

function textIn(fields: Fields, names: readonly string[]): string | undefined {
  const found = names
    .map((name) => fields[name])
    .find((value) => typeof value === 'string' && value.trim() !== '')
  return typeof found === 'string' ? found.trim() : undefined
}
