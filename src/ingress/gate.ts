// Lets a few through at once and a few more wait; everybody else is turned away.

export class Gate {
  readonly #maxAtOnce: number
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor({ maxAtOnce, maxWaiting }: { maxAtOnce: number; maxWaiting: number }) {
    this.#maxAtOnce = maxAtOnce
    this.#maxWaiting = maxWaiting
  }

  /** What `work` gives, or undefined when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#inside >= this.#maxAtOnce) {
      if (this.#waiting.length >= this.#maxWaiting) return undefined
      await new Promise<void>((enter) => this.#waiting.push(enter))
    } else this.#inside += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // Whoever comes next takes the place over.
      if (next) next()
      else this.#inside -= 1
    }
  }
}
