// Text bodies as bytes for the wire: as they are where that is safe, else quoted-printable (RFC 2045, 6.7).
// Every line ends with CRLF and is short enough for any relay.

import { Draft } from './draft.js'
import type { BodyText } from './fixed-text.js'
import { endEncoded, writeEncoded, writePlain } from './line-encoding.js'

export type BodyEncoding = '7bit' | 'quoted-printable'

export interface EncodedBody {
  readonly encoding: BodyEncoding
  readonly bytes: Buffer
}

/** Encodes a text; line ends of any kind become CRLF, lone surrogates U+FFFD. */
export function encodeBody(body: BodyText): EncodedBody {
  const draft = new Draft(1024)
  const encoding = writeBody(draft, body, () => Buffer.alloc(0))
  return { encoding, bytes: draft.take() }
}

/** Writes a body below the header that says how it is encoded. */
export function writeBody(
  draft: Draft,
  body: BodyText,
  header: (encoding: BodyEncoding) => Buffer,
): BodyEncoding {
  const pieces = typeof body === 'string' ? [body] : body
  const { length: start } = draft
  const fixed = draft.fixed.length
  draft.copy(header('7bit'))
  if (writeAllPlain(draft, pieces)) return '7bit'
  draft.length = start
  draft.fixed.length = fixed
  draft.copy(header('quoted-printable'))
  writeAllEncoded(draft, pieces)
  return 'quoted-printable'
}

type Pieces = Exclude<BodyText, string>

function writeAllPlain(draft: Draft, pieces: Pieces): boolean {
  draft.column = 0
  let pending = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') pending += piece
    else {
      const { plain } = piece
      if (plain === undefined || !writePlain(draft, pending + piece.head)) return false
      pending = ''
      draft.copyLines(plain)
    }
  }
  return writePlain(draft, pending)
}

function writeAllEncoded(draft: Draft, pieces: Pieces): void {
  draft.column = 0
  let pending = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') pending += piece
    else {
      const { encoded } = piece
      writeEncoded(draft, pending + piece.head)
      pending = ''
      draft.copyLines(encoded)
    }
  }
  writeEncoded(draft, pending)
  endEncoded(draft)
}
