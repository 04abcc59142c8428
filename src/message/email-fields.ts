// What `create()` takes: every field checked once, turned into frozen parts that share nothing with the caller's.
// It does no I/O: reading files, the time and chance come in from outside.

import { guarded } from '../errors.js'
import { domainOf, parseMailbox, parseMailboxes } from './address.js'
import {
  type AttachmentInput,
  createFileSource,
  type InlineImageInput,
  parseAttachments,
  parseInlineImages,
  type ReadFile,
} from './attachment.js'
import { parseBody, parseDate, parseFlag, parsePriority } from './body.js'
import type { AddressInput, EmailParts, Header, Mailbox, Priority } from './email-parts.js'
import { fieldError, kindOf } from './field-error.js'
import { parseHeaders, parseSubject, parseUnsubscribeUrl } from './header.js'
import { readKnownFields } from './known-fields.js'
import { createMessageId, parseMessageId, parseReferences } from './message-id.js'
import { refuseSender } from './sendable.js'

/** The fields of `create()`. */
export interface EmailFields {
  /** One line, not empty. */
  subject: string
  /** At least one address; each gets its own delivery. */
  recipients: readonly AddressInput[]
  /** Plain text, or HTML with `htmlBody`. */
  body: string
  /** From. Default: the `sender` of the FluxMail, or its `username` if that is an address. */
  sender?: AddressInput | undefined
  replyTo?: AddressInput | readonly AddressInput[] | undefined
  cc?: readonly AddressInput[] | undefined
  /** In the envelope, never in the headers. */
  bcc?: readonly AddressInput[] | undefined
  /** Whether `body` is HTML. Default: false. */
  htmlBody?: boolean | undefined
  /** The text beside an HTML body. Default: derived from the HTML. */
  plainBody?: string | undefined
  /** Paths, or `{ filename, content | path, contentType }`. */
  attachments?: readonly AttachmentInput[] | undefined
  /** `{ cid: path | bytes }` for `<img src="cid:…">` in an HTML body. */
  inlineImages?: Readonly<Record<string, InlineImageInput>> | undefined
  /** Message-ID of the email that this one answers. */
  inReplyTo?: string | undefined
  /** Message-IDs of the thread, oldest first. */
  references?: readonly string[] | undefined
  priority?: Priority | undefined
  /** https URL for one-click unsubscribing (RFC 8058). */
  unsubscribeUrl?: string | undefined
  /** Whether style rules of an HTML body are inlined. Default: false. */
  inlineCss?: boolean | undefined
  /** Further headers; never those that have a field of their own. */
  headers?: Readonly<Record<string, string>> | readonly Header[] | undefined
  messageId?: string | undefined
  /** Default: now. */
  date?: Date | undefined
}

/** What an email is made with, besides its fields. */
export interface EmailContext {
  readonly defaultSender?: Mailbox
  /** Takes no sender and no inline images, and leaves the Message-ID to Outlook. Default: false. */
  readonly forOutlook?: boolean
  /** Domain of new Message-IDs. Default: the sender's. */
  readonly domain?: string
  readonly readFile: ReadFile
  /** Milliseconds since 1970. */
  now(): number
  /** A new unique word of letters, digits, dots, - and _. */
  randomId(): string
  /** For all files of one email together. */
  readonly maxAttachmentBytes: number
}

const fieldNames = [
  'subject',
  'recipients',
  'body',
  'sender',
  'replyTo',
  'cc',
  'bcc',
  'htmlBody',
  'plainBody',
  'attachments',
  'inlineImages',
  'inReplyTo',
  'references',
  'priority',
  'unsubscribeUrl',
  'inlineCss',
  'headers',
  'messageId',
  'date',
] as const satisfies readonly (keyof EmailFields)[]

const alias = {
  to: 'recipients',
  recipient: 'recipients',
  from: 'sender',
  html: 'body with htmlBody: true',
  text: 'body',
  css: 'inlineCss',
  images: 'inlineImages',
  files: 'attachments',
  listUnsubscribe: 'unsubscribeUrl',
}

/**
 * Checks the fields of `create()` and gives frozen parts that share nothing with them.
 * Throws `invalid_params`, `sender_required`, `outlook_no_sender`, `invalid_email`, `no_email`, `invalid_header`, `invalid_priority`,
 * `attachment_not_found`, `attachment_too_large` or `read_error`, each with `details.field`.
 */
export function parseEmailFields(input: unknown, context: EmailContext): EmailParts {
  // The fields are a caller's own objects, and looking at one may throw.
  return guarded('invalid_params', 'the fields of the email', () => parseParts(input, context))
}

