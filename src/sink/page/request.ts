// What a request may ask for, read from its query and path, or refused with a reason.

import { FluxMailError } from '../../errors.js'
import type { Inbox, RecordedMessage } from '../inbox.js'
import type { Selection } from './selection.js'

const defaultLimit = 50
const maxLimit = 500

/** `to`, `limit` (1 to 500, default 50) and `offset` of a query. Throws invalid_params. */
export function parseSelection(query: unknown): Selection {
  const { to, limit, offset } = query as Record<string, unknown>
  return {
    to: typeof to === 'string' ? to.trim() : '',
    limit: wholeNumber('limit', limit, defaultLimit, 1, maxLimit),
    offset: wholeNumber('offset', offset, 0, 0, Number.MAX_SAFE_INTEGER),
  }
}

/** The message of that id; throws an error that is answered with 404. */
export function messageOfId(inbox: Inbox, id: string): RecordedMessage {
  const message = inbox.find(id)
  if (!message) throw notFound(`There is no message ${id}`)
  return message
}

export function notFound(text: string): Error {
  return Object.assign(new Error(text), { statusCode: 404 })
}

function wholeNumber(name: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined || value === '') return fallback
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new FluxMailError('invalid_params', `${name} must be a whole number from ${min} to ${max}`)
}
