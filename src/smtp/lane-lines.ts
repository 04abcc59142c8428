// Those who wait for a connection, a line for each lane. The lane that has the least of its share of the connections in
// use is served first; what a lane leaves idle goes to whoever waits. Where there are too few connections for every lane
// to have its share of them at once, they take turns.

import { Line } from './line.js'

/** Of a lane without a share, so that its turn comes at all. */
const LEAST_SHARE = 0.05
/** Of a connection, what it counts at the most that others were served before. */
const MOST_EARNED = 0.5

export class LaneLines<T> {
  readonly #shares: Readonly<Record<string, number>>
  readonly #lines = new Map<string, Line<T>>()
  readonly #lent = new Map<object, string>()
  readonly #busy = new Map<string, number>()
  /** What a lane is owed for having waited while others were served. */
  readonly #earned = new Map<string, number>()

  constructor(shares: Readonly<Record<string, number>>) {
    this.#shares = shares
  }

  get length(): number {
    let sum = 0
    for (const line of this.#lines.values()) sum += line.length
    return sum
  }

  wait(lane: string, signal: AbortSignal, letGo: T): Promise<T> {
    let line = this.#lines.get(lane)
    if (line === undefined) {
      line = new Line<T>()
      this.#lines.set(lane, line)
    }
    return line.wait(signal, letGo)
  }

  /** Serves who came first of the lane whose turn it is among `total` connections; `lent` is what it has until `returned`. */
  serve(given: T, lent: object, total: number): void {
    const waiting = this.#waiting()
    // Of two on one connection both are in use.
    const places = Math.max(total, this.#lent.size + 1)
    const lane = waiting.length > 1 ? this.#next(waiting, places) : waiting[0]
    if (lane === undefined) return
    // Alone it earns as much as it pays.
    if (waiting.length > 1) this.#take(waiting, lane)
    this.#lent.set(lent, lane)
    this.#busy.set(lane, (this.#busy.get(lane) ?? 0) + 1)
    this.#lines.get(lane)?.serve(given)
  }

  serveAll(given: T): void {
    for (const line of this.#lines.values()) line.serveAll(given)
  }

  /** A connection is in use no longer. */
  returned(lent: object): void {
    const lane = this.#lent.get(lent)
    if (lane === undefined) return
    this.#lent.delete(lent)
    this.#busy.set(lane, (this.#busy.get(lane) ?? 0) - 1)
  }

  /** All who wait earn of a turn by their shares, and whose it is pays for it. */
  #take(waiting: readonly string[], lane: string): void {
    const sum = waiting.reduce((total, each) => total + this.#weight(each), 0)
    for (const each of waiting) {
      const earned = (this.#earned.get(each) ?? 0) + this.#weight(each) / sum - (each === lane ? 1 : 0)
      this.#earned.set(each, Math.min(MOST_EARNED, Math.max(-MOST_EARNED, earned)))
    }
  }

  #weight(lane: string): number {
    return Math.max(LEAST_SHARE, this.#shares[lane] ?? 0)
  }

  #waiting(): readonly string[] {
    const waiting: string[] = []
    for (const [lane, { length }] of this.#lines) if (length > 0) waiting.push(lane)
    return waiting
  }

  #next(waiting: readonly string[], total: number): string | undefined {
    let next: { readonly lane: string; readonly owed: number } | undefined
    for (const lane of waiting) {
      const owed =
        (this.#shares[lane] ?? 0) * total - (this.#busy.get(lane) ?? 0) + (this.#earned.get(lane) ?? 0)
      if (next === undefined || owed > next.owed) next = { lane, owed }
    }
    return next?.lane
  }
}
