// What no text of a header may hold: characters that end a line, end a string or cannot be encoded.
// One rule for names, subjects, header values and file names, so that none of them is weaker than the others.

import type { ErrorCode } from '../errors.js'
import { fieldError, kindOf } from './field-error.js'

// Unpaired surrogates have no UTF-8 form, and U+2028 and U+2029 end a line for many readers.
const forbidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u

const names: Readonly<Record<string, string>> = {
  '\0': 'a NUL',
  '\t': 'a tab',
  '\n': 'a line feed',
  '\r': 'a carriage return',
}

/** Returns `input` if it is a string without control characters; throws `code` with where the first one stands. */
export function parseHeaderText(input: unknown, field: string, code: ErrorCode = 'invalid_header'): string {
  if (typeof input !== 'string') {
    throw fieldError('invalid_params', field, `it is ${kindOf(input)}, not a string`, 'Give a string')
  }
  const at = input.search(forbidden)
  if (at < 0) return input
  throw fieldError(
    code,
    field,
    `${nameOf(input, at)} stands at character ${at + 1}`,
    'Remove it: text of a header is one line without control characters',
  )
}

/** Thousands of messages have the same second. */
let lastDate = { second: Number.NaN, text: '' }

/** A date as RFC 5322, 3.3 writes it, in UTC. */
export function dateText(date: Date): string {
  const second = Math.floor(date.getTime() / 1000)
  if (second !== lastDate.second) lastDate = { second, text: date.toUTCString().replace('GMT', '+0000') }
  return lastDate.text
}

function nameOf(text: string, at: number): string {
  const codePoint = text.codePointAt(at) ?? 0
  const name = names[String.fromCodePoint(codePoint)]
  const number = `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`
  return name ? `${name} (${number})` : `the character ${number}`
}
