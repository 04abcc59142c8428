// One row of a batch: its recipient and its variables, checked before it is acknowledged.
// A row that cannot be a delivery is an error about that row alone.

import type { FileRef } from '../content/content.js'
import { FluxMailError, guarded, messageOf } from '../errors.js'
import { parseMailbox } from '../message/address.js'
import type { FileContent } from '../message/attachment.js'
import type { AddressInput, Mailbox } from '../message/email-parts.js'
import type { PackedFile } from '../store/packed-rows.js'

/** A file that a row brings: its bytes, or text, never a path. */
export interface RowAttachment {
  readonly filename: string
  readonly content: FileContent
  /** Default: by `filename`. */
  readonly contentType?: string | undefined
}

/** A row: the recipient, `attachments` of its own, and, beside them, the variables of the templates. */
export type Row = { to: AddressInput } & Record<string, unknown>

/** The variables of one row as JSON: more than this is not a row but a document. */
const MAX_ROW_BYTES = 64 * 1024

export interface ParsedRow {
  readonly recipient: Mailbox
  readonly variables: Readonly<Record<string, unknown>>
  /** How it waits, as JSON: `[address, name or null, variables, files]`. Equal for rows that mean the same delivery. */
  readonly text: string
}

/**
 * Checks a row, whose own files are stored already.
 *
 * @throws FluxMailError `invalid_params`, `invalid_email` or `no_email`
 */
export function parseRow(row: unknown, files: readonly FileRef[] = []): ParsedRow {
  // A row may be anything, and looking at it may throw.
  return guarded('invalid_params', 'the row', () => readRow(row, files))
}

function readRow(row: unknown, files: readonly FileRef[]): ParsedRow {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new FluxMailError('invalid_params', 'a row must be an object { to, ...variables }')
  }
  const names = Object.keys(row)
  const to = Object.hasOwn(row, 'to') ? (row as Row).to : undefined
  if (to === undefined) throw withoutTo(names.filter((name) => name !== 'to'))
  const recipient = parseMailbox(to, 'to')
  const variables = variablesOf(row as Row, names)
  const json = jsonOf(variables)
  if (json.length > MAX_ROW_BYTES / 4 && Buffer.byteLength(json) > MAX_ROW_BYTES) {
    throw new FluxMailError(
      'invalid_params',
      `the variables of a row must be under ${MAX_ROW_BYTES} bytes of JSON`,
    )
  }
  const name = recipient.name === undefined ? 'null' : JSON.stringify(recipient.name)
  const own = files.length === 0 ? '' : `,${JSON.stringify(files.map(packedFile))}`
  return { recipient, variables, text: `[${JSON.stringify(recipient.address)},${name},${json}${own}]` }
}

function packedFile({ hash, filename, contentType, size }: FileRef): PackedFile {
  return [hash, filename, contentType, size]
}

/** The variables in the order of their names, so that equal rows have equal texts. */
function variablesOf(row: Row, names: readonly string[]): Record<string, unknown> {
  const variables: Record<string, unknown> = {}
  for (const name of inOrder(names)) {
    if (name === '__proto__') Object.defineProperty(variables, name, { value: row[name], ...plain })
    else variables[name] = row[name]
  }
  return variables
}

/** What the names of the last row came to: those of the next one are nearly always the same. */
let last: { readonly names: readonly string[]; readonly sorted: readonly string[] } = {
  names: [],
  sorted: [],
}

function inOrder(names: readonly string[]): readonly string[] {
  const isSame = names.length === last.names.length && names.every((name, at) => name === last.names[at])
  if (!isSame) last = { names, sorted: names.filter((name) => !reserved.has(name)).sort() }
  return last.sorted
}

/** Fields of a row that are no variables. */
const reserved: ReadonlySet<string> = new Set(['to', 'attachments'])

const plain = { enumerable: true, configurable: true, writable: true } as const

function withoutTo(fields: readonly string[]): FluxMailError {
  const has = fields.length > 0 ? `; this one has ${fields.slice(0, 5).join(', ')}` : ''
  return new FluxMailError('no_email', `a row needs \`to\`, the address of its recipient${has}`)
}

function jsonOf(variables: Record<string, unknown>): string {
  try {
    return JSON.stringify(variables)
  } catch (cause) {
    throw new FluxMailError('invalid_params', `the variables of a row must be JSON: ${messageOf(cause)}`, {
      cause,
    })
  }
}
