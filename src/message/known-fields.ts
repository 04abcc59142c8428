// Reads an object of named fields once, and refuses a name that nobody would read, with the nearest that exists.
// It looks at own fields only, so that nothing set on Object.prototype becomes part of an email.

import { type ErrorCode, guarded } from '../errors.js'
import { fieldError, kindOf } from './field-error.js'
import { nearestName } from './nearest-name.js'

export interface FieldRule {
  /** Where the object stands, for the message: `attachments[0]`; empty for the fields of an email. */
  readonly path: string
  readonly known: readonly string[]
  /** Other words that people use for a known field. */
  readonly alias?: Readonly<Record<string, string>>
  readonly code?: ErrorCode
}

/**
 * The own fields of `input` as an object without a prototype; those that are `undefined` or `null` are left out.
 * Throws `invalid_params` (or `rule.code`) for what is no object and for a field that is not known.
 */
export function readKnownFields(input: unknown, rule: FieldRule): Readonly<Record<string, unknown>> {
  const code = rule.code ?? 'invalid_params'
  const shown = rule.path || 'fields'
  // Looking at a caller's object may throw: it may have getters, or be a proxy.
  const names = guarded(code, shown, () => {
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return Object.keys(input)
    throw fieldError(code, shown, `it is ${kindOf(input)}`, `Give an object with ${listed(rule.known)}`)
  })
  const fields: Record<string, unknown> = Object.create(null)
  for (const name of names) {
    if (!rule.known.includes(name)) throw unknownField(name, rule, code)
    const value = guarded(code, fieldPath(name, rule), () => Reflect.get(input as object, name))
    if (value !== undefined && value !== null) fields[name] = value
  }
  return fields
}

function unknownField(name: string, rule: FieldRule, code: ErrorCode) {
  const near = (Object.hasOwn(rule.alias ?? {}, name) && rule.alias?.[name]) || nearestName(name, rule.known)
  const shown = JSON.stringify(name.slice(0, 60))
  const guess = near ? `Did you mean ${near}? ` : ''
  return fieldError(
    code,
    fieldPath(name, rule),
    `there is no field ${shown}`,
    `${guess}Known are ${listed(rule.known)}`,
  )
}

function fieldPath(name: string, { path }: FieldRule): string {
  return path ? `${path}.${name.slice(0, 60)}` : name.slice(0, 60)
}

function listed(names: readonly string[]): string {
  return names.join(', ')
}
