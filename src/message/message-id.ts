// Message-IDs: made once for each email, and taken from callers for threads.
// The domain is the sender's or a configured one, never the name of the machine.

import { normalizeDomain } from './domain.js'
import { fieldError, kindOf, quoted } from './field-error.js'

// `Message-ID: <…>` on one line of at most 998 octets, with room to spare for In-Reply-To.
const maxLength = 900
const uniqueText = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/
// Looser than RFC 5322, 3.6.4: a thread must be answered whatever program began it.
const bracketed = /^<[!-;=?-~]+@[!-;=?-~]+>$/

/** `<uniquePart@domain>`. Throws `invalid_params` when the two do not make a Message-ID (RFC 5322, 3.6.4). */
export function createMessageId(uniquePart: string, domain: string): string {
  const normal = normalizeDomain(domain)
  if (!uniqueText.test(uniquePart) || uniquePart.length > 200 || normal === undefined) {
    throw fieldError(
      'invalid_params',
      'messageId',
      `${quoted(uniquePart)} and ${quoted(domain)} make no Message-ID`,
      'Give letters, digits, dots, - and _ for the one, and a domain for the other',
    )
  }
  return `<${uniquePart}@${normal}>`
}

/** A Message-ID with angle brackets, given with or without them. Throws `invalid_header`. */
export function parseMessageId(input: unknown, field: string): string {
  if (typeof input !== 'string') {
    throw fieldError(
      'invalid_params',
      field,
      `it is ${kindOf(input)}`,
      "Give a string such as '<id@example.com>'",
    )
  }
  const text = input.startsWith('<') || input.endsWith('>') ? input : `<${input}>`
  if (text.length <= maxLength && bracketed.test(text)) return text
  throw fieldError(
    'invalid_header',
    field,
    `${quoted(input)} is not one Message-ID`,
    `Give '<id@example.com>': ASCII without spaces, at most ${maxLength} characters`,
  )
}

/** Message-IDs from an array, oldest first; an item each. Throws as `parseMessageId` does. */
export function parseReferences(input: unknown, field: string): readonly string[] {
  if (input === undefined) return Object.freeze([])
  if (!Array.isArray(input)) {
    throw fieldError('invalid_params', field, `it is ${kindOf(input)}`, 'Give an array of Message-IDs')
  }
  return Object.freeze(Array.from(input, (item, index) => parseMessageId(item, `${field}[${index}]`)))
}
