// A message in the making: one buffer that is kept from message to message, and that each is copied out of once.
// Whoever writes reserves first: nothing looks at the end of the buffer after that.

const KEPT_BYTES = 256 * 1024

export interface Placed {
  readonly at: number
  readonly bytes: Buffer
}

export class Draft {
  /** What is behind `length` is nobody's. */
  bytes: Buffer
  length = 0
  /** How far its last line has come. */
  column = 0
  /** Where lines stand that other messages have too. */
  fixed: Placed[] = []

  constructor(room = KEPT_BYTES) {
    this.bytes = Buffer.allocUnsafeSlow(room)
  }

  reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  write(text: string): void {
    this.reserve(text.length * 3)
    this.length += this.bytes.write(text, this.length)
  }

  copy(bytes: Buffer): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Copies whole lines that are kept. */
  copyLines({ bytes, column }: { readonly bytes: Buffer; readonly column: number }): void {
    this.fixed.push({ at: this.length, bytes })
    this.copy(bytes)
    this.column = column
  }

  /** Gives what was written, and is empty after it. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.length))
    this.clear()
    return taken
  }

  clear(): void {
    this.length = 0
    this.column = 0
    this.fixed = []
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(KEPT_BYTES)
  }
}
