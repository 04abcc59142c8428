// The records of a CSV (RFC 4180) with the line of the file on which each begins.
// A record that cannot be read is an item like any other, and the next line is looked at as if it were not there:
// one stray quote must never swallow the rows behind it.

import { CsvError } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { countOf } from '../../terminal/text.js'
import { BrokenRow } from '../import/item.js'
import { type Line, type LineReader, maxLineLength } from '../import/lines.js'
import { closingQuote, everydayFields } from './everyday-fields.js'

export interface CsvRecord {
  readonly line: number
  readonly fields: readonly string[]
  /** As it stands in the file. */
  readonly text: string
}

interface Candidate {
  readonly lines: readonly Line[]
  /** Why it cannot be a record; undefined as long as it may be one. */
  readonly problem?: string
}

const recordsAtOnce = 256
const maxRecordLength = 64 * 1024
const unclosed = 'a quote is opened and not closed'
const misplaced = 'a quote stands where none may be'
const tooLong = `the line is longer than ${maxLineLength} characters`

export interface RecordFormat {
  readonly delimiter: string
  /** Records of another number of fields are broken; any number will do unless given. */
  readonly fieldCount?: number
}

/** The next records, without those that are empty; undefined at the end of the file. */
export async function readRecords(
  lines: LineReader,
  format: RecordFormat,
  atMost = recordsAtOnce,
): Promise<(CsvRecord | BrokenRow)[] | undefined> {
  const candidates = await takeCandidates(lines, format, atMost)
  if (candidates.length === 0) return undefined
  const parsed = parseAll(candidates, format)
  const items: (CsvRecord | BrokenRow)[] = []
  for (const [index, candidate] of candidates.entries()) {
    const item = toItem(candidate, parsed[index], format)
    if (item) items.push(item)
    if (!(item instanceof BrokenRow) || candidate.lines.length === 1) continue
    const later = candidates.slice(index + 1).flatMap((other) => other.lines)
    lines.unread([...candidate.lines.slice(1), ...later])
    break
  }
  return items
}

async function takeCandidates(
  lines: LineReader,
  { delimiter }: RecordFormat,
  atMost: number,
): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  while (candidates.length < atMost) {
    const line = lines.take()
    if (line === undefined) {
      // What is at hand is worked on before more is read.
      if (candidates.length > 0 || !(await lines.fill())) break
    } else if (line.isTooLong) candidates.push({ lines: [line], problem: tooLong })
    else if (isOpen(line.text)) candidates.push(await takeMore(line, lines, delimiter))
    else if (line.text.trim() !== '') candidates.push({ lines: [line] })
  }
  return candidates
}

function isOpen(text: string): boolean {
  let quotes = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) quotes += 1
  return quotes % 2 === 1
}

/** A quoted field may go on over lines, up to the quote that closes it; a quote within a word there is none. */
async function takeMore(first: Line, lines: LineReader, delimiter: string): Promise<Candidate> {
  const taken = [first]
  let length = first.text.length
  while (length <= maxRecordLength) {
    const line = lines.take() ?? ((await lines.fill()) ? lines.take() : undefined)
    if (line === undefined) break
    taken.push(line)
    length += line.text.length
    const end = closingQuote(line.text)
    if (end < 0) continue
    const behind = line.text.slice(end + 1)
    if (!/^([\r\n]|$)/.test(behind) && !behind.startsWith(delimiter)) break
    if (isOpen(line.text)) return { lines: taken }
  }
  return { lines: taken, problem: unclosed }
}

/** The fields of each, or why there are none. */
function parseAll(candidates: readonly Candidate[], format: RecordFormat): (string[] | string)[] {
  const unusual: number[] = []
  const parsed = candidates.map((candidate, index) => {
    if (candidate.problem !== undefined) return candidate.problem
    const fields = candidate.lines.length === 1 && everydayFields(textOf(candidate), format.delimiter)
    if (fields) return fields
    unusual.push(index)
    return misplaced
  })
  const texts = unusual.map((index) => textOf(candidates[index]))
  for (const [at, fields] of parseUnusual(texts, format).entries()) {
    const index = unusual[at]
    if (fields && index !== undefined) parsed[index] = fields
  }
  return parsed
}

function textOf(candidate: Candidate | undefined): string {
  const [first, ...others] = candidate?.lines ?? []
  if (others.length === 0) return withoutBreak(first?.text ?? '')
  return withoutBreak([first, ...others].map((line) => line?.text ?? '').join(''))
}

function withoutBreak(text: string): string {
  if (text.endsWith('\r\n')) return text.slice(0, -2)
  return text.endsWith('\n') || text.endsWith('\r') ? text.slice(0, -1) : text
}

/** Many in one go, which is several times as fast; undefined for each that is broken. */
function parseUnusual(texts: readonly string[], format: RecordFormat): (string[] | undefined)[] {
  const parsed: (string[] | undefined)[] = []
  while (parsed.length < texts.length) {
    const rest = texts.slice(parsed.length)
    try {
      const records = parseTexts(rest, format)
      if (records.length === rest.length) return parsed.concat(records)
      // Each has its quotes in pairs; should two ever be taken for one, none is trusted.
      return parsed.concat(rest.map(() => undefined))
    } catch (error) {
      if (!(error instanceof CsvError)) throw error
      const whole = Number(error.records)
      parsed.push(...parseTexts(rest.slice(0, whole), format), undefined)
    }
  }
  return parsed
}

function parseTexts(texts: readonly string[], { delimiter }: RecordFormat): string[][] {
  return parse(texts.join('\n'), { delimiter, record_delimiter: '\n', relax_column_count: true })
}

/** Undefined where every field is empty: a spreadsheet writes such lines behind its last row. */
function toItem(
  { lines }: Candidate,
  parsed: string[] | string | undefined,
  format: RecordFormat,
): CsvRecord | BrokenRow | undefined {
  const line = lines[0]?.number ?? 0
  const text = withoutBreak(lines[0]?.text ?? '')
  const broken = (reason: string) => new BrokenRow(line, reason, text)
  if (typeof parsed !== 'object') return broken(problemOf(lines, parsed))
  if (parsed.every((field) => field === '')) return undefined
  if (format.fieldCount !== undefined && parsed.length !== format.fieldCount) {
    return broken(`it has ${countOf(parsed.length, 'field')} and the header has ${format.fieldCount}`)
  }
  const strange = strangeIn(parsed)
  return strange === undefined ? { line, fields: parsed, text } : broken(strange)
}

/** What looks like a field over several lines is one line with a stray quote, when it cannot be read. */
function problemOf(lines: readonly Line[], problem: string | undefined): string {
  return problem === misplaced && lines.length > 1 ? unclosed : (problem ?? misplaced)
}

function strangeIn(fields: readonly string[]): string | undefined {
  for (const field of fields) {
    if (field.includes('\ufffd')) return 'it holds bytes that are not UTF-8'
    if (field.includes('\0')) return 'it holds a NUL'
  }
  return undefined
}
