// The memory that messages on their way in may take together. Who finds it full is told to come again.

export interface Lease {
  /** Takes so many more bytes; false, and nothing taken, when there is no room. */
  take(bytes: number): boolean
  /** Gives everything back. */
  release(): void
}

export class Room {
  readonly #maxBytes: number
  #used = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes. */
  get free(): number {
    return this.#maxBytes - this.#used
  }

  lease(): Lease {
    let taken = 0
    return {
      take: (bytes) => {
        if (bytes > this.free) return false
        taken += bytes
        this.#used += bytes
        return true
      },
      release: () => {
        this.#used -= taken
        taken = 0
      },
    }
  }
}
