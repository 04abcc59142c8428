// The content of a message that was composed elsewhere: where its bytes are, and what carrying them needs.

import { createHash } from 'node:crypto'
import type { RawMessage } from '../message/raw-message.js'
import type { ContentBundle, RawContent } from './content.js'
import { hashContent } from './content-hash.js'

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
