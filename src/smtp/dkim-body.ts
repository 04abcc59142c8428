// The body hash of DKIM: SHA-256 over the relaxed body (RFC 6376, 3.4.4).
// Linear in the bytes whatever they are, and with a pause after each slice of a large body. Lines that stand in many
// messages are relaxed once.

import { createHash, type Hash } from 'node:crypto'
import type { FixedLines } from '../delivery/delivery.js'

/** What is hashed between two pauses: about a millisecond's worth. */
const SLICE_BYTES = 128 * 1024
/** Pieces from this size on may be shared by many messages. */
const SHARED_BYTES = 64 * 1024

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32

export interface HashedBody {
  readonly pieces: readonly Buffer[]
  /** Lines in the first of them. */
  readonly fixed: readonly FixedLines[]
}

/** Base64. Lines are ended by CRLF. `pause` is waited for between slices, so that others get their turn. */
export async function hashBody(body: HashedBody, pause: () => Promise<void>): Promise<string> {
  const relaxing = new Relaxing()
  let since = 0
  for (const part of partsOf(body)) {
    for (let from = part.from; from < part.end; from += SLICE_BYTES) {
      const end = Math.min(from + SLICE_BYTES, part.end)
      if (since > 0 && since + end - from > SLICE_BYTES) {
        relaxing.flush()
        await pause()
        since = 0
      }
      since += end - from
      relaxing.take(part, from, end)
    }
  }
  return relaxing.digest()
}

interface Part {
  readonly bytes: Buffer
  readonly from: number
  readonly end: number
  /** What stands after it, where that is in other bytes. */
  readonly next: number | undefined
  /** Whether there is nothing to relax within it. */
  readonly isRelaxed: boolean
}

/** Without the blanks and empty lines that end the body. */
function partsOf({ pieces, fixed }: HashedBody): Part[] {
  const parts: Part[] = []
  let next: number | undefined
  for (let index = pieces.length - 1; index >= 0; index -= 1) {
    const whole = pieces[index] as Buffer
    const end = parts.length === 0 ? contentEnd(whole) : whole.length
    if (end === 0) continue
    if (index === 0 && fixed.length > 0) parts.push(...partedByLines(whole, end, next, fixed).reverse())
    else parts.push({ bytes: whole, from: 0, end, next, isRelaxed: isRelaxed(whole) })
    next = whole[0]
  }
  return parts.reverse()
}

function contentEnd(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && isBlankOrEnd(bytes[end - 1])) end -= 1
  return end
}

function isBlankOrEnd(byte: number | undefined): boolean {
  return byte === SPACE || byte === CR || byte === LF || byte === TAB
}

function partedByLines(
  bytes: Buffer,
  end: number,
  next: number | undefined,
  fixed: readonly FixedLines[],
): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const { at, bytes: lines } of fixed) {
    const { length, relaxed } = relaxedLines(lines)
    if (length === 0 || at < from || at + length > end) continue
    if (at > from) parts.push({ bytes, from, end: at, next, isRelaxed: false })
    parts.push({ bytes: relaxed, from: 0, end: relaxed.length, next: undefined, isRelaxed: true })
    from = at + length
  }
  if (from < end) parts.push({ bytes, from, end, next, isRelaxed: false })
  return parts
}

interface RelaxedLines {
  /** How much of the bytes is whole lines. */
  readonly length: number
  readonly relaxed: Buffer
}

const known = new WeakMap<Buffer, RelaxedLines>()

function relaxedLines(bytes: Buffer): RelaxedLines {
  const before = known.get(bytes)
  if (before) return before
  const lastEnd = bytes.lastIndexOf('\r\n')
  const length = lastEnd === -1 ? 0 : lastEnd + 2
  const out = Buffer.allocUnsafe(length)
  const part = { bytes, from: 0, end: length, next: undefined, isRelaxed: false }
  const lines = { length, relaxed: out.subarray(0, relax(part, false, out, 0)) }
  known.set(bytes, lines)
  return lines
}

