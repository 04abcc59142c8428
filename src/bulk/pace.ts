// How fast a bulk sender may hand messages to the relay: one schedule for all that it sends, as long as it lives.
// Every message has its place on it before it goes out, so that retries and failures count as well.

import type { Clock } from '../clock.js'
import { Line } from '../smtp/line.js'

/** How much of a timer's lateness is made up for; more would be a burst after a pause. */
const CATCH_UP_MS = 20

export class BulkPace {
  readonly #clock: Clock
  readonly #limits = new Set<{ readonly perSecond: number }>()
  readonly #line = new Line<boolean>()
  #intervalMs = 0
  /** When the next place begins, on the clock that never goes back. */
  #nextAt = 0
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Adds a limit until the returned function is called; the lowest of them holds for everybody. */
  limit(perSecond: number): () => void {
    const limit = { perSecond }
    this.#limits.add(limit)
    this.#settle()
    return () => {
      this.#limits.delete(limit)
      this.#settle()
    }
  }

  /** Waits for a place on the schedule; false when `signal` was aborted first. */
  async take(signal: AbortSignal): Promise<boolean> {
    const waiting = this.#line.wait(signal, false)
    this.#serve(this.#clock.monotonicMs())
    const granted = await waiting
    if (!granted && this.#line.length === 0) this.#stop()
    return granted
  }

  /** `from` is the earliest that a place may have begun that is given now. */
  #serve(from: number): void {
    if (this.#stopTimer) return
    while (this.#line.length > 0) {
      const waitMs = this.#nextAt - this.#clock.monotonicMs()
      if (this.#intervalMs > 0 && waitMs > 0) {
        this.#stopTimer = this.#clock.after(waitMs, () => this.#onTime())
        return
      }
      this.#nextAt = Math.max(this.#nextAt, from) + this.#intervalMs
      this.#line.serve(true)
    }
  }

  #onTime(): void {
    this.#stopTimer = undefined
    this.#serve(this.#clock.monotonicMs() - CATCH_UP_MS)
  }

  #stop(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  #settle(): void {
    const limits = [...this.#limits].map(({ perSecond }) => perSecond)
    this.#intervalMs = limits.length === 0 ? 0 : 1000 / Math.min(...limits)
    const now = this.#clock.monotonicMs()
    // Without a limit the schedule stays as it is, for the next batch that has one.
    if (limits.length > 0) this.#nextAt = Math.min(this.#nextAt, now + this.#intervalMs)
    this.#stop()
    this.#serve(now)
  }
}
