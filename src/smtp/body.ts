// The message on its way to the socket: it asks leave right before its last piece, which the final dot follows.
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
  /** Resolves when what was handed over waits in this process no more; false when it will never leave it. */
  readonly flushed: () => Promise<boolean>
  /** Called once, when all but the last piece has been taken; of a body in one piece, before any of it. */
  readonly beforeBody: () => Promise<Answer | 'ok'>
  /** Called right before the piece that the final dot follows; false when it may not go out. */
  readonly openWindow: () => boolean
}

export class Body<Answer extends string> extends Readable {
  readonly #options: BodyOptions<Answer>
  readonly #bytes: Buffer
  /** What still has to go before them. */
  #head: Buffer | undefined
  #begun = false
  #offset = 0
  /** Why its last piece did not go out, if leave was refused. */
  refusal: Answer | undefined

  /** Whether the relay waits for it, or has heard of it. */
  get begun(): boolean {
    return this.#begun
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
    this.#begun = true
    const head = this.#head
    if (head !== undefined) {
      this.#head = undefined
      this.push(head)
      return
    }
    const left = this.#bytes.length - this.#offset
    if (left > this.#lastPieceBytes) this.push(this.#take(Math.min(ONE_PIECE_BYTES, left - TAIL_BYTES)))
    else this.#askLeave()
  }

  get #lastPieceBytes(): number {
    return this.#bytes.length <= ONE_PIECE_BYTES ? ONE_PIECE_BYTES : TAIL_BYTES
  }

  #take(size: number): Buffer {
    const piece = this.#bytes.subarray(this.#offset, this.#offset + size)
    this.#offset += size
    return piece
  }

  #askLeave(): void {
    this.#leave().then(
      (answer) => (answer === 'ok' ? this.#pushLast() : answer && this.#refuse(answer)),
      (error: Error) => this.destroy(error),
    )
  }

  /** A relay may read slowly: until it has taken the rest, a worker that dies costs nothing. */
  async #leave(): Promise<Answer | 'ok' | undefined> {
    return (await this.#options.flushed()) ? this.#options.beforeBody() : undefined
  }

  #refuse(answer: Answer): void {
    this.refusal = answer
    this.destroy(new Error(`the attempt may not go on: ${answer}`))
  }

  #pushLast(): void {
    if (this.destroyed) return
    if (!this.#options.openWindow()) {
      this.destroy()
      return
    }
    this.push(this.#take(this.#lastPieceBytes))
    this.push(null)
  }
}
