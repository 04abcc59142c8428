// The content of a single email: its strings as they are, and its files by hash.

import type { FilePart, InlineImagePart, SendableParts } from '../message/email-parts.js'
import type { ContentBundle, FileRef, InlineImageRef, LiteralContent } from './content.js'
import { hashContent } from './content-hash.js'
import { inlineCss } from './inline-css.js'

/** Bundles an email with its files; styles are inlined here. Throws `css_inline_failed`. */
export function bundleEmail(email: SendableParts): ContentBundle {
  const content = literalContent(email)
  return { content, hash: hashContent(content), files: [...email.attachments, ...email.inlineImages] }
}

function literalContent(email: SendableParts): LiteralContent {
  const { html, text, unsubscribeUrl, priority, inReplyTo } = email
  const inlined = html !== undefined && email.inlineCss ? inlineCss(html, 'literal') : html
  return {
    v: 1,
    kind: 'literal',
    subject: email.subject,
    sender: email.sender,
    replyTo: email.replyTo,
    to: email.to,
    cc: email.cc,
    ...(inlined === undefined ? {} : { html: inlined }),
    ...(text === undefined ? {} : { text }),
    // Done already, so that no worker does it again.
    inlineCss: false,
    headers: email.headers,
    ...(unsubscribeUrl === undefined ? {} : { unsubscribeUrl }),
    attachments: email.attachments.map(fileRef),
    inlineImages: email.inlineImages.map(imageRef),
    messageId: email.messageId,
    date: email.date.toISOString(),
    ...(priority === undefined ? {} : { priority }),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    references: email.references,
  }
}

export function fileRef({ hash, filename, contentType, content }: FilePart): FileRef {
  return { hash, filename, contentType, size: content.length }
}

export function imageRef(image: InlineImagePart): InlineImageRef {
  return { ...fileRef(image), cid: image.cid }
}
