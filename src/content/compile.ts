// A content made ready once: what is left for each recipient is to render strings and fill them in.

import type { Mailbox, Priority } from '../message/email-parts.js'
import { dateText } from '../message/header-text.js'
import type { ComposedContent, Content, LiteralContent, RawContent } from './content.js'
import { hashContent } from './content-hash.js'
import { type ContentParts, compileParts } from './content-parts.js'
import { mailboxHeader, textHeader, wordHeader } from './header-line.js'
import { createSkeleton, type EncodedFile, type Filled, type Skeleton } from './mime.js'

export { parseContent } from './parse-content.js'

/** What is one recipient's own; of a literal content the variables only, and those are not used either. */
export interface RenderInput {
  readonly to: Mailbox
  readonly variables: Readonly<Record<string, unknown>>
  /** Makes the Message-ID, with angle brackets; asked for once at most. */
  readonly messageId: () => string
  readonly date: Date
  /** Attachments of this recipient alone. */
  readonly attachments?: readonly EncodedFile[]
}

export interface RenderedMessage {
  /** The whole message, lines ended by CRLF. All but templates share it, so nobody may write to it. */
  readonly bytes: Buffer
  /** The same in pieces, where some of them are shared with other messages. */
  readonly pieces?: readonly Buffer[]
  /** Whether every CR and LF in it is known to be part of a CRLF. */
  readonly hasLines?: boolean
  /** Lines in it, or in its first piece, that other messages have too. */
  readonly fixed?: Filled['fixed']
  readonly messageId: string
  /** Whether its body has bytes over 127, which needs 8BITMIME (RFC 6152); ours never has. */
  readonly eightBit?: boolean
  /** Whether its header has them, which needs SMTPUTF8 (RFC 6531). */
  readonly smtpUtf8?: boolean
}

export interface CompiledContent {
  /** MAIL FROM; `''` is the null reverse-path. */
  readonly sender: string
  /** Throws `template_error`, `invalid_header`, `invalid_params` or `invalid_email` for this recipient alone. */
  render(input: RenderInput): RenderedMessage
}

/**
 * Compiles templates, inlines CSS and encodes files. `fileOf` gives the bytes of a file by its hash.
 * Throws `template_error` or `css_inline_failed`, which hold for every recipient.
 */
export function compileContent(content: Content, fileOf: (hash: string) => Buffer): CompiledContent {
  return content.kind === 'raw' ? raw(content, fileOf) : composed(content, fileOf)
}

function raw(content: RawContent, fileOf: (hash: string) => Buffer): CompiledContent {
  const { sender, messageId, message, eightBit = false, smtpUtf8 = false } = content
  const rendered = { bytes: fileOf(message.hash), messageId, eightBit, smtpUtf8 }
  return { sender, render: () => rendered }
}

class ComposedMessage implements RenderedMessage {
  readonly pieces: readonly Buffer[]
  readonly fixed: Filled['fixed']
  readonly messageId: string
  readonly hasLines = true
  #bytes: Buffer | undefined

  constructor({ pieces, fixed }: Filled, messageId: string) {
    this.pieces = pieces
    this.fixed = fixed
    this.messageId = messageId
  }

  get bytes(): Buffer {
    const [only] = this.pieces
    this.#bytes ??= only && this.pieces.length === 1 ? only : Buffer.concat(this.pieces)
    return this.#bytes
  }
}

function composed(content: ComposedContent, fileOf: (hash: string) => Buffer): CompiledContent {
  const parts = compileParts(content)
  const skeleton = createSkeleton(
    {
      hasText: true,
      hasHtml: parts.html !== undefined,
      attachments: content.attachments,
      inlineImages: content.inlineImages,
      seed: hashContent(content).slice(0, 24),
    },
    fileOf,
  )
  if (content.kind === 'literal') return literal(content, parts, skeleton)
  const shared = sharedHeaders(content)
  return {
    sender: content.sender.address,
    render: (input) => compose(input, shared, parts, skeleton),
  }
}

