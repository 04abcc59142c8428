// Reads recorded bytes as mail, only when somebody looks: headers for a list, everything for a view.
// A mail is hostile input: nothing here throws on one, and nothing here is safe to show unescaped.

import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime'
import { messageOf } from '../errors.js'
import type { RecordedMessage } from './inbox.js'

export interface Person {
  readonly name: string
  readonly address: string
}

export interface MailSummary {
  readonly subject: string
  readonly from: Person | undefined
  readonly hasAttachments: boolean
}

export interface MailFile {
  readonly filename: string
  readonly contentType: string
  /** Without angle brackets. */
  readonly contentId: string | undefined
  readonly inline: boolean
  readonly bytes: Buffer
}

export interface MailView {
  readonly subject: string
  readonly from: Person | undefined
  readonly to: readonly Person[]
  readonly cc: readonly Person[]
  readonly date: string | undefined
  readonly messageId: string | undefined
  /** Unfolded, in order, otherwise as received. */
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly text: string | undefined
  readonly html: string | undefined
  readonly files: readonly MailFile[]
  /** Why the message could not be read as mail; then all else is empty. */
  readonly fault: string | undefined
}

const headEnd = Buffer.from('\r\n\r\n')
const summaries = new WeakMap<RecordedMessage, Promise<MailSummary>>()

/** Subject, sender and whether there are attachments, from the headers alone; kept for the next time. */
export function summarise(message: RecordedMessage): Promise<MailSummary> {
  const known = summaries.get(message) ?? readSummary(message)
  summaries.set(message, known)
  return known
}

/** The whole message, read anew each time. */
export async function readMessage(message: RecordedMessage): Promise<MailView> {
  try {
    return viewOf(await PostalMime.parse(message.bytes))
  } catch (error) {
    return { ...viewOf({ headers: [], headerLines: [], attachments: [] }), fault: messageOf(error) }
  }
}

async function readSummary(message: RecordedMessage): Promise<MailSummary> {
  try {
    const { bytes } = message
    const end = bytes.indexOf(headEnd)
    const mail = await PostalMime.parse(end < 0 ? bytes : bytes.subarray(0, end + headEnd.length))
    const type = mail.headers.find(({ key }) => key === 'content-type')?.value ?? ''
    const hasAttachments = /^\s*multipart\/mixed\b/i.test(type)
    return { subject: mail.subject ?? '', from: personsOf(mail.from)[0], hasAttachments }
  } catch {
    return { subject: '', from: undefined, hasAttachments: false }
  }
}

function viewOf(mail: Email): MailView {
  return {
    subject: mail.subject ?? '',
    from: personsOf(mail.from)[0],
    to: personsOf(...(mail.to ?? [])),
    cc: personsOf(...(mail.cc ?? [])),
    date: mail.date,
    messageId: mail.messageId,
    headers: mail.headers.map(({ originalKey, value }) => ({ name: originalKey, value })),
    text: mail.text,
    html: mail.html,
    files: mail.attachments.map(fileOf),
    fault: undefined,
  }
}

function personsOf(...addresses: (Address | undefined)[]): Person[] {
  return addresses.flatMap((item) => {
    if (!item) return []
    return item.group ? personsOf(...item.group) : [{ name: item.name, address: item.address }]
  })
}

function fileOf(attachment: Attachment, index: number): MailFile {
  const { content } = attachment
  return {
    filename: attachment.filename || `attachment-${index + 1}`,
    contentType: attachment.mimeType,
    contentId: attachment.contentId?.replace(/^<|>$/g, ''),
    inline: attachment.disposition === 'inline' || attachment.related === true,
    bytes: typeof content === 'string' ? Buffer.from(content) : bytesOf(content),
  }
}

function bytesOf(content: ArrayBuffer | Uint8Array): Buffer {
  return content instanceof ArrayBuffer
    ? Buffer.from(content)
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength)
}
