// Which addresses have been there, in at most 16 bytes each: of an address 64 bits of its SHA-256 are kept.
// Nothing in it is left to chance, so that an import that goes on finds the same ones repeated.

import { hash } from 'node:crypto'

/** Tables grow one by one, so that what is copied at a time is small. */
const TABLES = 256
const FIRST_SLOTS = 8
/** Between 8 / 0.8 and 8 / (0.8 / 1.5) bytes an address. */
const MOST_FILLED = 0.8
const GROWTH = 1.5

export class SeenAddresses {
  readonly #tables = Array.from({ length: TABLES }, () => new Table(FIRST_SLOTS))

  /** Adds an address in its normal form; false when it has been there. Two that differ are taken for one at odds of n² / 2⁶⁵. */
  add(address: string): boolean {
    const digest = hash('sha256', address, 'buffer')
    const table = this.#tables[digest[0] ?? 0]
    return table?.add(digest.readUInt32LE(4), digest.readUInt32LE(8)) ?? false
  }

  /** What the tables take. */
  get bytes(): number {
    return this.#tables.reduce((total, { bytes }) => total + bytes, 0)
  }
}

class Table {
  #slots: number
  /** Two words a slot; an empty one is two zeros. */
  #words: Uint32Array
  #count = 0

  constructor(slots: number) {
    this.#slots = slots
    this.#words = new Uint32Array(2 * slots)
  }

  get bytes(): number {
    return this.#words.byteLength
  }

  add(high: number, low: number): boolean {
    const second = high === 0 && low === 0 ? 1 : low
    const at = this.#find(high, second)
    if (this.#words[at] !== 0 || this.#words[at + 1] !== 0) return false
    if (this.#count + 1 > this.#slots * MOST_FILLED) {
      this.#grow()
      this.#put(this.#find(high, second), high, second)
    } else this.#put(at, high, second)
    this.#count += 1
    return true
  }

  /** Where a digest stands, or the free slot where it would. */
  #find(high: number, low: number): number {
    const words = this.#words
    // The high word spread over the slots, which need not be a power of two.
    let slot = Math.floor((high / 2 ** 32) * this.#slots)
    for (;;) {
      const at = 2 * slot
      if (words[at] === high && words[at + 1] === low) return at
      if (words[at] === 0 && words[at + 1] === 0) return at
      slot = slot + 1 === this.#slots ? 0 : slot + 1
    }
  }

  #put(at: number, high: number, low: number): void {
    this.#words[at] = high
    this.#words[at + 1] = low
  }

  #grow(): void {
    const old = this.#words
    this.#slots = Math.ceil(this.#slots * GROWTH)
    this.#words = new Uint32Array(2 * this.#slots)
    for (let index = 0; index < old.length; index += 2) {
      const high = old[index] ?? 0
      const low = old[index + 1] ?? 0
      if (high !== 0 || low !== 0) this.#put(this.#find(high, low), high, low)
    }
  }
}
