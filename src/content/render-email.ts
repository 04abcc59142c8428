// A single email as it can be looked at without sending it: its bytes, and its preview.

import { FluxMailError, guarded, messageOf } from '../errors.js'
import type { EmailParts, SendableParts } from '../message/email-parts.js'
import { previewEmail } from '../message/preview.js'
import { compileContent } from './compile.js'
import { bundleEmail } from './email-content.js'
import { textOfHtml } from './text-part.js'

/** The whole message, lines ended by CRLF, without Bcc. Throws `css_inline_failed` or `invalid_header`. */
export function renderEmail(parts: SendableParts): Buffer {
  return guarded('invalid_params', 'the email', () => {
    const { content, files } = bundleEmail(parts)
    const bytesOf = new Map(files.map((file) => [file.hash, file.content]))
    const compiled = compileContent(content, (hash) => bytesOf.get(hash) ?? Buffer.alloc(0))
    const { messageId, date, sender } = parts
    return compiled.render({ to: sender, variables: {}, messageId: () => messageId, date }).bytes
  })
}

/** What `display()` shows, with the text part that the message will have. Throws `display_failed`. */
export function showEmail(parts: EmailParts): string {
  const { html, text } = parts
  try {
    return previewEmail(
      parts,
      html === undefined || text !== undefined ? {} : { derivedText: textOfHtml(html) },
    )
  } catch (cause) {
    throw new FluxMailError('display_failed', `the preview could not be made: ${messageOf(cause)}`, { cause })
  }
}
