// The text of a chunk while it is written, as bytes: what is hashed and compressed of a row never was a string.
// Byte for byte what JSON.stringify writes, so that equal rows have equal digests whoever wrote them.
// The bytes are this buffer's own: they stay as they are only until it is cleared.

import { chunkBytes, setBit } from './packed-rows.js'

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const opening = 0x5b
const closing = 0x5d
const zero = 0x30
const START_BYTES = 128 * 1024

export class ChunkText {
  #bytes = Buffer.allocUnsafe(START_BYTES)
  #length = 0
  #row = 0
  #rows = 0
  #accepted = 0
  #bits = Buffer.alloc(chunkBytes)

  /** Bytes that were written. */
  get length(): number {
    return this.#length
  }

  get rows(): number {
    return this.#rows
  }

  get accepted(): number {
    return this.#accepted
  }

  /** A bit for each row that was accepted. */
  get bits(): Buffer {
    return this.#bits
  }

  clear(): void {
    this.#length = 0
    this.#rows = 0
    this.#accepted = 0
    this.#bits = Buffer.alloc(chunkBytes)
  }

  /** What is written from here on is a row, until it is accepted or rejected. */
  startRow(): void {
    this.#byte(this.#rows === 0 ? opening : comma)
    this.#row = this.#length
  }

  acceptRow(): void {
    setBit(this.#bits, this.#rows)
    this.#rows += 1
    this.#accepted += 1
  }

  /** Whatever was written of it. */
  rejectRow(): void {
    this.#length = this.#row
    this.#rows += 1
    this.#byte(zero)
  }

  /** All rows; only then is it JSON. */
  end(): Buffer {
    this.#byte(closing)
    return this.#bytes.subarray(0, this.#length)
  }

  /** JSON as it is. */
  bytes(json: Uint8Array): void {
    this.#reserve(json.length)
    this.#length = copied(this.#bytes, this.#length, json)
  }

  /** JSON as it is, without lone surrogates. */
  json(json: string): void {
    this.#reserve(3 * json.length)
    this.#length += this.#bytes.write(json, this.#length)
  }

  /** Any string, as JSON. */
  string(value: string): void {
    this.#reserve(3 * value.length + 2)
    const end = quoted(this.#bytes, this.#length, value)
    if (end === undefined) this.json(JSON.stringify(value))
    else this.#length = end
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length] = byte
    this.#length += 1
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * needed)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

/** Where it ends. Quicker than `set`, since it is short. */
function copied(bytes: Buffer, start: number, json: Uint8Array): number {
  const { length } = json
  for (let at = 0; at < length; at += 1) bytes[start + at] = json[at] ?? 0
  return start + length
}

/** Where it ends in `bytes`; undefined for one that needs an escape or has a surrogate. */
function quoted(bytes: Buffer, start: number, value: string): number | undefined {
  const { length } = value
  let at = start
  bytes[at++] = quote
  for (let index = 0; index < length; index += 1) {
    const unit = value.charCodeAt(index)
    if (unit < 0x80) {
      if (unit < 0x20 || unit === quote || unit === backslash) return undefined
      bytes[at++] = unit
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6)
      bytes[at++] = 0x80 | (unit & 0x3f)
    } else {
      if (unit >= 0xd800 && unit <= 0xdfff) return undefined
      bytes[at++] = 0xe0 | (unit >> 12)
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[at++] = 0x80 | (unit & 0x3f)
    }
  }
  bytes[at++] = quote
  return at
}
