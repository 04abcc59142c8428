// What callers may put into the header: a subject, an unsubscribe link and headers that are not ours.
// No value that passes here can end a line, add a header or grow a line past 998 octets (RFC 5322, 2.1.1).

import type { Header } from './email-parts.js'
import { fieldError, kindOf, quoted } from './field-error.js'
import { parseHeaderText } from './header-text.js'
import { readKnownFields } from './known-fields.js'

const maxLineOctets = 998
const maxSubjectLength = 998
const maxNameLength = 76
const maxValueOctets = 8192
// A header is folded at its spaces, so a single word must fit a line together with the longest name.
const maxWordLength = maxLineOctets - maxNameLength - 2
const maxUrlLength = maxLineOctets - 'List-Unsubscribe: <>'.length

const headerName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/

/** Headers that we write ourselves, with the field to use instead where there is one. */
const ownHeaders: ReadonlyMap<string, string> = new Map([
  ['from', 'sender'],
  ['to', 'recipients'],
  ['cc', 'cc'],
  ['bcc', 'bcc'],
  ['subject', 'subject'],
  ['date', 'date'],
  ['message-id', 'messageId'],
  ['reply-to', 'replyTo'],
  ['in-reply-to', 'inReplyTo'],
  ['references', 'references'],
  ['list-unsubscribe', 'unsubscribeUrl'],
  ['list-unsubscribe-post', 'unsubscribeUrl'],
  ['x-priority', 'priority'],
  ['x-msmail-priority', 'priority'],
  ['importance', 'priority'],
  ['priority', 'priority'],
  ['sender', 'sender'],
  ['mime-version', ''],
  ['return-path', ''],
  ['received', ''],
  ['received-spf', ''],
  ['authentication-results', ''],
  ['dkim-signature', ''],
  ['domainkey-signature', ''],
  ['delivered-to', ''],
  ['envelope-to', ''],
  ['apparently-to', ''],
])
const ownFamilies = ['content-', 'resent-', 'arc-']

/**
 * Further headers, from `{ 'X-Campaign': 'may' }` or `[{ name, value }]` (where a name may repeat), in order.
 * Throws `invalid_header` for a name that is ours or no name, and for a value that cannot stand in a header.
 */
export function parseHeaders(input: unknown, field: string): readonly Header[] {
  if (input === undefined || input === null) return Object.freeze([])
  if (typeof input !== 'object') {
    throw fieldError('invalid_params', field, `it is ${kindOf(input)}`, 'Give an object of names and values')
  }
  if (Array.isArray(input))
    return Object.freeze(Array.from(input, (item, index) => parseItem(item, field, index)))
  return Object.freeze(Object.entries(input).map(([name, value]) => parseHeader(name, value, field)))
}

/** A header name that callers may use. Throws `invalid_header`. */
export function parseHeaderName(input: unknown, field: string): string {
  const name = parseHeaderText(input, field)
  if (!headerName.test(name) || name.length > maxNameLength) {
    const advice = `Use letters, digits, -, _ and . , at most ${maxNameLength}`
    throw fieldError('invalid_header', field, `${quoted(name)} is no name of a header`, advice)
  }
  const lower = name.toLowerCase()
  const instead = ownHeaders.get(lower)
  if (instead === undefined && !ownFamilies.some((family) => lower.startsWith(family))) return name
  const advice = instead ? `Use the field ${instead}` : 'Leave it out'
  throw fieldError('invalid_header', field, `${name} is written by FluxMail`, advice)
}

/** A header value: one line, trimmed, any characters but controls. Throws `invalid_header`. */
export function parseHeaderValue(input: unknown, field: string): string {
  const value = parseHeaderText(input, field).trim()
  if (value === '') {
    throw fieldError('invalid_header', field, 'the value is empty', 'Leave the header out or give it a value')
  }
  if (Buffer.byteLength(value) > maxValueOctets) {
    throw fieldError(
      'invalid_header',
      field,
      'the value is too long',
      `Shorten it to ${maxValueOctets} octets`,
    )
  }
  refuseLongWord(value, field)
  return value
}

/** A subject: not empty, one line, at most 998 characters. Throws `invalid_params` (missing) or `invalid_header`. */
export function parseSubject(input: unknown, field = 'subject'): string {
  if (input === undefined || input === null || (typeof input === 'string' && input.trim() === '')) {
    throw fieldError(
      'invalid_params',
      field,
      'it is missing or empty',
      'Give a subject of at least one character',
    )
  }
  const subject = parseHeaderText(input, field)
  if (subject.length > maxSubjectLength) {
    const problem = `it is ${subject.length} characters long`
    throw fieldError('invalid_header', field, problem, `Shorten it to ${maxSubjectLength}`)
  }
  refuseLongWord(subject, field)
  return subject
}

/**
 * The https URL of a one-click unsubscribe (RFC 8058), in ASCII: other characters come back percent-encoded.
 * Throws `invalid_params` for what is no https URL, `invalid_header` for what cannot stand in its header line.
 */
export function parseUnsubscribeUrl(input: unknown, field = 'unsubscribeUrl'): string {
  const text = parseHeaderText(input, field)
  if (/[\s<>"\\^`{|}]/u.test(text)) {
    throw fieldError(
      'invalid_header',
      field,
      `${quoted(text)} holds a character that no URL holds`,
      'Percent-encode it',
    )
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' || !/^https:\/\/[^/]/i.test(text)) {
    const advice = "Give one such as 'https://example.com/unsubscribe?id=1'"
    throw fieldError('invalid_params', field, `${quoted(text)} is no https URL`, advice)
  }
  // An ASCII URL stays as it was given: its path may be signed.
  const ascii = /^[!-~]+$/.test(text) ? text : url.href
  if (ascii.length <= maxUrlLength) return ascii
  const problem = `it is ${ascii.length} characters long, and its header line ends at ${maxLineOctets} octets`
  throw fieldError('invalid_header', field, problem, `Shorten it to ${maxUrlLength}`)
}

// Words in other scripts become encoded words, which are short.
function refuseLongWord(text: string, field: string): void {
  if (!text.split(' ').some((word) => word.length > maxWordLength && /^[ -~]*$/.test(word))) return
  const advice = `Put spaces into it: a line ends at ${maxLineOctets} octets and is folded at spaces`
  throw fieldError('invalid_header', field, `a word is longer than ${maxWordLength} octets`, advice)
}

function parseItem(item: unknown, field: string, index: number): Header {
  const path = `${field}[${index}]`
  const { name, value } = readKnownFields(item, { path, known: ['name', 'value'] })
  return Object.freeze({
    name: parseHeaderName(name, `${path}.name`),
    value: parseHeaderValue(value, `${path}.value`),
  })
}

function parseHeader(name: string, value: unknown, field: string): Header {
  const known = parseHeaderName(name, field)
  return Object.freeze({ name: known, value: parseHeaderValue(value, `${field}.${known}`) })
}
