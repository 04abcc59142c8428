// The parts of one email after parsing: plain frozen values that content, queue and preview read.
// They are what every later step trusts, so nothing but message/ may build them.

/** One mailbox. `address` is in the form of the wire: local part as given, domain lower-case ASCII (punycode). */
export interface Mailbox {
  readonly name?: string
  readonly address: string
}

/** An address as callers give it: `'ada@example.com'`, `'Ada <ada@example.com>'` or `{ name, address }`. */
export type AddressInput = string | { name?: string | undefined; address: string }

/** A further header; its value is unfolded and may hold any characters but controls. */
export interface Header {
  readonly name: string
  readonly value: string
}

/** A file that was read when the email was created. `hash` is the SHA-256 of `content` in hex. */
export interface FilePart {
  readonly filename: string
  readonly contentType: string
  readonly hash: string
  readonly content: Buffer
}

export interface InlineImagePart extends FilePart {
  /** Content-ID without angle brackets, as it stands after `cid:` in the HTML. */
  readonly cid: string
}

export type Priority = 'high' | 'normal' | 'low'

export interface EmailParts {
  readonly subject: string
  /** None in an email for Outlook, which sends from an account of its own. */
  readonly sender?: Mailbox
  readonly replyTo: readonly Mailbox[]
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly bcc: readonly Mailbox[]
  readonly text?: string
  readonly html?: string
  readonly inlineCss: boolean
  readonly attachments: readonly FilePart[]
  readonly inlineImages: readonly InlineImagePart[]
  readonly headers: readonly Header[]
  readonly priority?: Priority
  readonly inReplyTo?: string
  readonly references: readonly string[]
  readonly unsubscribeUrl?: string
  /** With angle brackets; empty in an email for Outlook that was given none, since Outlook makes its own. */
  readonly messageId: string
  readonly date: Date
  /** Whether the caller gave the Message-ID or the Date, instead of them being made here. */
  readonly isMessageIdGiven?: true
  readonly isDateGiven?: true
}

/** Parts that say who sends them, as all but those for Outlook do. */
export type SendableParts = EmailParts & { readonly sender: Mailbox }
