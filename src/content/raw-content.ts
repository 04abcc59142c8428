// The content of a message that was composed elsewhere: where its bytes are, and what carrying them needs.

import { createHash } from 'node:crypto'
import type { RawMessage } from '../message/raw-message.js'
import type { ContentBundle, RawContent } from './content.js'
import { hashContent } from './content-hash.js'

/** What differs when the same message is composed again, or comes in again. */
const made = /^(?:date|message-id|received|dkim-signature)[ \t]*:.*\r\n(?:[ \t].*\r\n)*/gim
// Short ones are nobody's, and would be found everywhere in the text.
const boundaries = /\bboundary[ \t]*=[ \t]*(?:"([^"\r\n]{8,70})"|([^\s";]{8,70}))/gi
const MAX_BOUNDARIES = 20

/** Equal for two messages that say the same: of the header without what is made anew, of the parts without their boundaries. */
export function fingerprintOfRaw({ bytes }: RawMessage): string {
  const text = bytes.toString('latin1')
  const headerEnd = text.indexOf('\r\n\r\n') + 2
  let said = text.slice(0, headerEnd).replace(made, '') + text.slice(headerEnd)
  const found = new Set([...said.matchAll(boundaries)].map(([, quoted, plain]) => quoted ?? plain ?? ''))
  for (const [index, boundary] of [...found].slice(0, MAX_BOUNDARIES).entries())
    said = said.replaceAll(boundary, `boundary ${index}`)
  return createHash('sha256').update(said, 'latin1').digest('hex')
}

/** Bundles a composed message; its bytes are the one file of it. */
export function bundleRaw(raw: RawMessage): ContentBundle {
  const { bytes, sender, messageId, subject } = raw
  const hash = createHash('sha256').update(bytes).digest('hex')
  const content: RawContent = {
    v: 1,
    kind: 'raw',
    sender,
    messageId,
    subject,
    message: { hash, size: bytes.length },
    ...(raw.eightBit ? { eightBit: true } : {}),
    ...(raw.smtpUtf8 ? { smtpUtf8: true } : {}),
  }
  return { content, hash: hashContent(content), files: [{ hash, content: bytes }] }
}
