// How a refused field is told: which field, what was wrong with which value, and what to do instead.
// Every rule of this room throws through here, so that messages read alike and `details.field` is always set.

import { type ErrorCode, FluxMailError } from '../errors.js'

const longestQuote = 80

/** The error for one refused field; `problem` and `advice` are whole sentences without the full stop. */
export function fieldError(
  code: ErrorCode,
  field: string,
  problem: string,
  advice: string,
  cause?: unknown,
): FluxMailError {
  const message = `${field}: ${problem}. ${advice}.`
  return new FluxMailError(code, message, { details: { field }, ...(cause === undefined ? {} : { cause }) })
}

/** A value as a message may show it: on one line, cut short, with nothing a terminal or a log would obey. */
export function quoted(value: unknown): string {
  if (typeof value !== 'string') return kindOf(value)
  const short = value.length > longestQuote ? `${value.slice(0, longestQuote)}…` : value
  return JSON.stringify(short).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeCodePoint)
}

/** What a value is, in a reader's words: `an array`, `a number`, `nothing`. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'object') return isArray(value) ? 'an array' : 'an object'
  return `a ${typeof value}`
}

function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value)
  } catch {
    // A revoked proxy is not even that.
    return false
  }
}

function escapeCodePoint(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`
}
