// A message that somebody else has composed: its own bytes go to the relay, after what RFC 6409 has a submission
// server do. Nothing in it is reformatted, so that a signature made before it came here still verifies.

import { isAscii } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { systemClock } from '../clock.js'
import { guarded } from '../errors.js'
import { domainOf, parseMailbox, parseMailboxes, uniqueMailboxes } from './address.js'
import type { AddressInput, Mailbox } from './email-parts.js'
import { fieldError } from './field-error.js'
import { dateText } from './header-text.js'
import { readKnownFields } from './known-fields.js'
import { createMessageId } from './message-id.js'
import { type RawHeader, readRawHeaders } from './raw-headers.js'

export interface RawMessageFields {
  /** MAIL FROM; `''` is the null reverse-path of RFC 5321, 4.5.5. */
  readonly from: AddressInput
  /** RCPT TO, at least one; nobody else gets the message, whatever its headers say. */
  readonly to: readonly AddressInput[]
  /** The whole message, every line ended by CRLF. */
  readonly bytes: Uint8Array
  /** Header lines to stand first, each ended by CRLF, such as Received. */
  readonly trace?: string | undefined
}

/** What a message without a Date or Message-ID is given. */
export interface RawMessageContext {
  /** Domain of a new Message-ID where the sender has none. Default: localhost. */
  readonly domain?: string
  /** Milliseconds since 1970. Default: now. */
  now?(): number
  /** A new unique word of letters and digits. Default: 128 random bits. */
  randomId?(): string
}

/** A composed message and its envelope. Made by `createRawMessage()`. */
export class RawMessage {
  /** MAIL FROM; `''` is the null reverse-path. */
  readonly sender: string
  /** RCPT TO, each address once: one delivery each. */
  readonly recipients: readonly Mailbox[]
  /** With angle brackets where the message has it so. */
  readonly messageId: string
  /** As written in its header, without the line end; `''` where there is none. */
  readonly subject: string
  /** What goes over the wire. Nobody may write to it. */
  readonly bytes: Buffer
  /** Whether its body has bytes over 127, which needs 8BITMIME (RFC 6152). */
  readonly eightBit: boolean
  /** Whether its header or envelope has them, which needs SMTPUTF8 (RFC 6531). */
  readonly smtpUtf8: boolean

  constructor(parts: RawMessage) {
    this.sender = parts.sender
    this.recipients = Object.freeze([...parts.recipients])
    this.messageId = parts.messageId
    this.subject = parts.subject
    this.bytes = parts.bytes
    this.eightBit = parts.eightBit
    this.smtpUtf8 = parts.smtpUtf8
    Object.freeze(this)
  }
}

const CR = 0x0d
const fieldNames = ['from', 'to', 'bytes', 'trace'] as const satisfies readonly (keyof RawMessageFields)[]
/** What a message may not carry to its recipients (RFC 6409, 8; RFC 5322, 3.6.3). */
const hidden = new Set(['bcc', 'resent-bcc'])

/**
 * Takes Bcc and Resent-Bcc out, adds a Date or a Message-ID where there is none, puts `trace` first, and changes
 * nothing else (RFC 6409, 8). The domain of a new Message-ID is the sender's. A header that is not made of fields, or
 * has not exactly one From, is refused.
 *
 * @throws FluxMailError `invalid_params`, `invalid_email`, `no_email`
 */
export function createRawMessage(fields: RawMessageFields, context: RawMessageContext = {}): RawMessage {
  return guarded('invalid_params', 'the message', () => build(fields, context))
}

function build(fields: RawMessageFields, context: RawMessageContext): RawMessage {
  const known = readKnownFields(fields, { path: '', known: fieldNames })
  const sender = known.from === '' ? '' : parseMailbox(known.from, 'from').address
  const recipients = uniqueMailboxes(parseMailboxes(known.to, 'to', { required: true }))
  const given = bytesOf(known.bytes)
  const { headers, bodyAt } = readRawHeaders(given)
  requireOneFrom(headers)
  const trace = traceOf(known.trace)
  const standing = messageIdOf(headers)
  const messageId = standing ?? newMessageId(sender, context)
  const added = [
    trace,
    standing === undefined ? `Message-ID: ${messageId}\r\n` : '',
    headers.some(({ name }) => name === 'date') ? '' : `Date: ${dateOf(context)}\r\n`,
  ].join('')
  const kept = headers
    .filter(({ name, value }) => !hidden.has(name) && !(name === 'message-id' && value === ''))
    .map(({ start, end }) => given.subarray(start, end))
  const header = Buffer.concat([Buffer.from(added), ...kept])
  const body = given.subarray(bodyAt)
  // Without its empty line a header has no body.
  const gap = body.length > 0 && body[0] === CR ? '' : '\r\n'
  const bytes = Buffer.concat([header, Buffer.from(gap), body])
  const addresses = [sender, ...recipients.map(({ address }) => address)].join('')
  return new RawMessage({
    sender,
    recipients,
    messageId,
    subject: headers.find(({ name }) => name === 'subject')?.value ?? '',
    bytes,
    eightBit: !isAscii(body),
    smtpUtf8: !isAscii(header) || /[^\p{ASCII}]/u.test(addresses),
  })
}

function bytesOf(input: unknown): Buffer {
  if (!(input instanceof Uint8Array)) {
    throw fieldError('invalid_params', 'bytes', 'it is no Buffer', 'Give the whole message as a Buffer')
  }
  // A copy, since the caller may go on writing to its own.
  return Buffer.from(input)
}

function traceOf(input: unknown): string {
  if (input === undefined || input === '') return ''
  if (typeof input === 'string' && /^(?:[!-9;-~]+:[\t -~]+\r\n(?:[\t ][\t -~]+\r\n)*)+$/.test(input))
    return input
  throw fieldError(
    'invalid_params',
    'trace',
    'it is not made of header lines',
    'Give ASCII lines, each ended by CRLF',
  )
}

/** Readers differ in which of two they show, and a message without one cannot be signed (RFC 6376, 5.4). */
function requireOneFrom(headers: readonly RawHeader[]): void {
  const count = headers.filter(({ name }) => name === 'from').length
  if (count === 1) return
  throw fieldError('invalid_params', 'bytes', `the header has ${count || 'no'} From`, 'Give it exactly one')
}

function messageIdOf(headers: readonly RawHeader[]): string | undefined {
  const header = headers.find(({ name }) => name === 'message-id')
  return header?.value === '' ? undefined : header?.value
}

function newMessageId(sender: string, { domain = 'localhost', randomId }: RawMessageContext): string {
  const unique = randomId ? randomId() : randomBytes(16).toString('hex')
  return createMessageId(unique, sender === '' ? domain : domainOf(sender))
}

function dateOf({ now = systemClock.now }: RawMessageContext): string {
  return dateText(new Date(now()))
}
