// A message as it goes over the wire after DATA (RFC 5321, 4.5.2): lines ended by CRLF, dots at their beginnings doubled.
// No byte is copied that can go as it is. A lone CR or LF never leaves here, or a relay might read a second message out
// of the first.

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e

const insertions = {
  lf: Buffer.from('\n'),
  lfAndDot: Buffer.from('\n.'),
  cr: Buffer.from('\r'),
  dot: Buffer.from('.'),
}
const lineWithDot = Buffer.from('\r\n.')
const ends = {
  afterLine: Buffer.from('.\r\n'),
  afterCr: Buffer.from('\n.\r\n'),
  within: Buffer.from('\r\n.\r\n'),
}

/** Pieces from this size on may be shared by many messages: what is found in one is kept. */
const SHARED_BYTES = 64 * 1024
/** A message in more pieces than this is better copied. */
const MAX_PIECES = 32

interface Found {
  readonly before: number
  readonly hasLines: boolean
  readonly pieces: readonly Buffer[]
}

const found = new WeakMap<Buffer, Found>()

export function piecesOf(bytes: Buffer | readonly Buffer[]): readonly Buffer[] {
  return Buffer.isBuffer(bytes) ? [bytes] : bytes
}

/**
 * The pieces of a message as they follow DATA, without the end of data. `hasLines` says that every CR and LF in them is
 * known to be part of a CRLF.
 */
export function dataOf(message: readonly Buffer[], hasLines: boolean): Buffer[] {
  const data: Buffer[] = []
  // The message begins at the beginning of a line.
  let before = LF
  for (const piece of message) {
    const { length } = piece
    if (length === 0) continue
    if (length < SHARED_BYTES) stuff(piece, before, hasLines, data)
    else data.push(...knownData(piece, before, hasLines))
    before = piece[length - 1] as number
  }
  return data
}

/** What ends the data: the rest of a last line's end, and the final dot. */
export function endOf(data: readonly Buffer[]): Buffer {
  const last = data.at(-1)?.at(-1)
  if (last === LF) return ends.afterLine
  return last === CR ? ends.afterCr : ends.within
}

function knownData(piece: Buffer, before: number, hasLines: boolean): readonly Buffer[] {
  const known = found.get(piece)
  if (known && known.before === before && known.hasLines === hasLines) return known.pieces
  const pieces: Buffer[] = []
  stuff(piece, before, hasLines, pieces)
  found.set(piece, { before, hasLines, pieces })
  return pieces
}

function stuff(piece: Buffer, before: number, hasLines: boolean, data: Buffer[]): void {
  const pieces: Buffer[] = []
  if (hasLines) stuffLines(piece, before, pieces)
  else stuffAnything(piece, before, pieces)
  if (pieces.length > MAX_PIECES) data.push(Buffer.concat(pieces))
  else data.push(...pieces)
}

function stuffLines(piece: Buffer, before: number, data: Buffer[]): void {
  if (before === LF && piece[0] === DOT) data.push(insertions.dot)
  let from = 0
  for (let at = piece.indexOf(lineWithDot); at !== -1; at = piece.indexOf(lineWithDot, from)) {
    data.push(piece.subarray(from, at + 2), insertions.dot)
    from = at + 2
  }
  data.push(from === 0 ? piece : piece.subarray(from))
}

function stuffAnything(piece: Buffer, before: number, data: Buffer[]): void {
  let from = 0
  let previous = before
  for (let at = 0; at < piece.length; at += 1) {
    const byte = piece[at] as number
    const insertion = insertionFor(previous, byte)
    previous = byte
    if (insertion === undefined) continue
    if (at > from) data.push(piece.subarray(from, at))
    data.push(insertion)
    from = at
  }
  data.push(from === 0 ? piece : piece.subarray(from))
}

/** What has to stand between two bytes. */
function insertionFor(previous: number, byte: number): Buffer | undefined {
  if (previous === CR) {
    if (byte === LF) return undefined
    return byte === DOT ? insertions.lfAndDot : insertions.lf
  }
  if (byte === LF) return insertions.cr
  return byte === DOT && previous === LF ? insertions.dot : undefined
}
