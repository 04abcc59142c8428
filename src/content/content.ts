// Content: what all recipients of an email or a batch share, as JSON that Redis keeps under its SHA-256.
// Files, and messages composed elsewhere, stand in it by hash only; it never holds a path, a URL to open, or a secret.

import type { Header, Mailbox, Priority } from '../message/email-parts.js'

/** A file by its hash; the bytes are stored beside the content. */
export interface FileRef {
  readonly hash: string
  readonly filename: string
  readonly contentType: string
  readonly size: number
}

export interface InlineImageRef extends FileRef {
  readonly cid: string
}

interface ContentBase {
  /** Version of this shape; a worker refuses one that it does not know. */
  readonly v: 1
  readonly subject: string
  readonly sender: Mailbox
  readonly replyTo: readonly Mailbox[]
  readonly html?: string
  readonly text?: string
  readonly inlineCss: boolean
  readonly headers: readonly Header[]
  readonly unsubscribeUrl?: string
  readonly attachments: readonly FileRef[]
  readonly inlineImages: readonly InlineImageRef[]
}

/** Content of a single email: strings are taken as they are, and its recipients share every header. */
export interface LiteralContent extends ContentBase {
  readonly kind: 'literal'
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly messageId: string
  /** ISO 8601. */
  readonly date: string
  readonly priority?: Priority
  readonly inReplyTo?: string
  readonly references: readonly string[]
}

/** Content of a batch: subject, html, text, unsubscribeUrl and header values are templates. */
export interface TemplateContent extends ContentBase {
  readonly kind: 'template'
  /** Whether variables are HTML-escaped in `html`. Subject, text and headers never are. */
  readonly autoescape: boolean
  /** Whether an unknown variable fails the recipient; default false: it is empty. */
  readonly strict?: boolean
}

/** What we make a message of. */
export type ComposedContent = LiteralContent | TemplateContent

/** A message that was composed elsewhere: its bytes are a file, and all its recipients get the same. */
export interface RawContent {
  readonly v: 1
  readonly kind: 'raw'
  /** MAIL FROM; `''` is the null reverse-path. */
  readonly sender: string
  readonly messageId: string
  readonly subject: string
  readonly message: { readonly hash: string; readonly size: number }
  /** What the relay must announce to get it: 8BITMIME, SMTPUTF8. */
  readonly eightBit?: true
  readonly smtpUtf8?: true
}

export type Content = ComposedContent | RawContent

/** A content with its identity and the bytes of its files. */
export interface ContentBundle<C extends Content = Content> {
  readonly content: C
  /** SHA-256 in hex of the canonical JSON of `content`. */
  readonly hash: string
  readonly files: readonly { readonly hash: string; readonly content: Buffer }[]
}
