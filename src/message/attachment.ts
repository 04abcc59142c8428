// Files of an email: read or copied once when it is created, named safely, and counted against one limit.
// No path survives this step; what travels is bytes under their SHA-256.

import { createHash } from 'node:crypto'
import { FluxMailError, messageOf } from '../errors.js'
import { contentTypeOfName, imageTypeOf, parseContentType } from './content-type.js'
import type { FilePart, InlineImagePart } from './email-parts.js'
import { fieldError, kindOf, quoted } from './field-error.js'
import { parseHeaderText } from './header-text.js'
import { readKnownFields } from './known-fields.js'

const maxFilenameOctets = 255
const cidText = /^[A-Za-z0-9][A-Za-z0-9._+@=-]{0,199}$/

/**
 * Reads a file of at most `maxBytes`. Throws `attachment_not_found`, `read_error` or `attachment_too_large`,
 * naming `field`.
 */
export type ReadFile = (path: string, field: string, maxBytes: number) => Buffer

/** Bytes of a file; a string stands for its UTF-8. */
export type FileContent = string | Uint8Array | ArrayBuffer

export interface FileInput {
  /** What the recipient sees, without a folder. Default: the last part of `path`. */
  readonly filename?: string | undefined
  /** Either the bytes … */
  readonly content?: FileContent | undefined
  /** … or where they are. */
  readonly path?: string | undefined
  /** Default: by `filename`. */
  readonly contentType?: string | undefined
}

export type AttachmentInput = string | FileInput
/** A path, bytes, or both with a type. */
export type InlineImageInput = string | Uint8Array | ArrayBuffer | FileInput

/** Where files come from, and how much room the email has left for them. Use one for all files of one email. */
export interface FileSource {
  readonly readFile: ReadFile
  readonly maxBytes: number
  usedBytes: number
}

export function createFileSource(readFile: ReadFile, maxBytes: number): FileSource {
  return { readFile, maxBytes, usedBytes: 0 }
}

/**
 * Attachments from an array of paths or `{ filename, content | path, contentType }`.
 * Throws `invalid_params`, `invalid_header` (a control character in a name) and what `ReadFile` throws.
 */
export function parseAttachments(
  input: unknown,
  source: FileSource,
  field = 'attachments',
): readonly FilePart[] {
  if (input === undefined || input === null) return Object.freeze([])
  if (!Array.isArray(input)) {
    const advice = 'Give an array of paths or of { filename, content }'
    throw fieldError('invalid_params', field, `it is ${kindOf(input)}, not an array`, advice)
  }
  return Object.freeze(
    Array.from(input, (item, index) => parseAttachment(item, source, `${field}[${index}]`)),
  )
}

/**
 * Inline images from `{ cid: path | bytes | { content | path, filename, contentType } }`, for `<img src="cid:…">`.
 * Throws as `parseAttachments` does.
 */
export function parseInlineImages(
  input: unknown,
  source: FileSource,
  field = 'inlineImages',
): readonly InlineImagePart[] {
  if (input === undefined || input === null) return Object.freeze([])
  if (typeof input !== 'object' || Array.isArray(input)) {
    throw fieldError(
      'invalid_params',
      field,
      `it is ${kindOf(input)}`,
      "Give an object such as { logo: 'logo.png' }",
    )
  }
  return Object.freeze(Object.entries(input).map(([cid, item]) => parseInlineImage(cid, item, source, field)))
}

function parseAttachment(item: unknown, source: FileSource, field: string): FilePart {
  const file = readFileInput(typeof item === 'string' ? { path: item } : item, field)
  // Read first: a folder such as .. is refused for what it is, not for its name.
  const content = file.path === undefined ? undefined : takeBytes(file, source, field)
  const filename = file.filename ?? nameOfPath(file.path, field)
  if (filename === undefined) {
    throw fieldError('invalid_params', field, 'it has content without a name', 'Give filename beside content')
  }
  const byName = contentTypeOfName(filename)
  const charset = typeof file.content === 'string' && byName.startsWith('text/') ? '; charset=utf-8' : ''
  const contentType = file.contentType ?? byName + charset
  return asFilePart(filename, contentType, content ?? takeBytes(file, source, field))
}