function parseParts(input: unknown, context: EmailContext): EmailParts {
  const fields = readKnownFields(input, { path: '', known: fieldNames, alias })
  const sender = parseSender(fields.sender, context)
  const dateMs = parseDate(fields.date, context.now(), 'date')
  const parts = {
    subject: parseSubject(fields.subject),
    ...(sender === undefined ? {} : { sender }),
    ...parseRecipients(fields),
    ...parseBodies(fields),
    ...parseFiles(fields, context),
    ...parseThread(fields),
    headers: parseHeaders(fields.headers, 'headers'),
    ...parseOptional(fields),
    messageId: parseOwnMessageId(fields.messageId, sender, context),
    ...(fields.messageId === undefined ? {} : { isMessageIdGiven: true as const }),
    ...(fields.date === undefined ? {} : { isDateGiven: true as const }),
    // A frozen Date can still be set, so each reader gets its own.
    get date() {
      return new Date(dateMs)
    },
  }
  return Object.freeze(parts)
}

type Fields = Readonly<Record<string, unknown>>

function parseSender(given: unknown, context: EmailContext): Mailbox | undefined {
  if (context.forOutlook) return refuseSender(given)
  const sender = given ?? context.defaultSender
  if (sender !== undefined) return parseMailbox(sender, 'sender')
  const advice = 'Give sender to create() or to the FluxMail'
  throw fieldError('sender_required', 'sender', 'there is none, and username is not an address', advice)
}

function parseRecipients(fields: Fields) {
  return {
    to: parseMailboxes(requireArray(fields.recipients, 'recipients'), 'recipients', { required: true }),
    cc: parseMailboxes(requireArray(fields.cc, 'cc'), 'cc', { required: false }),
    bcc: parseMailboxes(requireArray(fields.bcc, 'bcc'), 'bcc', { required: false }),
    replyTo: parseMailboxes(fields.replyTo, 'replyTo', { required: false }),
  }
}

function requireArray(value: unknown, field: string): unknown {
  if (value === undefined || Array.isArray(value)) return value ?? []
  const advice = "Give an array, as in ['ada@example.com']"
  throw fieldError('invalid_params', field, `it is ${kindOf(value)}, not an array`, advice)
}

function parseBodies(fields: Fields) {
  const isHtml = parseFlag(fields.htmlBody, 'htmlBody')
  const inlineCss = parseFlag(fields.inlineCss, 'inlineCss') && isHtml
  const body = parseBody(fields.body, 'body')
  if (!isHtml) {
    refuseWithoutHtml(fields, 'plainBody')
    refuseWithoutHtml(fields, 'inlineImages')
    return { text: body, inlineCss }
  }
  if (fields.plainBody === undefined) return { html: body, inlineCss }
  return { html: body, text: parseBody(fields.plainBody, 'plainBody'), inlineCss }
}

function refuseWithoutHtml(fields: Fields, field: string): void {
  const value = fields[field]
  if (value === undefined || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)) return
  throw fieldError(
    'invalid_params',
    field,
    'it goes with an HTML body only',
    'Set htmlBody: true or leave it out',
  )
}

function parseFiles(fields: Fields, context: EmailContext) {
  if (context.forOutlook) refuseInlineImages(fields.inlineImages)
  const source = createFileSource(context.readFile, context.maxAttachmentBytes)
  return {
    attachments: parseAttachments(fields.attachments, source),
    inlineImages: parseInlineImages(fields.inlineImages, source),
  }
}

function refuseInlineImages(given: unknown): void {
  if (given === undefined || (typeof given === 'object' && Object.keys(given ?? {}).length === 0)) return
  const advice = "Attach them, or use objectType: 'smtp'"
  throw fieldError('invalid_params', 'inlineImages', 'they cannot be opened in Outlook', advice)
}

function parseThread(fields: Fields) {
  const references = parseReferences(fields.references, 'references')
  if (fields.inReplyTo === undefined) return { references }
  return { inReplyTo: parseMessageId(fields.inReplyTo, 'inReplyTo'), references }
}

function parseOptional(fields: Fields) {
  const { priority, unsubscribeUrl } = fields
  return {
    ...(priority === undefined ? {} : { priority: parsePriority(priority, 'priority') }),
    ...(unsubscribeUrl === undefined ? {} : { unsubscribeUrl: parseUnsubscribeUrl(unsubscribeUrl) }),
  }
}

function parseOwnMessageId(given: unknown, sender: Mailbox | undefined, context: EmailContext): string {
  if (given !== undefined) return parseMessageId(given, 'messageId')
  if (sender === undefined) return ''
  return createMessageId(context.randomId(), context.domain ?? domainOf(sender.address))
}
