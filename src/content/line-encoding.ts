// Text as bytes of a body, piece after piece: as it is, or quoted-printable (RFC 2045, 6.7), lines ended by CRLF.
// Where a piece ends changes nothing of what is written, but it may not end within a line end or a character.
// Every message passes here, so the loops are flat.

import type { Draft } from './draft.js'

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const EQUALS = 61
const TILDE = 126
/** The 76th column is kept for the `=` of a soft line break. */
const lineLength = 75
// RFC 5322 allows 998, but some relays cut lines at 990 and put a mark there.
const maxPlainLine = 900
const keptSourceBytes = 64 * 1024

const hexDigits = Buffer.from('0123456789ABCDEF')
/** 1 for bytes that stand for themselves; blanks do so but at the end of a line. */
const literal = new Uint8Array(256).fill(1, SPACE, TILDE + 1)
literal[TAB] = 1
literal[EQUALS] = 0
/** 1 for bytes that a line of 7bit text may hold. */
const printable = new Uint8Array(256).fill(1, SPACE, TILDE + 1)
printable[TAB] = 1

let kept: Buffer | undefined

/** UTF-8 to be read at once: the next call may write over it. Lone surrogates are U+FFFD. */
function sourceOf(text: string): { source: Buffer; length: number } {
  const room = text.length * 3
  if (room > keptSourceBytes) {
    const source = Buffer.from(text)
    return { source, length: source.length }
  }
  kept ??= Buffer.allocUnsafeSlow(keptSourceBytes)
  return { source: kept, length: kept.write(text) }
}

/**
 * Writes text as it is; false if it may not go out so, and then what was written is of no use. Boundaries hold `=_`,
 * which quoted-printable never does, so that no body can hold a boundary.
 */
export function writePlain(draft: Draft, text: string): boolean {
  if (text === '') return true
  if (text.includes('=_') || (text[0] === '_' && endsWithEquals(draft))) return false
  const { source, length } = sourceOf(text)
  draft.reserve(length * 2)
  const out = draft.bytes
  let to = draft.length
  let lineStart = to - draft.column
  for (let at = 0; at < length; at++) {
    while (at < length && printable[source[at] as number] === 1) out[to++] = source[at++] as number
    if (to - lineStart > maxPlainLine) return false
    if (at === length) break
    const byte = source[at]
    if (byte !== LF && byte !== CR) return false
    if (byte === CR && at + 1 < length && source[at + 1] === LF) at++
    out[to++] = CR
    out[to++] = LF
    lineStart = to
  }
  draft.length = to
  draft.column = to - lineStart
  return true
}

function endsWithEquals({ bytes, length, column }: Draft): boolean {
  return column > 0 && bytes[length - 1] === EQUALS
}

/** Writes text in quoted-printable; after the last piece of a body comes `endEncoded`. */
export function writeEncoded(draft: Draft, text: string): void {
  if (text === '') return
  const { source, length } = sourceOf(text)
  // Three bytes for each, and three more for each line of 25 such.
  draft.reserve(length * 3 + Math.ceil(length / 20) * 3 + 8)
  const out = draft.bytes
  let to = draft.length
  let column = draft.column
  for (let at = 0; at < length; ) {
    const start = at
    const end = Math.min(length, at + lineLength - column)
    while (at < end && literal[source[at] as number] === 1) out[to++] = source[at++] as number
    column += at - start
    if (at === length) break
    const byte = source[at] as number
    if (byte === LF || byte === CR) {
      if (byte === CR && at + 1 < length && source[at + 1] === LF) at++
      to = writeLastBlank(out, to, column)
      out[to++] = CR
      out[to++] = LF
      column = 0
      at++
    } else if (column + (literal[byte] === 1 ? 1 : 3) > lineLength) {
      to = writeSoftBreak(out, to)
      column = 0
    } else {
      to = writeHex(out, to, byte)
      column += 3
      at++
    }
  }
  draft.length = to
  draft.column = column
}

/** A blank that ends the body may not stay as it is. */
export function endEncoded(draft: Draft): void {
  draft.reserve(6)
  draft.length = writeLastBlank(draft.bytes, draft.length, draft.column)
}

function writeSoftBreak(out: Uint8Array, to: number): number {
  out[to] = EQUALS
  out[to + 1] = CR
  out[to + 2] = LF
  return to + 3
}

function writeHex(out: Uint8Array, to: number, byte: number): number {
  out[to] = EQUALS
  out[to + 1] = hexDigits[byte >> 4] as number
  out[to + 2] = hexDigits[byte & 15] as number
  return to + 3
}

/** A blank at the end of a line would be dropped by relays, so it is written over in hex. */
function writeLastBlank(out: Uint8Array, to: number, column: number): number {
  const last = out[to - 1]
  if (column === 0 || (last !== SPACE && last !== TAB)) return to
  const start = column + 2 > lineLength ? writeSoftBreak(out, to - 1) : to - 1
  return writeHex(out, start, last)
}