function parseInlineImage(cid: string, item: unknown, source: FileSource, field: string): InlineImagePart {
  if (!cidText.test(cid)) {
    const advice = 'Use letters, digits, . _ + @ = and -, at most 200, beginning with a letter or digit'
    throw fieldError('invalid_params', field, `${quoted(cid)} is no Content-ID`, advice)
  }
  const path = `${field}.${cid}`
  const file = readFileInput(asImageInput(item), path)
  const content = takeBytes(file, source, path)
  const given = file.filename ?? nameOfPath(file.path, path)
  const found = imageTypeOf(content)
  const byName = given === undefined ? undefined : contentTypeOfName(given)
  const contentType = file.contentType ?? (byName?.startsWith('image/') ? byName : found?.type)
  if (contentType === undefined) {
    const advice = "Name it by its kind (logo.png) or give { content, contentType: 'image/…' }"
    throw fieldError('invalid_params', path, 'it is not known what kind of image it is', advice)
  }
  const filename = given ?? (found ? `${cid}.${found.extension}` : cid)
  return Object.freeze({ ...asFilePart(filename, contentType, content), cid })
}

function asImageInput(item: unknown): unknown {
  if (typeof item === 'string') return { path: item }
  return isBytes(item) ? { content: item } : item
}

interface CheckedFile {
  readonly filename?: string
  readonly contentType?: string
  readonly content?: FileContent
  readonly path?: string
}

function readFileInput(item: unknown, field: string): CheckedFile {
  const rule = {
    path: field,
    known: ['filename', 'content', 'path', 'contentType'],
    alias: { name: 'filename' },
  }
  const { filename, content, path, contentType } = readKnownFields(item, rule)
  if ((content === undefined) === (path === undefined)) {
    const problem =
      content === undefined ? 'neither content nor path is given' : 'both content and path are given'
    throw fieldError('invalid_params', field, problem, 'Give one of them')
  }
  const described = {
    ...(filename === undefined ? {} : { filename: parseFilename(filename, `${field}.filename`) }),
    ...(contentType === undefined
      ? {}
      : { contentType: parseContentType(contentType, `${field}.contentType`) }),
  }
  if (content === undefined) return { ...described, path: parsePath(path, field) }
  if (typeof content === 'string' || isBytes(content)) return { ...described, content }
  throw fieldError('invalid_params', `${field}.content`, `it is ${kindOf(content)}`, 'Give a string or bytes')
}

function parsePath(path: unknown, field: string): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  throw fieldError(
    'invalid_params',
    field,
    `${quoted(path)} is no path of a file`,
    'Give the path as a string',
  )
}

function isBytes(value: unknown): value is Uint8Array | ArrayBuffer {
  return value instanceof Uint8Array || value instanceof ArrayBuffer
}

/** The bytes as a copy of our own, counted against the limit of the email. */
function takeBytes(file: CheckedFile, source: FileSource, field: string): Buffer {
  const room = source.maxBytes - source.usedBytes
  const bytes =
    file.path === undefined ? copyOf(file.content ?? '') : readThrough(source, file.path, field, room)
  if (bytes.length > room) {
    throw fieldError(
      'attachment_too_large',
      field,
      `it is ${bytes.length} bytes, and ${room} of ${source.maxBytes} are left for the files of this email`,
      'Send less, or a link',
    )
  }
  source.usedBytes += bytes.length
  return bytes
}

function copyOf(content: FileContent): Buffer {
  if (typeof content === 'string') return Buffer.from(content)
  return content instanceof ArrayBuffer ? Buffer.from(content.slice(0)) : Buffer.from(content)
}

function readThrough(source: FileSource, path: string, field: string, room: number): Buffer {
  try {
    return source.readFile(path, field, room)
  } catch (thrown) {
    if (thrown instanceof FluxMailError) throw thrown
    throw fieldError(
      'read_error',
      field,
      `the file cannot be read: ${messageOf(thrown)}`,
      'Check the path',
      thrown,
    )
  }
}

function nameOfPath(path: string | undefined, field: string): string | undefined {
  return path === undefined ? undefined : parseFilename(path.split(/[/\\]/).at(-1), field)
}

function parseFilename(input: unknown, field: string): string {
  const filename = parseHeaderText(input, field)
  const trouble = filenameTrouble(filename)
  if (trouble === undefined) return filename
  throw fieldError(
    'invalid_params',
    field,
    `${quoted(filename)} ${trouble}`,
    "Give a name such as 'report.pdf'",
  )
}

function filenameTrouble(filename: string): string | undefined {
  if (filename.trim() === '') return 'is empty'
  if (/[/\\]/.test(filename)) return 'is a path, not a name'
  if (filename === '.' || filename === '..') return 'is a folder'
  if (Buffer.byteLength(filename) > maxFilenameOctets) return `is over ${maxFilenameOctets} octets`
  return undefined
}

function asFilePart(filename: string, contentType: string, content: Buffer): FilePart {
  const hash = createHash('sha256').update(content).digest('hex')
  return Object.freeze({ filename, contentType, hash, content })
}
