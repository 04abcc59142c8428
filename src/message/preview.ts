// The preview that `display()` shows: what will be sent, for a person to read.
// Bcc stands in the envelope and nowhere else, and files are named, not printed.

import { formatMailbox } from './address.js'
import type { EmailParts, FilePart, Mailbox, Priority } from './email-parts.js'

export interface PreviewOptions {
  /** The text part that was derived from the HTML, when the email has none of its own. */
  readonly derivedText?: string
}

type Line = readonly [name: string, value: string]

const priorityNumbers: Readonly<Record<Priority, string>> = { high: '1', normal: '3', low: '5' }
const priorityWords: Readonly<Record<Priority, string>> = { high: 'High', normal: 'Normal', low: 'Low' }

/** The email as text for a terminal: headers, envelope, text part, HTML part and files. Headers are not encoded. */
export function previewEmail(parts: EmailParts, options: PreviewOptions = {}): string {
  const text = parts.text ?? options.derivedText
  const sections = [
    titled(
      'Headers',
      headerLines(parts).map(([name, value]) => `${name}: ${value}`),
    ),
    titled('Envelope', envelopeLines(parts)),
    ...(text === undefined ? [] : [titled('Text', [text.trimEnd()])]),
    ...(parts.html === undefined ? [] : [titled(htmlTitle(parts), [parts.html.trimEnd()])]),
    ...fileSection(
      'Inline images',
      parts.inlineImages.map((file) => `cid:${file.cid}  ${describeFile(file)}`),
    ),
    ...fileSection('Attachments', parts.attachments.map(describeFile)),
  ]
  return withoutControls(`${sections.join('\n\n')}\n`)
}

function headerLines(parts: EmailParts): readonly Line[] {
  return [
    ...(parts.sender === undefined ? [] : mailboxLine('From', [parts.sender])),
    ...mailboxLine('To', parts.to),
    ...mailboxLine('Cc', parts.cc),
    ...mailboxLine('Reply-To', parts.replyTo),
    ['Subject', parts.subject],
    ['Date', parts.date.toUTCString().replace('GMT', '+0000')],
    ...(parts.messageId === '' ? [] : [['Message-ID', parts.messageId] as const]),
    ...(parts.inReplyTo === undefined ? [] : [['In-Reply-To', parts.inReplyTo] as const]),
    ...(parts.references.length === 0 ? [] : [['References', parts.references.join(' ')] as const]),
    ...priorityLines(parts.priority),
    ...unsubscribeLines(parts.unsubscribeUrl),
    ...parts.headers.map(({ name, value }) => [name, value] as const),
  ]
}

function mailboxLine(name: string, mailboxes: readonly Mailbox[]): readonly Line[] {
  return mailboxes.length === 0 ? [] : [[name, mailboxes.map(formatMailbox).join(', ')]]
}

function priorityLines(priority: Priority | undefined): readonly Line[] {
  if (priority === undefined) return []
  return [
    ['X-Priority', priorityNumbers[priority]],
    ['Importance', priorityWords[priority]],
    ['X-MSMail-Priority', priorityWords[priority]],
  ]
}

function unsubscribeLines(url: string | undefined): readonly Line[] {
  if (url === undefined) return []
  return [
    ['List-Unsubscribe', `<${url}>`],
    ['List-Unsubscribe-Post', 'List-Unsubscribe=One-Click'],
  ]
}

function envelopeLines(parts: EmailParts): readonly string[] {
  const recipients = new Set([...parts.to, ...parts.cc, ...parts.bcc].map(({ address }) => address))
  const from = parts.sender === undefined ? [] : [`from <${parts.sender.address}>`]
  return [...from, ...[...recipients].map((address) => `to   <${address}>`)]
}

function htmlTitle(parts: EmailParts): string {
  return parts.inlineCss ? 'HTML (its style rules are inlined when it is sent)' : 'HTML'
}

function fileSection(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [titled(title, lines)]
}

function describeFile(file: FilePart): string {
  return `${file.filename}  ${file.contentType}  ${sizeOf(file.content.length)}`
}

function sizeOf(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? '1 byte' : `${bytes} bytes`
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

function titled(title: string, lines: readonly string[]): string {
  return [`--- ${title} ---`, ...lines].join('\n')
}

/** An escape sequence in a body must not move the cursor of whoever previews it. */
function withoutControls(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/(?![\n\t])\p{Cc}/gu, '\u{fffd}')
}
