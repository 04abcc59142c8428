// Addresses in and out: one string is one mailbox, checked whole, in one normal form.
// Nodemailer's parser reads what ours has read; where the two disagree the address is refused.
// Nothing here may ever pick one address out of several.

import addressparser from 'nodemailer/lib/addressparser'
import { normalizeDomain } from './domain.js'
import type { Mailbox } from './email-parts.js'
import { fieldError, kindOf, quoted } from './field-error.js'
import { parseHeaderText } from './header-text.js'
import { readKnownFields } from './known-fields.js'

const maxInputLength = 2000
// What nobody reads in two ways, and most addresses are. A label of two hyphens may be punycode; the last label begins
// with a letter, so that it is no number in any base.
const everydayLocal = /^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*$/
const everydayDomain =
  /^(?=.{1,253}$)(?!.*--)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/
// Most of a list are in few domains, which are looked at once.
const lowerDomains = new Map<string, string>()
const MOST_DOMAINS = 1_000
const maxLocalOctets = 64
const maxNameLength = 256

// Invisible characters are refused in a local part, since two that look alike would be two mailboxes.
const dotAtom = /^[^\s"(),.:;<>@[\\\]\p{C}\p{Z}]+(?:\.[^\s"(),.:;<>@[\\\]\p{C}\p{Z}]+)*$/u
// Angle brackets end an address for many relays, quoted or not.
const quotedText = /^(?: |[^<>\p{C}\p{Z}])+$/u
const quotedAddress = /^"((?:[^"\\]|\\.)*)"@(.*)$/su
const named = /^(?:"((?:[^"\\]|\\.)*)" *|([^"<]*))<(.*)>$/su
const unquotedName = /^[^"(),:;<>@[\\\]]*$/u
const plainName = /^[\p{L}\p{M}\p{N}][\p{L}\p{M}\p{N}'’ -]*$/u

export interface MailboxesOptions {
  /** Refuses a missing or empty list with `invalid_params`. */
  readonly required: boolean
}

/**
 * One mailbox from `'ada@example.com'`, `'Ada <ada@example.com>'` or `{ name, address }`.
 * The domain comes back as lower-case punycode; the local part keeps its case, at most 64 octets, as a dot-atom or
 * (where it must be) a quoted string. Not taken: lists, groups, comments, spaces around the address, control
 * characters, invisible characters or angle brackets in the local part, domain literals such as `user@[127.0.0.1]`,
 * and domains that are numbers. Local parts in other scripts are taken, and need a relay with SMTPUTF8 (RFC 6531).
 * Throws `no_email` for what is empty and `invalid_email` otherwise, with `details.field`.
 */
export function parseMailbox(input: unknown, field: string): Mailbox {
  if (input === undefined || input === null) throw emptyAddress(field)
  if (typeof input === 'string') return parseMailboxText(input, field)
  if (typeof input === 'object' && !Array.isArray(input)) return parseMailboxObject(input, field)
  throw invalidEmail(field, `it is ${kindOf(input)}, not an address`)
}

/**
 * Mailboxes from an array, or from a single address. Positions stand in messages as `recipients[1]`.
 * Throws as `parseMailbox` does, and `invalid_params` for an empty list that is `required`.
 */
export function parseMailboxes(input: unknown, field: string, options: MailboxesOptions): readonly Mailbox[] {
  const list = input === undefined || input === null ? [] : input
  if (!Array.isArray(list)) return Object.freeze([parseMailbox(list, field)])
  if (options.required && list.length === 0) {
    throw fieldError('invalid_params', field, 'it holds no address', 'Give an array of at least one address')
  }
  // Array.from visits holes too, which map would pass over in silence.
  return Object.freeze(Array.from(list, (item, index) => parseMailbox(item, `${field}[${index}]`)))
}

/** The domain of an address in normal form. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}

/** Each address once, in the order in which they came first; frozen. */
export function uniqueMailboxes(mailboxes: readonly Mailbox[]): readonly Mailbox[] {
  const byAddress = new Map<string, Mailbox>()
  for (const mailbox of mailboxes) {
    if (!byAddress.has(mailbox.address)) byAddress.set(mailbox.address, mailbox)
  }
  return Object.freeze([...byAddress.values()])
}

/** The mailbox as people read it: `Ada <ada@example.com>`, the name quoted where it must be. Not encoded for a header. */
export function formatMailbox(mailbox: Mailbox): string {
  const { name, address } = mailbox
  if (!name) return address
  return `${plainName.test(name) ? name : quote(name)} <${address}>`
}

function parseMailboxText(text: string, field: string): Mailbox {
  const everyday = everydayAddress(text)
  if (everyday !== undefined) return asMailbox(undefined, everyday)
  if (text.trim() === '') throw emptyAddress(field)
  if (text.length > maxInputLength) throw invalidEmail(field, `it is ${text.length} characters long`)
  parseHeaderText(text, field, 'invalid_email')
  if (text !== text.trim()) throw invalidEmail(field, `${quoted(text)} begins or ends with a space`)
  const parts = named.exec(text)
  const mailbox = parts ? parseNamed(parts, text, field) : asMailbox(undefined, parseAddress(text, field))
  refuseOtherReading(text, mailbox, field)
  return mailbox
}

function parseNamed(parts: RegExpExecArray, text: string, field: string): Mailbox {
  const [, quotedName, bareName = '', inner = ''] = parts
  if (quotedName === undefined && !unquotedName.test(bareName)) {
    throw invalidEmail(
      field,
      `in ${quoted(text)} the name holds a character that needs quotes around the name`,
    )
  }
  const name = quotedName === undefined ? bareName : unescaped(quotedName)
  return asMailbox(parseName(name, field), parseAddress(inner, field))
}

function parseMailboxObject(input: object, field: string): Mailbox {
  const fields = readKnownFields(input, {
    path: field,
    known: ['name', 'address'],
    alias: { email: 'address', mail: 'address' },
    code: 'invalid_email',
  })
  const { name, address } = fields
  if (address === undefined || (typeof address === 'string' && address.trim() === '')) {
    throw emptyAddress(`${field}.address`)
  }
  if (typeof address !== 'string') throw invalidEmail(`${field}.address`, `it is ${kindOf(address)}`)
  const everyday = everydayAddress(address)
  if (everyday !== undefined) return asMailbox(optionalName(name, field), everyday)
  parseHeaderText(address, `${field}.address`, 'invalid_email')
  const parsed = parseAddress(address, `${field}.address`)
  const mailbox = asMailbox(optionalName(name, field), parsed)
  refuseOtherReading(address, mailbox, `${field}.address`)
  return mailbox
}

/** An everyday address in its normal form, undefined for any other. */
function everydayAddress(text: string): string | undefined {
  const at = text.indexOf('@')
  if (at < 1 || at > maxLocalOctets || !everydayLocal.test(text.slice(0, at))) return undefined
  const domain = text.slice(at + 1)
  const lower = lowerDomains.get(domain) ?? lowerDomain(domain)
  if (lower === undefined) return undefined
  return lower === domain ? text : text.slice(0, at + 1) + lower
}

function lowerDomain(given: string): string | undefined {
  if (!everydayDomain.test(given)) return undefined
  // A copy: a slice would keep all of the text that it was cut from.
  const domain = Buffer.from(given, 'latin1').toString('latin1')
  const lower = domain.toLowerCase()
  if (lowerDomains.size >= MOST_DOMAINS) lowerDomains.clear()
  lowerDomains.set(domain, lower)
  return lower
}

function optionalName(name: unknown, field: string): string | undefined {
  return name === undefined ? undefined : parseName(name, `${field}.name`)
}

function parseName(input: unknown, field: string): string {
  const name = parseHeaderText(input, field, 'invalid_email').trim()
  if (name.length > maxNameLength) {
    const problem = `the name is ${name.length} characters long`
    throw fieldError('invalid_email', field, problem, `Shorten it to ${maxNameLength}`)
  }
  return name
}

/** An address without a name, checked whole and in its normal form. */
function parseAddress(text: string, field: string): string {
  const inQuotes = quotedAddress.exec(text)
  const at = text.indexOf('@')
  const local = inQuotes ? unescaped(inQuotes[1] ?? '') : text.slice(0, at)
  const domain = inQuotes ? (inQuotes[2] ?? '') : text.slice(at + 1)
  if (at < 0) throw invalidEmail(field, `${quoted(text)} has no @`)
  if (!(inQuotes ? quotedText : dotAtom).test(local) || hidesSpecials(local)) {
    throw invalidEmail(field, `${quoted(text)} ${localProblem(text, local)}`)
  }
  const wire = dotAtom.test(local) ? local : quote(local)
  if (Buffer.byteLength(wire) > maxLocalOctets) {
    throw invalidEmail(field, `in ${quoted(text)} the part before the @ is over ${maxLocalOctets} octets`)
  }
  const normal = normalizeDomain(domain)
  if (normal === undefined) throw invalidEmail(field, `in ${quoted(text)} ${domainProblem(domain)}`)
  return `${wire}@${normal}`
}

function localProblem(text: string, local: string): string {
  if (local === '') return 'has nothing before its @'
  if (/[<>]/.test(local)) return 'has an angle bracket before its @'
  if (/[,;]/.test(text)) return 'holds more than one address'
  if (/\s/.test(local)) return 'holds a space outside quotes'
  if (/[:()]/.test(local)) return 'holds a group or a comment'
  return 'has a part before its @ that is neither a dot-atom nor a quoted string'
}

function domainProblem(domain: string): string {
  if (domain === '') return 'nothing follows the @'
  if (domain.startsWith('[')) return 'the domain is an IP address in brackets, and only names are taken'
  if (/[,;]/.test(domain)) return 'there is more than one address'
  if (domain.includes('@')) return 'there is more than one @'
  if (/\s/.test(domain)) return 'there is a space in or after the domain'
  return `${quoted(domain)} is no domain`
}

/** Whether full-width or compatibility characters would turn into an @, a comma or a quote in another reader. */
function hidesSpecials(local: string): boolean {
  return countSpecials(local) !== countSpecials(local.normalize('NFKC'))
}

function countSpecials(text: string): number {
  return text.match(/[\s"(),:;<>@[\\\]]/g)?.length ?? 0
}

function refuseOtherReading(text: string, mailbox: Mailbox, field: string): void {
  const { address } = mailbox
  // Quoted local parts are where readers differ, so there our own forms are read back as well.
  const forms = address.startsWith('"') ? [text, address, formatMailbox(mailbox)] : [text]
  if (forms.every((form) => readsTheSame(form, address))) return
  throw invalidEmail(field, `${quoted(text)} can be read in more than one way`)
}

function readsTheSame(text: string, address: string): boolean {
  const [first, ...others] = addressparser(text)
  if (!first || others.length > 0 || first.group || !first.address) return false
  const inQuotes = quotedAddress.exec(first.address)
  const at = first.address.lastIndexOf('@')
  const local = inQuotes ? unescaped(inQuotes[1] ?? '') : first.address.slice(0, at)
  const domain = inQuotes ? (inQuotes[2] ?? '') : first.address.slice(at + 1)
  return `${dotAtom.test(local) ? local : quote(local)}@${normalizeDomain(domain)}` === address
}

function asMailbox(name: string | undefined, address: string): Mailbox {
  return Object.freeze(name ? { name, address } : { address })
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gsu, '$1')
}

function emptyAddress(field: string) {
  return fieldError('no_email', field, 'the address is empty', "Give one address such as 'ada@example.com'")
}

function invalidEmail(field: string, problem: string) {
  const advice =
    "Give exactly one address, as 'ada@example.com', 'Ada <ada@example.com>' or { name, address }"
  return fieldError('invalid_email', field, problem, advice)
}
