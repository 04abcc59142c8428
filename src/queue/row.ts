// One row of a batch: its recipient and its variables, checked before it is acknowledged.
// A row that cannot be a delivery is an error about that row alone.

import type { FileRef } from '../content/content.js'
import { FluxMailError, guarded, messageOf } from '../errors.js'
import { parseMailbox } from '../message/address.js'
import type { FileContent } from '../message/attachment.js'
import type { AddressInput, Mailbox } from '../message/email-parts.js'
import type { ChunkText } from '../store/chunk-text.js'
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
}

/**
 * Checks a row as it is when it is enqueued.
 *
 * @throws FluxMailError `invalid_params`, `invalid_email` or `no_email`
 */
export function parseRow(row: unknown): ParsedRow {
  return guarded('invalid_params', 'the row', () => {
    const read = readRow(row)
    const variables = variablesOf(read)
    jsonOf(variables)
    return { recipient: read.recipient, variables }
  })
}

/**
 * Checks a row, whose own files are stored already, and writes how it waits, as JSON:
 * `[address, name or null, variables, files]`. Equal for rows that mean the same delivery.
 *
 * @throws FluxMailError `invalid_params`, `invalid_email` or `no_email`
 */
export function writeRow(text: ChunkText, row: unknown, files: readonly FileRef[] = []): void {
  // A row may be anything, and looking at it may throw.
  guarded('invalid_params', 'the row', () => writeParts(text, readRow(row), files))
}

/** A row whose recipient is one, and its variables in the order of their names. */
interface ReadRow {
  readonly recipient: Mailbox
  readonly shape: Shape
  readonly values: readonly unknown[]
  /** Whether nothing but their JSON can come of them, and none is a document by itself. */
  readonly isPlain: boolean
}

function readRow(row: unknown): ReadRow {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new FluxMailError('invalid_params', 'a row must be an object { to, ...variables }')
  }
  const names = Object.keys(row)
  const to = Object.hasOwn(row, 'to') ? (row as Row).to : undefined
  if (to === undefined) throw withoutTo(names.filter((name) => name !== 'to'))
  const recipient = parseMailbox(to, 'to')
  const shape = shapeOf(names)
  const values: unknown[] = []
  let isPlain = true
  for (const name of shape.sorted) {
    const value = (row as Row)[name]
    isPlain &&= isPlainValue(value)
    values.push(value)
  }
  return { recipient, shape, values, isPlain }
}

function writeParts(text: ChunkText, read: ReadRow, files: readonly FileRef[]): void {
  const { address, name } = read.recipient
  text.bytes(json.opening)
  text.string(address)
  if (name === undefined) text.bytes(json.noName)
  else {
    text.bytes(json.comma)
    text.string(name)
    text.bytes(json.comma)
  }
  writeVariables(text, read)
  if (files.length > 0) text.json(`,${JSON.stringify(files.map(packedFile))}`)
  text.bytes(json.closing)
}

const json = {
  opening: Buffer.from('['),
  noName: Buffer.from(',null,'),
  comma: Buffer.from(','),
  closing: Buffer.from(']'),
  noVariables: Buffer.from('{}'),
  end: Buffer.from('}'),
} as const

function writeVariables(text: ChunkText, read: ReadRow): void {
  const { shape, values, isPlain } = read
  const start = text.length
  if (shape.keys === undefined || !isPlain) text.json(jsonOf(variablesOf(read)))
  else writePlain(text, shape.keys, values, start + MAX_ROW_BYTES)
  if (text.length - start > MAX_ROW_BYTES) throw tooLarge()
}

function isPlainValue(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= MAX_ROW_BYTES
  return typeof value === 'number' || typeof value === 'boolean' || value === null
}

/** Stops somewhere after `most` bytes. */
function writePlain(
  text: ChunkText,
  keys: readonly Uint8Array[],
  values: readonly unknown[],
  most: number,
): void {
  for (let at = 0; at < keys.length && text.length <= most; at += 1) {
    const [key, value] = [keys[at], values[at]]
    if (key !== undefined) text.bytes(key)
    if (typeof value === 'string') text.string(value)
    else text.json(JSON.stringify(value))
  }
  text.bytes(keys.length === 0 ? json.noVariables : json.end)
}

function tooLarge(): FluxMailError {
  const message = `the variables of a row must be under ${MAX_ROW_BYTES} bytes of JSON`
  return new FluxMailError('invalid_params', message)
}

function packedFile({ hash, filename, contentType, size }: FileRef): PackedFile {
  return [hash, filename, contentType, size]
}

/** The variables in the order of their names, so that equal rows have equal texts. */
function variablesOf({ shape, values }: ReadRow): Record<string, unknown> {
  const variables: Record<string, unknown> = {}
  for (const [at, name] of shape.sorted.entries()) {
    if (name === '__proto__') Object.defineProperty(variables, name, { value: values[at], ...plain })
    else variables[name] = values[at]
  }
  return variables
}

/** What the names of the fields of a row come to. */
interface Shape {
  readonly names: readonly string[]
  /** Those of variables. */
  readonly sorted: readonly string[]
  /** What stands before each value in JSON; undefined where an object would not keep the order. */
  readonly keys: readonly Uint8Array[] | undefined
}

/** That of the last row: the next one nearly always has the same. */
let last: Shape = { names: [], sorted: [], keys: [] }

function shapeOf(names: readonly string[]): Shape {
  if (!isSame(names, last.names)) {
    const sorted = names.filter((name) => !reserved.has(name)).sort()
    const isKept = !sorted.some((name) => /^\d+$/.test(name))
    last = { names, sorted, keys: isKept ? sorted.map(keyOf) : undefined }
  }
  return last
}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  if (names.length !== others.length) return false
  for (let at = 0; at < names.length; at += 1) if (names[at] !== others[at]) return false
  return true
}

function keyOf(name: string, at: number): Uint8Array {
  return Buffer.from(`${at === 0 ? '{' : ','}${JSON.stringify(name)}:`)
}

/** Fields of a row that are no variables. */
const reserved: ReadonlySet<string> = new Set(['to', 'attachments'])

const plain = { enumerable: true, configurable: true, writable: true } as const

function withoutTo(fields: readonly string[]): FluxMailError {
  const has = fields.length > 0 ? `; this one has ${fields.slice(0, 5).join(', ')}` : ''
  return new FluxMailError('no_email', `a row needs \`to\`, the address of its recipient${has}`)
}

function jsonOf(variables: Record<string, unknown>): string {
  const all = stringified(variables)
  if (all.length > MAX_ROW_BYTES / 4 && Buffer.byteLength(all) > MAX_ROW_BYTES) throw tooLarge()
  return all
}

function stringified(variables: Record<string, unknown>): string {
  try {
    return JSON.stringify(variables)
  } catch (cause) {
    throw new FluxMailError('invalid_params', `the variables of a row must be JSON: ${messageOf(cause)}`, {
      cause,
    })
  }
}
