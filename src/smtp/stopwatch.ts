// The time of the phases of one connection. One phase runs at a time; it may be stopped, and go on later.

import type { Clock } from '../clock.js'
import type { Phase } from './wire-events.js'

export class Stopwatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #timed: (phase: Phase, seconds: number) => void
  readonly #spentMs = new Map<Phase, number>()
  #running: Phase | undefined
  #since = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>, timed: (phase: Phase, seconds: number) => void) {
    this.#clock = clock
    this.#timed = timed
  }

  /** Goes on with this phase, and stops the one that ran. */
  run(phase: Phase): void {
    this.stop()
    this.#running = phase
  }

  stop(): void {
    const now = this.#clock.monotonicMs()
    const phase = this.#running
    if (phase !== undefined) this.#spentMs.set(phase, this.#spent(phase) + now - this.#since)
    this.#running = undefined
    this.#since = now
  }

  /** Tells of the phase, which begins anew the next time; without effect when it never ran. */
  end(phase: Phase): void {
    if (this.#running === phase) this.stop()
    if (!this.#spentMs.has(phase)) return
    const ms = this.#spent(phase)
    this.#spentMs.delete(phase)
    this.#timed(phase, ms / 1000)
  }

  /** Whatever ran is of no interest. */
  reset(): void {
    this.#spentMs.clear()
    this.#running = undefined
  }

  #spent(phase: Phase): number {
    return this.#spentMs.get(phase) ?? 0
  }
}
