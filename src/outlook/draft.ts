// An email as a draft that mail programs open for composing: an .eml with X-Unsent.
// Unlike a message it names its Bcc, since whoever sends it must know them.

import { mailboxHeader } from '../content/header-line.js'
import { renderEmail } from '../content/render-email.js'
import type { EmailParts } from '../message/email-parts.js'
import { readRawHeaders } from '../message/raw-headers.js'

// What a message cannot be without stands in for what a draft leaves to the mail program, and is taken out again.
const standIn = { sender: { address: 'nobody@draft.invalid' }, messageId: '<nobody@draft.invalid>' }

/** The bytes of the draft. Throws `css_inline_failed` or `invalid_header`. */
export function renderDraft(parts: EmailParts): Buffer {
  const { sender = standIn.sender, bcc } = parts
  const messageId = parts.messageId === '' ? standIn.messageId : parts.messageId
  const message = renderEmail({ ...parts, sender, messageId })
  const leftOut = new Set([
    ...(parts.sender === undefined ? ['from'] : []),
    ...(parts.messageId === '' ? ['message-id'] : []),
  ])
  const { headers, bodyAt } = readRawHeaders(message)
  const kept = headers.filter(({ name }) => !leftOut.has(name))
  const added = `X-Unsent: 1\r\n${bcc.length > 0 ? mailboxHeader('Bcc', bcc) : ''}`
  const lines = kept.map(({ start, end }) => message.subarray(start, end))
  return Buffer.concat([Buffer.from(added), ...lines, message.subarray(bodyAt)])
}
