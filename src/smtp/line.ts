// Those who wait for something, in the order in which they came.
// Each is served exactly once, or let go when its signal is aborted; nobody is forgotten.

export class Line<T> {
  readonly #waiters = new Set<(given: T) => void>()

  get length(): number {
    return this.#waiters.size
  }

  /** Resolves with what is served, or with `letGo` when `signal` is aborted. */
  wait(signal: AbortSignal, letGo: T): Promise<T> {
    if (signal.aborted) return Promise.resolve(letGo)
    return new Promise((resolve) => {
      const leave = () => serve(letGo)
      const serve = (given: T) => {
        this.#waiters.delete(serve)
        signal.removeEventListener('abort', leave)
        resolve(given)
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiters.add(serve)
    })
  }

  /** Serves who came first; false when nobody waits. */
  serve(given: T): boolean {
    const [first] = this.#waiters
    first?.(given)
    return first !== undefined
  }

  serveAll(given: T): void {
    for (const serve of [...this.#waiters]) serve(given)
  }
}
