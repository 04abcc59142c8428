// Rows that are no deliveries, with the line of the file on which each stands.
// A person sees the first few; a file, if one is named, gets all of them.

import { closeSync, openSync, writeSync } from 'node:fs'
import { countOf, cut, visible } from '../terminal/text.js'
import { type Context, columnsOf, paintFor, say } from './context.js'
import { UsageError } from './failure.js'

export interface Reject {
  /** The line of the file; undefined where it is not known. */
  readonly line: number | undefined
  readonly reason: string
  readonly text: string
}

const SHOWN = 10
/** Some in a hundred are usual for a list of a million; a wrong column is all of them. */
const DEFAULT_MAX = 10_000

export interface RejectsOptions {
  /** Written from its beginning. */
  readonly file?: string | undefined
  /** One more ends the reading. Default: 10,000. */
  readonly max?: number | undefined
  /** What is wrong with them all. Default: they cannot be sent to. */
  readonly fault?: string | undefined
}

export class Rejects implements Disposable {
  readonly first: Reject[] = []
  #count = 0
  readonly #max: number
  readonly fault: string
  readonly #file: number | undefined

  /** @throws UsageError when `file` cannot be written */
  constructor({ file, max = DEFAULT_MAX, fault = 'cannot be sent to' }: RejectsOptions = {}) {
    this.#max = max
    this.fault = fault
    this.#file = file === undefined ? undefined : openForWriting(file)
    if (this.#file !== undefined) writeSync(this.#file, 'line,reason,row\r\n')
  }

  get count(): number {
    return this.#count
  }

  /** @throws UsageError when there are more than were allowed */
  add(reject: Reject): void {
    if (this.#count >= this.#max) throw tooMany(reject, this.#max, this.fault)
    this.#count += 1
    if (this.first.length < SHOWN) this.first.push(reject)
    if (this.#file === undefined) return
    const fields = [String(reject.line ?? ''), reject.reason, reject.text]
    writeSync(this.#file, `${fields.map(quoted).join(',')}\r\n`)
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file)
  }
}

function tooMany({ line, reason }: Reject, max: number, fault: string): UsageError {
  const where = line === undefined ? '' : ` at line ${line} (${briefly(reason)})`
  return new UsageError(
    `stopped${where}: more rows ${fault} than --max-rejects ${max} allows`,
    'invalid_params',
  )
}

/** Lines for a person: how many, the first of them, and where the others are. */
export function sayRejects(
  { stderr, env }: Context,
  rejects: Rejects,
  name: string,
  file: string | undefined,
): void {
  if (rejects.count === 0) return
  const paint = paintFor(stderr, env)
  const columns = columnsOf(stderr)
  say(stderr, paint('yellow', `${countOf(rejects.count, 'row')} of ${name} ${rejects.fault}:`))
  const inOrder = rejects.first.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0))
  for (const { line, reason } of inOrder) {
    say(stderr, cut(`  line ${line ?? '?'}: ${visible(briefly(reason))}`, columns))
  }
  const more = rejects.count - rejects.first.length
  if (more > 0)
    say(
      stderr,
      `  and ${countOf(more, 'row')} more${file === undefined ? '; --rejects FILE writes all of them' : ''}`,
    )
  if (file !== undefined) say(stderr, `  all of them are in ${file}`)
}

/** Without the field of the library that complains, and without its advice. */
function briefly(reason: string): string {
  return reason.replace(/^to(\.\w+)?: /, '').replace(/\. Give .*$/s, '')
}

function openForWriting(file: string): number {
  try {
    return openSync(file, 'w')
  } catch (cause) {
    throw new UsageError(`${file} cannot be written (--rejects)`, 'read_error', cause)
  }
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}
