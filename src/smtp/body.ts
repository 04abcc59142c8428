// The message on its way to the socket: it asks leave before its first byte and again before its last piece.
// From that moment the relay may have the whole message; before it a repeat is safe.

import { Readable } from 'node:stream'

/** A body up to this size is handed over in one piece; a larger one keeps its end back. */
const ONE_PIECE_BYTES = 64 * 1024
/** The part of a larger body that is kept back until the rest has been taken. */
const TAIL_BYTES = 1024

export interface BodyOptions<Answer extends string> {
  readonly bytes: Buffer
  /** What goes before them. */
  readonly head?: Buffer | undefined
  /** Called once, when the relay waits for the body. */
  readonly beforeBody: () => Promise<Answer | 'ok'>
  /** Called right before the piece that the final dot follows; false when it may not go out. */
  readonly openWindow: () => boolean
}

export class Body<Answer extends string> extends Readable {
  readonly #options: BodyOptions<Answer>
  readonly #bytes: Buffer
  /** What still has to go before them. */
  #head: Buffer | undefined
  #asked = false
  #offset = 0
  /** Why no byte went out, if leave was refused. */
  refusal: Answer | undefined

  /** Whether the relay was given leave to hear the body. */
  get begun(): boolean {
    return this.#asked
  }

  constructor(options: BodyOptions<Answer>) {
    // Nothing is read ahead, or the window would open while earlier pieces still wait for the socket.
    super({ highWaterMark: 0 })
    this.#options = options
    const { head, bytes } = options
    const isOnePiece = head !== undefined && head.length + bytes.length <= ONE_PIECE_BYTES
    this.#bytes = isOnePiece ? Buffer.concat([head, bytes]) : bytes
    this.#head = isOnePiece ? undefined : head
  }

  override _read(): void {
    if (this.#asked) {
      this.#pushNext()
      return
    }
    this.#asked = true
    this.#options.beforeBody().then(
      (answer) => (answer === 'ok' ? this.#pushNext() : this.#refuse(answer)),
      (error: Error) => this.destroy(error),
    )
  }

  #refuse(answer: Answer): void {
    this.refusal = answer
    this.destroy(new Error(`the attempt may not go on: ${answer}`))
  }

  #pushNext(): void {
    if (this.destroyed) return
    const head = this.#head
    if (head !== undefined) {
      this.#head = undefined
      this.push(head)
      return
    }
    const bytes = this.#bytes
    const left = bytes.length - this.#offset
    const last = left <= (bytes.length <= ONE_PIECE_BYTES ? ONE_PIECE_BYTES : TAIL_BYTES)
    const size = last ? left : Math.min(ONE_PIECE_BYTES, left - TAIL_BYTES)
    const piece = bytes.subarray(this.#offset, this.#offset + size)
    this.#offset += size
    if (last && !this.#options.openWindow()) {
      this.destroy()
      return
    }
    this.push(piece)
    if (last) this.push(null)
  }
}
