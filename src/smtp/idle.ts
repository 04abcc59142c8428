// Connections without a message, each kept until its time is over.
// The one used last is lent first: the relay is the least likely to have closed it.

import type { Clock } from '../clock.js'
import type { Wire } from './wire.js'

export class Idle {
  readonly #clock: Clock
  readonly #idleMs: number
  /** Each with what stops its timer, once it has one, in the order in which they came. */
  readonly #wires = new Map<Wire, (() => void) | undefined>()
  readonly #added = new Set<Wire>()

  constructor(clock: Clock, idleMs: number) {
    this.#clock = clock
    this.#idleMs = idleMs
  }

  get size(): number {
    return this.#wires.size
  }

  /** Most are lent again at once: what was added is to be followed by `watch`, when that is done. */
  add(wire: Wire): void {
    this.#wires.set(wire, undefined)
    this.#added.add(wire)
  }

  /** From now on those that are still here wait for their end. */
  watch(): void {
    for (const wire of this.#added) this.#wires.set(wire, this.#timerOf(wire))
    this.#added.clear()
  }

  /** Undefined also when the one whose turn it was is going. */
  take(): Wire | undefined {
    const wire = [...this.#wires.keys()].at(-1)
    if (wire) this.remove(wire)
    return wire?.alive ? wire : undefined
  }

  remove(wire: Wire): void {
    this.#wires.get(wire)?.()
    this.#wires.delete(wire)
    this.#added.delete(wire)
  }

  #timerOf(wire: Wire): () => void {
    return this.#clock.after(this.#idleMs, () => {
      this.remove(wire)
      wire.quit('idle')
    })
  }

  quitAll(): void {
    for (const wire of [...this.#wires.keys()]) {
      this.remove(wire)
      wire.quit('closing')
    }
  }
}
