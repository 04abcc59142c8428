// Checks the JSON of a content that came back from Redis, before anything is made of it.

import * as z from 'zod'
import { FluxMailError } from '../errors.js'
import type { Content } from './content.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not pass.
const line = z.string().regex(/^[^\u0000-\u001f\u007f]*$/, 'holds a control character')
const headerName = z.string().regex(/^[!-9;-~]{1,76}$/, 'is no header name')
const messageId = z.string().regex(/^<[!-;=?-~]+>$/, 'is no Message-ID')
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256')
const mailbox = z.object({ name: line.optional(), address: line.includes('@') })
const header = z.object({ name: headerName, value: z.string() })
const file = z.object({
  hash,
  filename: line,
  contentType: z.string().regex(/^[\w!#$&^.+-]+\/[ -~]+$/, 'is no media type'),
  size: z.int().min(0),
})
const image = file.extend({ cid: z.string().regex(/^[!-;=?-~]+$/, 'is no Content-ID') })

const base = {
  v: z.literal(1),
  sender: mailbox,
  replyTo: z.array(mailbox),
  html: z.string().optional(),
  text: z.string().optional(),
  inlineCss: z.boolean(),
  attachments: z.array(file),
  inlineImages: z.array(image),
  unsubscribeUrl: z.string().optional(),
}

const literal = z.object({
  ...base,
  kind: z.literal('literal'),
  subject: line,
  headers: z.array(header.extend({ value: line })),
  to: z.array(mailbox),
  cc: z.array(mailbox),
  messageId,
  date: z.iso.datetime(),
  priority: z.enum(['high', 'normal', 'low']).optional(),
  inReplyTo: messageId.optional(),
  references: z.array(messageId),
})

const template = z.object({
  ...base,
  kind: z.literal('template'),
  subject: z.string(),
  headers: z.array(header),
  autoescape: z.boolean(),
  strict: z.boolean().optional(),
})

const raw = z.object({
  v: z.literal(1),
  kind: z.literal('raw'),
  // Empty is the null reverse-path.
  sender: z.union([z.literal(''), line.includes('@')]),
  messageId: line,
  subject: line,
  message: z.object({ hash, size: z.int().min(0) }),
  eightBit: z.literal(true).optional(),
  smtpUtf8: z.literal(true).optional(),
})

const schema = z.discriminatedUnion('kind', [literal, template, raw])

/** Throws FluxMailError `invalid_payload` that lists what is wrong. */
export function parseContent(value: unknown): Content {
  const result = schema.safeParse(value)
  // JSON has no undefined, so that what zod calls optional is either there or not.
  if (result.success) return result.data as Content
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'content'}: ${issue.message}`,
  )
  throw new FluxMailError('invalid_payload', `the stored content cannot be read: ${problems.join('; ')}`, {
    cause: result.error,
  })
}
