// What all emails of a batch share, as the app gives it: checked whole before the first row is read.

import { FluxMailError, guarded } from '../errors.js'
import { parseMailbox, parseMailboxes } from '../message/address.js'
import {
  type AttachmentInput,
  createFileSource,
  type InlineImageInput,
  parseAttachments,
  parseInlineImages,
} from '../message/attachment.js'
import { parseFlag } from '../message/body.js'
import type { ReadFile } from '../message/email.js'
import type { AddressInput, FilePart, Header, InlineImagePart } from '../message/email-parts.js'
import { fieldError, kindOf } from '../message/field-error.js'
import { parseHeaderName, parseHeaderValue, parseSubject, parseUnsubscribeUrl } from '../message/header.js'
import { readKnownFields } from '../message/known-fields.js'
import type { ContentBundle, TemplateContent } from './content.js'
import { hashContent } from './content-hash.js'
import { compileParts } from './content-parts.js'
import { fileRef, imageRef } from './email-content.js'
import { EmailTemplate } from './template.js'

/** A template as its source, or ready-made. */
export type TemplateInput = string | EmailTemplate

/** The content of a batch; templates see the fields of each row. */
export interface BatchContent {
  subject: TemplateInput
  /** At least one of `html` and `text`; a missing text is derived from the HTML. */
  html?: TemplateInput | undefined
  text?: TemplateInput | undefined
  sender: AddressInput
  replyTo?: AddressInput | readonly AddressInput[] | undefined
  headers?:
    | Readonly<Record<string, TemplateInput>>
    | readonly { name: string; value: TemplateInput }[]
    | undefined
  attachments?: readonly AttachmentInput[] | undefined
  /** `{ cid: path | bytes }` for `<img src="cid:…">` in the HTML. */
  inlineImages?: Readonly<Record<string, InlineImageInput>> | undefined
  /** Whether style rules are inlined, once. Default: false. */
  inlineCss?: boolean | undefined
  /** https URL for one-click unsubscribing (RFC 8058); encode what goes into it: `{{ id | urlencode }}`. */
  unsubscribeUrl?: TemplateInput | undefined
}

const fieldNames = [
  'subject',
  'html',
  'text',
  'sender',
  'replyTo',
  'headers',
  'attachments',
  'inlineImages',
  'inlineCss',
  'unsubscribeUrl',
] as const satisfies readonly (keyof BatchContent)[]

const alias = { from: 'sender', body: 'html or text', files: 'attachments', images: 'inlineImages' }

type Fields = Readonly<Record<string, unknown>>

/**
 * Checks a batch's content, reads its files and compiles its templates once, so that mistakes show here.
 * Throws `invalid_params`, `sender_required`, `invalid_email`, `invalid_header`, `template_error`,
 * `css_inline_failed`, `attachment_not_found`, `attachment_too_large` or `read_error`.
 */
export function bundleBatchContent(
  input: unknown,
  readFile: ReadFile,
  maxAttachmentBytes: number,
): ContentBundle<TemplateContent> {
  return guarded('invalid_params', 'content', () => bundle(input, readFile, maxAttachmentBytes))
}

function bundle(
  input: unknown,
  readFile: ReadFile,
  maxAttachmentBytes: number,
): ContentBundle<TemplateContent> {
  const fields = readKnownFields(input, { path: 'content', known: fieldNames, alias })
  const source = createFileSource(readFile, maxAttachmentBytes)
  const attachments = parseAttachments(fields.attachments, source)
  const inlineImages = parseInlineImages(fields.inlineImages, source)
  const content = templateContent(fields, attachments, inlineImages)
  compileParts(content)
  return { content, hash: hashContent(content), files: [...attachments, ...inlineImages] }
}

function templateContent(
  fields: Fields,
  attachments: readonly FilePart[],
  inlineImages: readonly InlineImagePart[],
): TemplateContent {
  const html = templateOf(fields.html, 'html')
  const text = templateOf(fields.text, 'text')
  if (html === undefined) requireText(text, inlineImages)
  const inlineCss = parseFlag(fields.inlineCss, 'inlineCss') && html !== undefined
  return {
    v: 1,
    kind: 'template',
    subject: subjectOf(fields.subject),
    sender: senderOf(fields.sender),
    replyTo: parseMailboxes(fields.replyTo, 'replyTo', { required: false }),
    ...(html === undefined ? {} : { html }),
    ...(text === undefined ? {} : { text }),
    inlineCss,
    headers: headersOf(fields.headers),
    ...unsubscribeOf(fields.unsubscribeUrl),
    attachments: attachments.map(fileRef),
    inlineImages: inlineImages.map(imageRef),
    autoescape: fields.html instanceof EmailTemplate ? fields.html.autoescape : true,
    ...(isStrict(fields) ? { strict: true } : {}),
  }
}

function templateOf(input: unknown, field: string): string | undefined {
  if (input === undefined) return undefined
  if (input instanceof EmailTemplate) return input.source
  if (typeof input === 'string') return input
  throw fieldError('invalid_params', field, `it is ${kindOf(input)}`, 'Give a string or an EmailTemplate')
}

function requireText(text: string | undefined, inlineImages: readonly InlineImagePart[]): void {
  if (text === undefined) {
    throw fieldError('invalid_params', 'html', 'neither html nor text is given', 'Give at least one of them')
  }
  if (inlineImages.length > 0) {
    throw fieldError(
      'invalid_params',
      'inlineImages',
      'they go with html only',
      'Give html or leave them out',
    )
  }
}

function senderOf(input: unknown) {
  if (input !== undefined) return parseMailbox(input, 'sender')
  throw new FluxMailError('sender_required', 'sender: a batch needs one. Give sender in its content.', {
    details: { field: 'sender' },
  })
}

/** Whether a source is its own output, so that it can be checked before any recipient is known. */
function isConstant(source: string): boolean {
  return !/\{[{%#]/.test(source)
}

function subjectOf(input: unknown): string {
  const source = templateOf(input, 'subject')
  return source !== undefined && !isConstant(source) ? source : parseSubject(source?.trim())
}

function unsubscribeOf(input: unknown): { unsubscribeUrl?: string } {
  const source = templateOf(input, 'unsubscribeUrl')
  if (source === undefined) return {}
  return { unsubscribeUrl: isConstant(source) ? parseUnsubscribeUrl(source.trim()) : source }
}

function headersOf(input: unknown): readonly Header[] {
  if (input === undefined) return []
  if (typeof input !== 'object' || input === null) {
    throw fieldError(
      'invalid_params',
      'headers',
      `it is ${kindOf(input)}`,
      'Give an object of names and values',
    )
  }
  if (!Array.isArray(input))
    return Object.entries(input).map(([name, value]) => headerOf(name, value, 'headers'))
  return Array.from(input, (item, index) => {
    const path = `headers[${index}]`
    const { name, value } = readKnownFields(item, { path, known: ['name', 'value'] })
    return headerOf(name, value, path)
  })
}

function headerOf(nameInput: unknown, input: unknown, field: string): Header {
  const name = parseHeaderName(nameInput, field)
  const source = templateOf(input, `${field}.${name}`)
  const value =
    source !== undefined && !isConstant(source) ? source : parseHeaderValue(source, `${field}.${name}`)
  return { name, value }
}

function isStrict(fields: Fields): boolean {
  return Object.values(fields).some((value) => value instanceof EmailTemplate && value.strict)
}
