// Text bodies as bytes for the wire: as they are where that is safe, else quoted-printable (RFC 2045, 6.7).
// Every line ends with CRLF and is short enough for any relay. Every message passes here, so the loops are flat.

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
const scratchBytes = 1 << 20

export interface EncodedBody {
  readonly encoding: '7bit' | 'quoted-printable'
  readonly bytes: Buffer
}

const hexDigits = Buffer.from('0123456789ABCDEF')
/** 1 for bytes that stand for themselves; blanks do so but at the end of a line. */
const literal = new Uint8Array(256).fill(1, SPACE, TILDE + 1)
literal[TAB] = 1
literal[EQUALS] = 0
/** 1 for bytes that a line of 7bit text may hold. */
const printable = new Uint8Array(256).fill(1, SPACE, TILDE + 1)
printable[TAB] = 1

let scratch: Buffer | undefined

/** Encodes a text; line ends of any kind become CRLF, lone surrogates U+FFFD. */
export function encodeBody(text: string): EncodedBody {
  const source = Buffer.from(text)
  const out = roomFor(source.length)
  // Only ASCII has as many bytes as characters. Boundaries hold `=_`, which quoted-printable never does, so that
  // no body can hold a boundary.
  const plain = source.length === text.length && !text.includes('=_') ? writePlain(source, out) : -1
  if (plain >= 0) return { encoding: '7bit', bytes: Buffer.from(out.subarray(0, plain)) }
  return { encoding: 'quoted-printable', bytes: Buffer.from(out.subarray(0, writeEncoded(source, out))) }
}

function roomFor(length: number): Buffer {
  // Three bytes for each, and three more for each line of 25 such.
  const room = length * 3 + Math.ceil(length / 20) * 3 + 8
  if (room > scratchBytes) return Buffer.allocUnsafe(room)
  scratch ??= Buffer.allocUnsafeSlow(scratchBytes)
  return scratch
}

/** Writes ASCII with CRLF line ends; -1 if that is no body that may go out as it is. */
function writePlain(source: Uint8Array, out: Uint8Array): number {
  const { length } = source
  let to = 0
  let lineStart = 0
  for (let at = 0; at < length; at++) {
    while (at < length && printable[source[at] as number] === 1) out[to++] = source[at++] as number
    if (to - lineStart > maxPlainLine) return -1
    if (at === length) break
    const byte = source[at]
    if (byte !== LF && byte !== CR) return -1
    if (byte === CR && at + 1 < length && source[at + 1] === LF) at++
    out[to++] = CR
    out[to++] = LF
    lineStart = to
  }
  return to
}

function writeEncoded(source: Uint8Array, out: Uint8Array): number {
  const { length } = source
  let to = 0
  let column = 0
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
  return writeLastBlank(out, to, column)
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
