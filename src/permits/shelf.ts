// The permits that this worker has for one lane and one provider of a relay, and who waits for one. Pure: its times come
// from outside. A permit is good for a while after it was asked for and no longer, so that what waited for a connection
// never leaves in a burst.

import type { Return, Short } from '../store/limits.js'

/** Permits of one answer. */
export interface Block {
  count: number
  /** Redis' time at which they were granted. */
  readonly at: number
  /** Monotonic time up to which they may be spent. */
  readonly until: number
}

/** What is short, and when there may be more of it. */
export interface Lack {
  readonly short: Short
  readonly waitMs: number
}

const nothing: Lack = { short: 'none', waitMs: 0 }

export interface Waiter {
  /** Takes a permit of this block. */
  serve(shelf: Shelf, block: Block): void
  /** Redis was asked, and nothing was left for it. */
  hear(lack: Lack): void
}

/** Over so long a want is foreseen: the time between two calls, with some to spare. */
const AHEAD_MS = 120
/** In that time, so much of what was needed before is remembered. */
const FORGET = 0.5

export class Shelf {
  readonly provider: string
  readonly lane: string
  readonly waiting = new Set<Waiter>()
  #blocks: Block[] = []
  #old: Return[] = []
  /** Permits needed a millisecond, lately. */
  #perMs = 0
  #taken = 0
  #wantedAt = 0
  #short: Short = 'none'
  #shortUntil = 0

  constructor(provider: string, lane: string) {
    this.provider = provider
    this.lane = lane
  }

  get count(): number {
    return this.#blocks.reduce((sum, { count }) => sum + count, 0)
  }

  /** When the oldest permits grow old; undefined without any. */
  get oldAt(): number | undefined {
    return this.#blocks[0]?.until
  }

  /** What was short when Redis was asked last, and for how long it is likely to be so still. */
  lack(now: number): Lack {
    const isShort = this.waiting.size > 0 || now < this.#shortUntil
    return isShort ? { short: this.#short, waitMs: Math.max(0, this.#shortUntil - now) } : nothing
  }

  has(now: number): boolean {
    this.clear(now)
    return this.#blocks.length > 0
  }

  /** A permit that may be spent now; the oldest, so that few grow old. */
  take(now: number): Block | undefined {
    this.clear(now)
    const [first] = this.#blocks
    if (first === undefined) return undefined
    first.count -= 1
    if (first.count === 0) this.#blocks.shift()
    this.#taken += 1
    return first
  }

  /** Permits that Redis granted: to those who wait, in the order in which they came, and into stock. */
  put(block: Block): void {
    while (block.count > 0) {
      const [first] = this.waiting
      if (first === undefined) break
      block.count -= 1
      this.#taken += 1
      first.serve(this, block)
    }
    if (block.count > 0) this.#blocks.push(block)
  }

  /** A permit that was taken and not spent. Whoever had one that grew old needs another, so that two count as taken. */
  putBack({ at, until }: Block, now: number): void {
    if (until <= now) {
      this.discard({ at }, 1)
      return
    }
    this.#taken -= 1
    const [first] = this.waiting
    if (first === undefined) this.#blocks.unshift({ count: 1, at, until })
    else {
      this.#taken += 1
      first.serve(this, { count: 0, at, until })
    }
  }

  /** Permits that are too old to be spent go back to Redis. */
  discard({ at }: Pick<Block, 'at'>, count: number): void {
    if (count === 0) return
    const last = this.#old.at(-1)
    if (last?.at === at) this.#old[this.#old.length - 1] = { ...last, count: last.count + count }
    else this.#old.push({ provider: this.provider, lane: this.lane, count, at })
  }

  /** Sets apart what has grown old. */
  clear(now: number): void {
    for (let first = this.#blocks[0]; first && first.until <= now; first = this.#blocks[0]) {
      this.discard(first, first.count)
      this.#blocks.shift()
    }
  }

  /** What is to go back; with `all`, also what could still be spent. */
  takeOld(now: number, all: boolean): readonly Return[] {
    this.clear(all ? Number.POSITIVE_INFINITY : now)
    return this.#old.splice(0)
  }

  get hasOld(): boolean {
    return this.#old.length > 0
  }

  /** How many to ask for: for all who wait, and for what is likely to be needed until the next call. */
  want(now: number, most: number): number {
    const passedMs = Math.max(AHEAD_MS, now - this.#wantedAt)
    this.#perMs = Math.max(this.#taken / passedMs, this.#perMs * FORGET ** (passedMs / AHEAD_MS))
    this.#wantedAt = now
    this.#taken = 0
    const isDry = this.waiting.size > 0
    // A block of one permit is asked for when somebody waits for it. Where there was too little, how much more would
    // have been used is not known: then twice as much is asked for.
    const ahead = most > 1 ? Math.round(this.#perMs * AHEAD_MS * (isDry ? 2 : 1.1)) : 0
    return Math.max(0, Math.min(most, this.waiting.size + ahead - this.count))
  }

  /** What Redis said to a want of which something was left. */
  hear(lack: Lack, now: number): void {
    this.#short = lack.short
    this.#shortUntil = now + lack.waitMs
    // Who came last is the first to make room.
    for (const waiter of [...this.waiting].reverse()) waiter.hear(lack)
  }
}