/** What a relaxed body does not hold, and what it may not hold at the end of a piece. */
const unrelaxed = /[ \t][ \t\r]|\t|[ \t]$/
const areRelaxed = new WeakMap<Buffer, boolean>()

/** Asked of what may be shared alone: looking is as dear as relaxing. */
function isRelaxed(piece: Buffer): boolean {
  if (piece.length < SHARED_BYTES) return false
  const before = areRelaxed.get(piece)
  if (before !== undefined) return before
  const isSo = !unrelaxed.test(piece.toString('latin1'))
  areRelaxed.set(piece, isSo)
  return isSo
}

/** Writes relaxed bytes but blanks at their end, and says up to where. What needs no relaxing is copied as it is. */
function relax({ bytes, from, end, next }: Part, wasAfterBlank: boolean, out: Buffer, start: number): number {
  let to = start
  let plainFrom = from
  for (let at = wasAfterBlank ? from : unfit(bytes, from, end); at < end; at = unfit(bytes, at, end)) {
    to = copy(bytes, plainFrom, at, out, to)
    while (at < end && isBlank(bytes[at])) at += 1
    plainFrom = at
    if (at === end) return to
    const isLineEnd = bytes[at] === CR && (at + 1 < bytes.length ? bytes[at + 1] : next) === LF
    if (!isLineEnd) out[to++] = SPACE
  }
  return copy(bytes, plainFrom, end, out, to)
}

/** Where the next blank is that may not stay as it is, or the end. */
function unfit(bytes: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at += 1) {
    const byte = bytes[at] as number
    if (byte > SPACE) continue
    if (byte === TAB) return at
    if (byte !== SPACE) continue
    const after = at + 1 < end ? (bytes[at + 1] as number) : SPACE
    if (after === SPACE || after === TAB || after === CR) return at
  }
  return end
}

/** What is copied by a call: for less the call is dearer than the bytes. */
const FEW_BYTES = 64

function copy(bytes: Buffer, from: number, end: number, out: Buffer, start: number): number {
  const size = end - from
  if (size >= FEW_BYTES) bytes.copy(out, start, from, end)
  else for (let at = 0; at < size; at += 1) out[start + at] = bytes[from + at] as number
  return start + size
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}

function endsWithBlank({ bytes, end }: Part): boolean {
  return isBlank(bytes[end - 1])
}

const ROOM_BYTES = SLICE_BYTES + 1
/** Nobody writes to it across a pause. */
let room: Buffer | undefined

class Relaxing {
  readonly #hash: Hash = createHash('sha256')
  #isAfterBlank = false
  #isEmpty = true
  #waiting = 0

  take(part: Part, from: number, end: number): void {
    const slice = from === part.from && end === part.end ? part : { ...part, from, end }
    const size = end - from
    room ??= Buffer.allocUnsafeSlow(ROOM_BYTES)
    this.#isEmpty = false
    if (this.#waiting + size >= ROOM_BYTES) this.flush()
    const isAsItIs = part.isRelaxed && !this.#isAfterBlank
    if (isAsItIs && size >= SHARED_BYTES) {
      this.flush()
      this.#hash.update(part.bytes.subarray(from, end))
    } else if (isAsItIs) {
      part.bytes.copy(room, this.#waiting, from, end)
      this.#waiting += size
    } else {
      this.#waiting = relax(slice, this.#isAfterBlank, room, this.#waiting)
      this.#isAfterBlank = endsWithBlank(slice)
    }
  }

  flush(): void {
    if (this.#waiting > 0 && room) this.#hash.update(room.subarray(0, this.#waiting))
    this.#waiting = 0
  }

  digest(): string {
    this.flush()
    if (!this.#isEmpty) this.#hash.update('\r\n')
    return this.#hash.digest('base64')
  }
}
