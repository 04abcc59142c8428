// The plain values among an email's fields: bodies, flags, priority and date.
// A flag is a boolean: the string 'false' must never mean yes.

import { types } from 'node:util'
import type { Priority } from './email-parts.js'
import { fieldError, kindOf, quoted } from './field-error.js'

// RFC 5322, 3.3 writes a year in four digits.
const lastDateMs = Date.UTC(9999, 11, 31, 23, 59, 59)

/** Text of any length, also empty. Throws `invalid_params`. */
export function parseBody(input: unknown, field: string): string {
  if (typeof input === 'string') return input
  const problem = input === undefined ? 'it is missing' : `it is ${kindOf(input)}, not a string`
  throw fieldError('invalid_params', field, problem, 'Give the text as a string')
}

/** A boolean, false when left out. Throws `invalid_params`. */
export function parseFlag(input: unknown, field: string): boolean {
  if (input === undefined) return false
  if (typeof input === 'boolean') return input
  throw fieldError('invalid_params', field, `${quoted(input)} is no boolean`, 'Give true or false')
}

/** Throws `invalid_priority`. */
export function parsePriority(input: unknown, field: string): Priority {
  if (input === 'high' || input === 'normal' || input === 'low') return input
  throw fieldError(
    'invalid_priority',
    field,
    `${quoted(input)} is no priority`,
    "Give 'high', 'normal' or 'low'",
  )
}

/** Milliseconds of a Date between 1970 and 9999; `defaultMs` when left out. Throws `invalid_params`. */
export function parseDate(input: unknown, defaultMs: number, field: string): number {
  if (input === undefined) return defaultMs
  const ms = types.isDate(input) ? Date.prototype.getTime.call(input) : Number.NaN
  if (ms >= 0 && ms <= lastDateMs) return ms
  const problem = types.isDate(input)
    ? 'it is no date between 1970 and 9999'
    : `it is ${kindOf(input)}, not a Date`
  throw fieldError('invalid_params', field, problem, 'Give a valid Date or leave it out')
}
