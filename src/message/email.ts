// The email that `create()` gives: checked, frozen, and able to be sent, previewed or turned into bytes.
// It does no I/O: what it can do is given to it by who creates it.

import { uniqueMailboxes } from './address.js'
import type { EmailParts, Mailbox } from './email-parts.js'

export type { ReadFile } from './attachment.js'
export { type EmailContext, type EmailFields, parseEmailFields } from './email-fields.js'

export interface SendOptions {
  /** Makes the preview and touches no network. Default: false. */
  readonly dryRun?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Resolves although some recipients were refused. Default: false. */
  readonly allowPartial?: boolean | undefined
}

export interface DraftOptions {
  /** Replaces a file that is there. Default: false, which refuses to. */
  readonly overwrite?: boolean | undefined
}

export interface RejectedRecipient {
  readonly recipient: string
  readonly reply: string
  /** Of the reply, such as 550; 0 where there was none. */
  readonly code: number
  /**
   * Whose fault it is: only with `recipient` does it say anything about the address. `message`: its size or content;
   * `sender`: who it is from; `relay`: its state, its policy or the login; `connection`: it could not be had, was
   * lost, or was not waited for any longer.
   */
  readonly about: 'recipient' | 'message' | 'sender' | 'relay' | 'connection'
}

export interface SendResult {
  readonly messageId: string
  readonly accepted: readonly string[]
  readonly rejected: readonly RejectedRecipient[]
  readonly response: string
  readonly relay: string
  readonly attempts: number
  /** What `display()` shows; with `dryRun` only. */
  readonly preview?: string
}

/** What an email can do, given to it by who creates it. */
export interface EmailActions {
  send(email: Email, options: SendOptions): Promise<SendResult>
  toMime(email: Email): Buffer
  display(email: Email): string | Promise<string>
  toDraft(email: Email, path: string, options: DraftOptions): Promise<string>
}

/** One email: checked, frozen, independent of what it was made from. Made by `FluxMail.create()`. */
export class Email {
  /** All that is known of the email. Frozen; only the bytes of files cannot be, so copy before changing them. */
  readonly parts: EmailParts
  /** Every address of To, Cc and Bcc once, in this order: the envelope, and one delivery each. */
  readonly recipients: readonly Mailbox[]
  readonly #actions: EmailActions

  constructor(parts: EmailParts, actions: EmailActions) {
    this.parts = parts
    this.recipients = uniqueMailboxes([...parts.to, ...parts.cc, ...parts.bcc])
    this.#actions = actions
    Object.freeze(this)
  }

  /** With angle brackets; empty for Outlook unless one was given. */
  get messageId(): string {
    return this.parts.messageId
  }

  /** Sends it now, without a queue. Rejects with `send_failed` also when only some recipients were accepted. */
  async send(options: SendOptions = {}): Promise<SendResult> {
    return this.#actions.send(this, options)
  }

  /**
   * A preview to read: headers, envelope, text, HTML, and files by name, type and size. An email for Outlook is
   * opened in its compose window on Windows, and written as a draft elsewhere: what comes back says which.
   *
   * @throws FluxMailError `display_failed`
   */
  display(): string | Promise<string> {
    return this.#actions.display(this)
  }

  /**
   * Writes an .eml that mail programs open for composing (`X-Unsent: 1`), with Bcc in its header; resolves to its
   * absolute path. The file is there whole or not at all, and another one is not replaced unless asked for.
   *
   * @throws FluxMailError `write_error`, `invalid_params`, `css_inline_failed`
   */
  async toDraft(path: string, options: DraftOptions = {}): Promise<string> {
    return this.#actions.toDraft(this, path, options)
  }

  /**
   * The message as it is handed over, without Bcc; of an email for Outlook the draft. The DKIM signature that a relay
   * with `dkim` adds is not in it: that is put before it on the way.
   */
  toMime(): Buffer {
    return this.#actions.toMime(this)
  }
}
