// Connections without a message, each kept until its time is over.
// The one used last is lent first: the relay is the least likely to have closed it.

import type { Clock } from '../clock.js'
import type { Wire } from './wire.js'

export class Idle {
  readonly #clock: Clock
  readonly #idleMs: number
  /** Each with what stops its timer, in the order in which they came. */
  readonly #wires = new Map<Wire, () => void>()

  constructor(clock: Clock, idleMs: number) {
    this.#clock = clock
    this.#idleMs = idleMs
  }

  get size(): number {
    return this.#wires.size
  }

  add(wire: Wire): void {
    const stopTimer = this.#clock.after(this.#idleMs, () => {
      this.remove(wire)
      wire.quit('idle')
    })
    this.#wires.set(wire, stopTimer)
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
  }

  quitAll(): void {
    for (const wire of [...this.#wires.keys()]) {
      this.remove(wire)
      wire.quit('closing')
    }
  }
}
