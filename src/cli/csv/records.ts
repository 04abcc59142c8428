// The records of a CSV (RFC 4180) with the line of the file on which each begins.
// A record that cannot be read is an item like any other, and the next line is looked at as if it were not there:
// one stray quote must never swallow the rows behind it.

import { parse } from 'csv-parse/sync'
import { countOf } from '../../terminal/text.js'
import type { Line, LineReader } from './lines.js'

export interface CsvRecord {
  readonly line: number
  readonly fields: readonly string[]
}

export interface BrokenRecord {
  readonly line: number
  readonly reason: string
  /** What stands on that line. */
  readonly text: string
}

interface Candidate {
  readonly lines: readonly Line[]
  /** Whether every quote in it has its partner. */
  readonly closed: boolean
}

const recordsAtOnce = 100
const maxRecordLength = 64 * 1024
const unclosed = 'a quote is opened and not closed'

/** Whether an item is one that could not be read. */
export function isBroken(item: CsvRecord | BrokenRecord): item is BrokenRecord {
  return 'reason' in item
}

export interface RecordFormat {
  readonly delimiter: string
  /** Records of another number of fields are broken; any number will do unless given. */
  readonly fieldCount?: number
}

/** The next records, at least one; none at the end of the file. */
export async function readRecords(
  lines: LineReader,
  format: RecordFormat,
  atMost = recordsAtOnce,
): Promise<(CsvRecord | BrokenRecord)[]> {
  const candidates = await takeCandidates(lines, atMost)
  const parsed = parseTogether(candidates, format)
  const items: (CsvRecord | BrokenRecord)[] = []
  for (const [index, candidate] of candidates.entries()) {
    const item = toItem(candidate, parsed?.[index], format)
    items.push(item)
    if (!isBroken(item) || candidate.lines.length === 1) continue
    const later = candidates.slice(index + 1).flatMap((other) => other.lines)
    lines.unread([...candidate.lines.slice(1), ...later])
    break
  }
  return items
}

async function takeCandidates(lines: LineReader, atMost: number): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  while (candidates.length < atMost) {
    const candidate = await takeCandidate(lines)
    if (candidate === undefined) break
    candidates.push(candidate)
  }
  return candidates
}

async function takeCandidate(lines: LineReader): Promise<Candidate | undefined> {
  const taken: Line[] = []
  let quotes = 0
  let length = 0
  for (;;) {
    const line = await lines.next()
    if (line === undefined) return taken.length === 0 ? undefined : { lines: taken, closed: false }
    if (taken.length === 0 && line.text.trim() === '') continue
    taken.push(line)
    quotes += quotesIn(line.text)
    length += line.text.length
    if (quotes % 2 === 0) return { lines: taken, closed: true }
    if (length > maxRecordLength) return { lines: taken, closed: false }
  }
}

function quotesIn(text: string): number {
  let count = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count += 1
  return count
}

/** All of them in one go, which is four times as fast; undefined when one of them needs a closer look. */
function parseTogether(candidates: readonly Candidate[], format: RecordFormat): string[][] | undefined {
  if (candidates.some(({ closed }) => !closed)) return undefined
  try {
    const records = parseText(candidates.map(textOf).join(''), format)
    return records.length === candidates.length ? records : undefined
  } catch {
    return undefined
  }
}

function parseText(text: string, { delimiter }: RecordFormat): string[][] {
  return parse(text, { delimiter, record_delimiter: ['\r\n', '\n', '\r'], relax_column_count: true })
}

function textOf({ lines }: Candidate): string {
  return lines.length === 1 ? (lines[0]?.text ?? '') : lines.map(({ text }) => text).join('')
}

function toItem(
  candidate: Candidate,
  parsed: string[] | undefined,
  format: RecordFormat,
): CsvRecord | BrokenRecord {
  const first = candidate.lines[0]
  const line = first?.number ?? 0
  const broken = (reason: string) => ({ line, reason, text: first?.text.trimEnd() ?? '' })
  if (!candidate.closed) return broken(unclosed)
  const fields = parsed ?? parseAlone(candidate, format)
  if (typeof fields === 'string') return broken(fields)
  if (format.fieldCount !== undefined && fields.length !== format.fieldCount) {
    return broken(`it has ${countOf(fields.length, 'field')} and the header has ${format.fieldCount}`)
  }
  if (fields.some((field) => field.includes('\ufffd'))) return broken('it holds bytes that are not UTF-8')
  return { line, fields }
}

/** The fields, or why there are none. */
function parseAlone(candidate: Candidate, format: RecordFormat): string[] | string {
  try {
    return parseText(textOf(candidate), format)[0] ?? 'it is empty'
  } catch {
    return candidate.lines.length > 1 ? unclosed : 'a quote stands where none may be'
  }
}
