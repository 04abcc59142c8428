// What Outlook is told of an email, in the terms of its COM interface. Pure; texts are base64 of UTF-8.
// Outlook's own are the text part beside HTML, Date, Message-ID and From.

import type { EmailParts, Header, Mailbox, Priority } from '../message/email-parts.js'

/** The JSON that the script reads. */
export interface ComposeMessage {
  readonly subject: string
  /** OlImportance. */
  readonly importance: number
  readonly isHtml: boolean
  readonly bodyFile: string
  /** `type` is an OlMailRecipientType. */
  readonly recipients: readonly { readonly type: number; readonly address: string }[]
  readonly replyTo: readonly string[]
  readonly attachments: readonly string[]
  /** Names of PropertyAccessor. */
  readonly properties: readonly { readonly name: string; readonly value: string }[]
}

export interface ComposeFiles {
  readonly body: string
  readonly attachments: readonly string[]
}

const importances: Readonly<Record<Priority, number>> = { low: 0, normal: 1, high: 2 }
const recipientTypes = { to: 1, cc: 2, bcc: 3 } as const

const internetHeaders = 'http://schemas.microsoft.com/mapi/string/{00020386-0000-0000-C000-000000000046}/'
const inReplyToTag = 'http://schemas.microsoft.com/mapi/proptag/0x1042001F'
const referencesTag = 'http://schemas.microsoft.com/mapi/proptag/0x1039001F'

/** Describes an email whose body and attachments are in these files. */
export function composeMessage(parts: EmailParts, files: ComposeFiles): ComposeMessage {
  const recipients = (['to', 'cc', 'bcc'] as const).flatMap((kind) =>
    parts[kind].map((mailbox) => ({ type: recipientTypes[kind], address: base64(nameOf(mailbox)) })),
  )
  return {
    subject: base64(parts.subject),
    importance: importances[parts.priority ?? 'normal'],
    isHtml: parts.html !== undefined,
    bodyFile: base64(files.body),
    recipients,
    replyTo: parts.replyTo.map((mailbox) => base64(nameOf(mailbox))),
    attachments: files.attachments.map(base64),
    properties: properties(parts).map(({ name, value }) => ({ name: base64(name), value: base64(value) })),
  }
}

function properties({ inReplyTo, references, unsubscribeUrl, headers }: EmailParts): readonly Header[] {
  const unsubscribe =
    unsubscribeUrl === undefined
      ? []
      : [
          { name: 'List-Unsubscribe', value: `<${unsubscribeUrl}>` },
          { name: 'List-Unsubscribe-Post', value: 'List-Unsubscribe=One-Click' },
        ]
  return [
    ...(inReplyTo === undefined ? [] : [{ name: inReplyToTag, value: inReplyTo }]),
    ...(references.length === 0 ? [] : [{ name: referencesTag, value: references.join(' ') }]),
    ...[...unsubscribe, ...headers].map(({ name, value }) => ({ name: internetHeaders + name, value })),
  ]
}

/** Outlook takes one text for name and address, so a name that could be read as more than that is left out. */
function nameOf({ name, address }: Mailbox): string {
  return name !== undefined && /^[\p{L}\p{M}\p{N}][\p{L}\p{M}\p{N}'’. -]*$/u.test(name)
    ? `${name} <${address}>`
    : address
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
