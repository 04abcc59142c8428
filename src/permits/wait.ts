// One delivery that waits for a permit, at one relay or at several: it takes the first that comes. It ends with a permit,
// with what is short, or with its signal; it leaves every line when it does.

import type { Clock } from '../clock.js'
import type { Pass } from '../delivery/delivery.js'
import type { Lack } from './shelf.js'
import type { Stock } from './stock.js'

export type Waited =
  | { readonly kind: 'open'; readonly pass: Pass }
  /** It has waited long enough, or makes room for others. */
  | { readonly kind: 'short'; readonly relay: string; readonly lack: Lack }
  | { readonly kind: 'closing' }

export interface WaitOptions {
  readonly clock: Clock
  readonly stocks: readonly Stock[]
  readonly provider: string
  readonly lane: string
  readonly signal: AbortSignal
  /** Monotonic time. */
  readonly until: number
  /** Whether it may wait in its place for what is short; asked until it may. What it returns is called at the end. */
  mayStay(lack: Lack): (() => void) | undefined
}

export function waitForPass(options: WaitOptions): Promise<Waited> {
  return new Promise((resolve) => new Wait(options, resolve).begin())
}

class Wait {
  readonly #options: WaitOptions
  readonly #resolve: (waited: Waited) => void
  readonly #leave: (() => void)[] = []
  readonly #lacks = new Map<Stock, Lack>()
  #mayStay = false
  #isOver = false

  constructor(options: WaitOptions, resolve: (waited: Waited) => void) {
    this.#options = options
    this.#resolve = resolve
  }

  begin(): void {
    const { stocks, provider, lane, signal } = this.#options
    const close = () => this.#finish({ kind: 'closing' })
    if (signal.aborted) {
      close()
      return
    }
    signal.addEventListener('abort', close, { once: true })
    this.#leave.push(() => signal.removeEventListener('abort', close))
    for (const stock of stocks) this.#hear(stock, stock.lack(provider, lane))
    if (this.#isOver) return
    for (const stock of stocks) {
      const given = (pass: Pass) => this.#finish({ kind: 'open', pass })
      this.#leave.push(stock.join(provider, lane, given, (lack) => this.#hear(stock, lack)))
    }
  }

  #hear(stock: Stock, lack: Lack): void {
    if (this.#isOver) return
    this.#lacks.set(stock, lack)
    if (!this.#staysFor(lack)) this.#finish({ kind: 'short', relay: stock.relay, lack })
  }

  #staysFor(lack: Lack): boolean {
    const { clock, until, stocks, mayStay } = this.#options
    if (clock.monotonicMs() >= until) return false
    // As long as one of them may have a permit at any moment it stays.
    const isShort = stocks.every((each) => (this.#lacks.get(each)?.short ?? 'none') !== 'none')
    if (!isShort || (this.#mayStay && lack.short !== 'day')) return true
    const exit = mayStay(lack)
    if (exit === undefined) return false
    this.#mayStay = true
    this.#leave.push(exit)
    return true
  }

  #finish(waited: Waited): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const leave of this.#leave) leave()
    this.#resolve(waited)
  }
}
