// One row of a batch: its recipient and its variables, checked before it is acknowledged.
// A row that cannot be a delivery is an error about that row alone.

import { FluxMailError, guarded, messageOf } from '../errors.js'
import { parseMailbox } from '../message/address.js'
import type { AddressInput, Mailbox } from '../message/email-parts.js'

/** A row: the recipient and, beside it, the variables of the templates. */
export type Row = { to: AddressInput } & Record<string, unknown>

/** The variables of one row as JSON: more than this is not a row but a document. */
const MAX_ROW_BYTES = 64 * 1024

export interface ParsedRow {
  readonly recipient: Mailbox
  readonly variables: Record<string, unknown>
  /** Equal for rows that mean the same delivery. */
  readonly canonical: string
}

/**
 * Checks a row.
 *
 * @throws FluxMailError `invalid_params`, `invalid_email` or `no_email`
 */
export function parseRow(row: unknown): ParsedRow {
  // A row may be anything, and looking at it may throw.
  return guarded('invalid_params', 'the row', () => readRow(row))
}

function readRow(row: unknown): ParsedRow {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new FluxMailError('invalid_params', 'a row must be an object { to, ...variables }')
  }
  const { to, ...rest } = row as Row
  if (to === undefined) throw withoutTo(Object.keys(rest))
  const recipient = parseMailbox(to, 'to')
  const variables = Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)))
  const json = jsonOf(variables)
  if (Buffer.byteLength(json) > MAX_ROW_BYTES) {
    throw new FluxMailError(
      'invalid_params',
      `the variables of a row must be under ${MAX_ROW_BYTES} bytes of JSON`,
    )
  }
  return { recipient, variables, canonical: `${recipient.name ?? ''}<${recipient.address}>${json}` }
}

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