function literal(content: LiteralContent, parts: ContentParts, skeleton: Skeleton): CompiledContent {
  const { sender, messageId } = content
  let rendered: RenderedMessage | undefined
  return {
    sender: sender.address,
    render: () => {
      rendered ??= new ComposedMessage(composeLiteral(content, parts, skeleton), messageId)
      return rendered
    },
  }
}

interface Addressing {
  readonly to: readonly Mailbox[]
  readonly messageId: string
  readonly date: Date
  readonly attachments?: readonly EncodedFile[] | undefined
}

function compose(
  input: RenderInput,
  shared: string,
  parts: ContentParts,
  skeleton: Skeleton,
): RenderedMessage {
  const { to, date, variables, attachments } = input
  const messageId = input.messageId()
  const addressing = { to: [to], messageId, date, attachments }
  return new ComposedMessage(filled(addressing, shared, parts, skeleton, variables), messageId)
}

function composeLiteral(content: LiteralContent, parts: ContentParts, skeleton: Skeleton): Filled {
  const { to, messageId } = content
  const shared = sharedHeaders(content) + literalHeaders(content)
  return filled({ to, messageId, date: new Date(content.date) }, shared, parts, skeleton, {})
}

function filled(
  addressing: Addressing,
  shared: string,
  parts: ContentParts,
  skeleton: Skeleton,
  variables: Readonly<Record<string, unknown>>,
): Filled {
  const headers = ownHeaders(addressing) + shared + renderedHeaders(parts, variables)
  // HTML first: a mistake in it is in the text derived from it too, and is better told of its source.
  const html = parts.html?.(variables)
  return skeleton.fill(headers, { text: parts.text(variables), html }, addressing.attachments)
}

function ownHeaders({ to, messageId, date }: Addressing): string {
  // RFC 5322, 3.6.3: what goes to hidden recipients alone has an empty group.
  const toHeader = to.length > 0 ? mailboxHeader('To', to) : 'To: undisclosed-recipients:;\r\n'
  return `Date: ${dateText(date)}\r\n${wordHeader('Message-ID', [messageId])}${toHeader}`
}

function sharedHeaders(content: ComposedContent): string {
  const replyTo = content.replyTo.length > 0 ? mailboxHeader('Reply-To', content.replyTo) : ''
  return mailboxHeader('From', [content.sender]) + replyTo
}

const priorities: Readonly<Record<Priority, readonly [number: string, word: string]>> = {
  high: ['1', 'High'],
  normal: ['3', 'Normal'],
  low: ['5', 'Low'],
}

function literalHeaders(content: LiteralContent): string {
  const { cc, inReplyTo, references, priority } = content
  const [number, word] = priority === undefined ? [] : priorities[priority]
  return [
    cc.length > 0 ? mailboxHeader('Cc', cc) : '',
    inReplyTo === undefined ? '' : wordHeader('In-Reply-To', [inReplyTo]),
    references.length > 0 ? wordHeader('References', references, '\r\n ') : '',
    number === undefined
      ? ''
      : `X-Priority: ${number}\r\nImportance: ${word}\r\nX-MSMail-Priority: ${word}\r\n`,
  ].join('')
}

function renderedHeaders(parts: ContentParts, variables: Readonly<Record<string, unknown>>): string {
  let headers = textHeader('Subject', parts.subject(variables))
  const url = parts.unsubscribeUrl?.(variables)
  if (url !== undefined) headers += unsubscribeHeaders(url)
  for (const { name, value } of parts.headers) {
    const text = value(variables)
    if (text !== '') headers += textHeader(name, text)
  }
  return headers
}

/** RFC 8058, 3.1. */
function unsubscribeHeaders(url: string): string {
  return `${wordHeader('List-Unsubscribe', [`<${url}>`])}List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n`
}
