// When this process stood still: what came meanwhile is seen late and all at once, and would look like a burst.

import type { Sighting } from './window.js'

const TICK_MS = 5
/** A timer may be so late without anything having waited. */
const USUAL_MS = 15

export class Standstills implements Disposable {
  readonly #gaps: Sighting[] = []
  readonly #timer: NodeJS.Timeout
  #last = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** The longest, in milliseconds. */
  get longestMs(): number {
    return Math.max(0, ...this.#gaps.map(({ from, at }) => at - from))
  }

  /** When each of these was seen, and since when it may have been there. */
  sightings(times: readonly number[]): Sighting[] {
    let gap = 0
    return times.map((at) => {
      // What was waiting is read in the turn after the timer.
      while ((this.#gaps[gap]?.at ?? Number.POSITIVE_INFINITY) + TICK_MS < at) gap += 1
      return { from: Math.min(at, this.#gaps[gap]?.from ?? at), at }
    })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    if (now - this.#last > USUAL_MS) this.#gaps.push({ from: this.#last, at: now })
    this.#last = now
  }
}
