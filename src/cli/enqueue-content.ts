// What the flags of `fluxmail enqueue` say of the content that all recipients share.

import type { BatchContent } from '../content/batch-content.js'
import { EmailTemplate } from '../content/template.js'
import type { Context } from './context.js'
import { parseHeaderLines, parseInlineImages, requireFile } from './options.js'

export interface ContentOptions {
  readonly template: string
  readonly textTemplate?: string
  readonly subject: string
  readonly sender?: string
  readonly replyTo?: string
  readonly attachment?: readonly string[]
  readonly inlineImage?: readonly string[]
  readonly inlineCss?: boolean
  readonly unsubscribeUrl?: string
  readonly header?: readonly string[]
}

/** Strict: a name that no column has would be empty in every mail. */
export function contentOf(options: ContentOptions, { env }: Context): BatchContent {
  const isText = /\.(txt|text|md)$/i.test(options.template)
  const text = options.textTemplate ?? (isText ? options.template : undefined)
  const { unsubscribeUrl } = options
  const sender = options.sender ?? env.FLUXMAIL_SENDER
  return {
    subject: fromFlag(options.subject, '--subject'),
    html: isText ? undefined : fromFile(options.template, true),
    text: text === undefined ? undefined : fromFile(text, false),
    // A missing sender is refused by the library, in its own words.
    sender: sender as string,
    replyTo: options.replyTo,
    attachments: options.attachment,
    inlineImages: parseInlineImages(options.inlineImage),
    inlineCss: options.inlineCss,
    unsubscribeUrl: unsubscribeUrl === undefined ? undefined : fromFlag(unsubscribeUrl, '--unsubscribe-url'),
    headers: parseHeaderLines(options.header),
  }
}

function fromFile(path: string, autoescape: boolean): EmailTemplate {
  requireFile(path)
  return EmailTemplate.fromFile(path, { autoescape, strict: true })
}

function fromFlag(source: string, name: string): EmailTemplate {
  return new EmailTemplate(source, { autoescape: false, strict: true, name })
}
