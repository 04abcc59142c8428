// Messages: the skeleton of a content is made once, and each recipient's strings are filled into one Buffer.
// Bcc is not known here, so that it can never come into a header.

import type { FileRef, InlineImageRef } from './content.js'
import { Draft, type Placed } from './draft.js'
import type { BodyText } from './fixed-text.js'
import { isSimpleParameter, parameter } from './header-line.js'
import { type BodyEncoding, writeBody } from './quoted-printable.js'

export interface SkeletonParts {
  readonly hasText: boolean
  readonly hasHtml: boolean
  readonly attachments: readonly FileRef[]
  readonly inlineImages: readonly InlineImageRef[]
  /** Makes the boundaries: the same for the same content. */
  readonly seed: string
}

export interface Bodies {
  readonly text?: BodyText | undefined
  readonly html?: BodyText | undefined
}

export interface Skeleton {
  /**
   * The whole message, in pieces of which large files are shared with other messages. `headers` are lines ended by CRLF,
   * without those that describe the body. `own` are attachments of this message alone, after those that all share.
   */
  fill(headers: string, bodies: Bodies, own?: readonly EncodedFile[]): Filled
}

export interface Filled {
  readonly pieces: readonly Buffer[]
  /** Lines in the first of them that other messages have too. */
  readonly fixed: readonly Placed[]
}

/** A file and its lines of base64. */
export interface EncodedFile {
  readonly file: FileRef
  readonly lines: Buffer
}

/** A body that differs for each recipient, or bytes that all share. */
type Piece = Buffer | 'text' | 'html'

/**
 * Encodes the files of a content and lays out its parts: mixed, related and alternative, each as needed.
 * `fileOf` gives the bytes of a file by its hash.
 */
export function createSkeleton(parts: SkeletonParts, fileOf: (hash: string) => Buffer): Skeleton {
  const encode = (hash: string) => base64Lines(fileOf(hash))
  const related = relatedPart(parts, encode)
  const files = parts.attachments.map((file) => filePart(file, encode(file.hash), 'attachment'))
  const pieces = joinPieces(multipart('mixed', [related, ...files], parts.seed))
  return {
    fill(headers, bodies, own = []) {
      const added = own.map(({ file, lines }) => filePart(file, lines, 'attachment'))
      const all = added.length === 0 ? pieces : multipart('mixed', [related, ...files, ...added], parts.seed)
      return fill(`${headers}MIME-Version: 1.0\r\n`, all, bodies)
    },
  }
}

function relatedPart(parts: SkeletonParts, encode: (hash: string) => Buffer): Piece[] {
  const { hasText, hasHtml, seed } = parts
  const slots: Piece[][] = [...(hasText ? [['text' as const]] : []), ...(hasHtml ? [['html' as const]] : [])]
  const alternative = multipart('alternative', slots, seed)
  const images = parts.inlineImages.map((image) => filePart(image, encode(image.hash), 'inline', image.cid))
  return multipart('related', [alternative, ...images], seed, hasText ? 'multipart/alternative' : 'text/html')
}

/** A multipart of its parts; a single part stands for itself. */
function multipart(kind: string, parts: readonly (readonly Piece[])[], seed: string, type?: string): Piece[] {
  const [only] = parts
  if (only && parts.length === 1) return [...only]
  // `=_` can never stand in quoted-printable or base64 (RFC 2045, 6.7), and bodies sent as they are have none.
  const boundary = `--=_${kind.slice(0, 3)}_${seed}`
  const typeParameter = type ? `;\r\n type="${type}"` : ''
  const pieces: Piece[] = [
    ascii(`Content-Type: multipart/${kind}${typeParameter};\r\n boundary="${boundary}"\r\n\r\n`),
  ]
  for (const [index, part] of parts.entries()) {
    pieces.push(ascii(`${index === 0 ? '' : '\r\n'}--${boundary}\r\n`), ...part)
  }
  pieces.push(ascii(`\r\n--${boundary}--\r\n`))
  return pieces
}

function filePart(file: FileRef, lines: Buffer, disposition: 'attachment' | 'inline', cid?: string): Piece[] {
  // Old programs read the name here; where it needs more than ASCII the disposition has it.
  const name = isSimpleParameter(file.filename) ? parameter('name', file.filename) : ''
  const id = cid === undefined ? '' : `Content-ID: <${cid}>\r\n`
  const header = [
    `Content-Type: ${file.contentType}${name}\r\n`,
    'Content-Transfer-Encoding: base64\r\n',
    `Content-Disposition: ${disposition}${parameter('filename', file.filename)}\r\n`,
    `${id}\r\n`,
  ]
  return [ascii(header.join('')), lines]
}

// 57 bytes make the 76 characters of a line (RFC 2045, 6.8).
const bytesPerLine = 57

/** Bytes as base64 in lines of 76 characters, without an end of the last one. */
export function base64Lines(content: Buffer): Buffer {
  const lines = Math.ceil(content.length / bytesPerLine)
  const out = Buffer.allocUnsafe(Math.ceil(content.length / 3) * 4 + Math.max(lines - 1, 0) * 2)
  let to = 0
  for (let from = 0; from < content.length; from += bytesPerLine) {
    if (from > 0) to += out.write('\r\n', to, 'latin1')
    to += out.write(content.toString('base64', from, from + bytesPerLine), to, 'latin1')
  }
  return out
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function joinPieces(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = []
  let run: Buffer[] = []
  const flush = () => {
    if (run.length > 0) joined.push(Buffer.concat(run))
    run = []
  }
  for (const piece of pieces) {
    if (typeof piece !== 'string') run.push(piece)
    else {
      flush()
      joined.push(piece)
    }
  }
  flush()
  return joined
}

/** What is smaller is copied rather than handed over by itself. */
const SHARED_BYTES = 16 * 1024

let kept: Draft | undefined

function fill(headers: string, pieces: readonly Piece[], bodies: Bodies): Filled {
  kept ??= new Draft()
  const draft = kept
  draft.clear()
  // Only addresses with an international local part are not ASCII here (RFC 6532).
  draft.write(headers)
  const filled: Buffer[] = []
  const { fixed } = draft
  for (const piece of pieces) {
    if (typeof piece === 'string') writeBody(draft, bodies[piece] ?? '', bodyHeaders[piece])
    else if (piece.length < SHARED_BYTES) draft.copy(piece)
    else {
      if (draft.length > 0) filled.push(draft.take())
      filled.push(piece)
    }
  }
  if (draft.length > 0) filled.push(draft.take())
  return { pieces: filled, fixed }
}

const bodyHeaders = { text: bodyHeader('text/plain'), html: bodyHeader('text/html') }

function bodyHeader(type: string): (encoding: BodyEncoding) => Buffer {
  const below = (encoding: BodyEncoding) =>
    ascii(`Content-Type: ${type}; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`)
  const headers = { '7bit': below('7bit'), 'quoted-printable': below('quoted-printable') }
  return (encoding) => headers[encoding]
}
