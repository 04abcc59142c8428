// Those who wait for something, in the order in which they came.
// Each is served exactly once, or let go when its signal is aborted; nobody is forgotten.

interface Waiter<T> {
  readonly letGo: T
  readonly company: Company<T>
  readonly resolve: (given: T) => void
}

/** Those who wait until the same signal is aborted: it is listened to once for all of them, which is not cheap. */
interface Company<T> {
  readonly signal: AbortSignal
  readonly members: Set<Waiter<T>>
  readonly leave: () => void
}

export class Line<T> {
  readonly #waiters = new Set<Waiter<T>>()
  readonly #companies = new Map<AbortSignal, Company<T>>()

  get length(): number {
    return this.#waiters.size
  }

  /** Resolves with what is served, or with `letGo` when `signal` is aborted. */
  wait(signal: AbortSignal, letGo: T): Promise<T> {
    if (signal.aborted) return Promise.resolve(letGo)
    return new Promise((resolve) => {
      const company = this.#companies.get(signal) ?? this.#gather(signal)
      const waiter = { letGo, company, resolve }
      company.members.add(waiter)
      this.#waiters.add(waiter)
    })
  }

  /** Serves who came first; false when nobody waits. */
  serve(given: T): boolean {
    const [first] = this.#waiters
    if (first) this.#serve(first, given)
    return first !== undefined
  }

  serveAll(given: T): void {
    for (const waiter of [...this.#waiters]) this.#serve(waiter, given)
  }

  #serve(waiter: Waiter<T>, given: T): void {
    const { company, resolve } = waiter
    this.#waiters.delete(waiter)
    company.members.delete(waiter)
    if (company.members.size === 0) this.#part(company)
    resolve(given)
  }

  #gather(signal: AbortSignal): Company<T> {
    const members = new Set<Waiter<T>>()
    const leave = () => {
      for (const waiter of [...members]) this.#serve(waiter, waiter.letGo)
    }
    const company = { signal, members, leave }
    signal.addEventListener('abort', leave, { once: true })
    this.#companies.set(signal, company)
    return company
  }

  #part({ signal, leave }: Company<T>): void {
    signal.removeEventListener('abort', leave)
    this.#companies.delete(signal)
  }
}
