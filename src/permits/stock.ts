// The permits of one relay that this worker has: leased from the fleet's buckets in blocks, taken without a call, and
// given back when they were not needed. It asks Redis some ten times a second at the most, whatever the rate.

import type { Clock } from '../clock.js'
import type { Pass } from '../delivery/delivery.js'
import { type Calls, createCalls } from '../delivery/permit.js'
import { relayBucket } from '../limits/limit.js'
import type { LimitStore, Return, Short, Taken } from '../store/limits.js'
import { type Block, type Lack, Shelf, type Waiter } from './shelf.js'

export type StockLimits = Pick<LimitStore, 'limit' | 'isLimited' | 'take' | 'spent'>

export interface StockOptions {
  readonly relay: string
  readonly limits: StockLimits
  readonly clock: Clock
  /** What this one process may send in a second at the most. */
  readonly ownPerSecond?: number | undefined
}

const CALL_APART_MS = 100
/** Whoever waits is known to Redis for 300 ms: so its lane's share is kept for it. */
const LONGEST_CALL_MS = 250
/** A limit may be raised, or Redis be back. */
const LONGEST_SHORT_MS = 1_000
const AWAY_MS = 500
/** Of a second's worth, one block is so much. */
const BLOCK_SECONDS = 0.2
const MOST_IN_BLOCK = 1_000
/** What a lane needs no permit of its provider for. */
const anyProvider = '*'
/** How young a permit is when it comes where Redis is so slow that none would ever come in time. */
const GRACE_MS = 20

interface Kept {
  readonly until: number
  release(): void
}

export class Stock {
  readonly relay: string
  readonly #limits: StockLimits
  readonly #clock: Clock
  readonly #ownPerSecond: number
  readonly #shelves = new Map<string, Map<string, Shelf>>()
  /** Permits that were taken and are not spent. */
  readonly #kept = new Set<Kept>()
  readonly #calls: Calls
  /** Whether the last answer came when its permits had grown old. */
  #wasLate = false
  /** That all messages of the day were sent, of so many, and until when some of them count. */
  #spentDay: { readonly perDay: number; readonly until: number } | undefined
  #stopNext: (() => void) | undefined
  #stopTidying: (() => void) | undefined
  #isStopped = false

  constructor({ relay, limits, clock, ownPerSecond = Number.POSITIVE_INFINITY }: StockOptions) {
    this.relay = relay
    this.#limits = limits
    this.#clock = clock
    this.#ownPerSecond = ownPerSecond
    this.#calls = createCalls(CALL_APART_MS, () => this.#call())
  }

  /** Permits in stock. */
  get count(): number {
    return this.#all().reduce((sum, shelf) => sum + shelf.count, 0)
  }

  isLimited(provider: string): boolean {
    return this.#limits.isLimited(this.relay, provider)
  }

  /** A permit that can be spent at once; undefined when none is there. */
  take(provider: string, lane: string): Pass | undefined {
    if (!this.isLimited(provider)) return this.#free(provider, lane)
    const shelf = this.#shelf(provider, lane)
    const block = shelf.take(this.#clock.monotonicMs())
    if (block === undefined) return undefined
    this.#calls.order()
    return this.#passOf(shelf, block, provider)
  }

  /** Whether `take` would find one. */
  has(provider: string, lane: string): boolean {
    return !this.isLimited(provider) || this.#shelf(provider, lane).has(this.#clock.monotonicMs())
  }

  /** What is known to be short for them. */
  lack(provider: string, lane: string): Lack {
    return this.#shelf(provider, lane).lack(this.#clock.monotonicMs())
  }

  /** Whether its messages of the day are out: until some of them count no longer, or another number is allowed. */
  get isOutForToday(): boolean {
    const { perDay, until = 0 } = this.#spentDay ?? {}
    return this.#clock.monotonicMs() < until && perDay === this.#perDay
  }

  /** What passes in a second, of this relay and this provider. */
  perSecond(provider: string): number {
    return this.#least(provider, 'perSecond')
  }

  /** Has `given` called once there is a permit, and `heard` after each call that brought none, until it left. */
  join(provider: string, lane: string, given: (pass: Pass) => void, heard: (lack: Lack) => void): () => void {
    const shelf = this.#shelf(provider, lane)
    const leave = () => void shelf.waiting.delete(waiter)
    const waiter: Waiter = {
      serve: (from, block) => {
        leave()
        given(this.#passOf(from, block, provider))
      },
      hear: heard,
    }
    shelf.waiting.add(waiter)
    this.#calls.order()
    return leave
  }

  /** Takes nothing any more and gives everything back that it has. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#calls.close()
    this.#stopNext?.()
    this.#stopTidying?.()
    const returns = this.#takeOld(true)
    if (returns.length > 0) await this.#limits.take(this.relay, [], returns).catch(() => undefined)
  }

  #all(): readonly Shelf[] {
    return [...this.#shelves.values()].flatMap((lanes) => [...lanes.values()])
  }

  /** Providers without a limit of their own share what is there. */
  #shelf(provider: string, lane: string): Shelf {
    const isOwn = this.#limits.limit(this.relay, provider).perSecond !== Number.POSITIVE_INFINITY
    const name = isOwn ? provider : anyProvider
    const found = this.#shelves.get(name)?.get(lane)
    if (found) return found
    const shelf = new Shelf(name, lane)
    const lanes = this.#shelves.get(name) ?? new Map<string, Shelf>()
    this.#shelves.set(name, lanes.set(lane, shelf))
    return shelf
  }

  #free(provider: string, lane: string): Pass {
    const { relay } = this
    const spend = () => {
      this.#limits.spent(relay, provider, lane)
      return true
    }
    return { relay, spend, release: () => undefined }
  }

  #passOf(shelf: Shelf, block: Block, provider: string): Pass {
    const { relay } = this
    const { until } = block
    const kept: Kept = { until, release: () => release() }
    const release = () => {
      if (!this.#kept.delete(kept)) return
      shelf.putBack(block, this.#clock.monotonicMs())
      this.#tidyLater()
    }
    const spend = () => {
      if (until <= this.#clock.monotonicMs()) release()
      if (!this.#kept.delete(kept)) return false
      this.#limits.spent(relay, provider, shelf.lane)
      return true
    }
    this.#kept.add(kept)
    return { relay, spend, release }
  }

  async #call(): Promise<void> {
    const calledAt = this.#clock.monotonicMs()
    this.#stopNext?.()
    const asking = this.#all().flatMap((shelf) => {
      const count = shelf.want(calledAt, this.#most(shelf))
      return count > 0 ? [{ shelf, want: { provider: shelf.provider, lane: shelf.lane, count } }] : []
    })
    const returns = this.#takeOld(false)
    if (asking.length === 0 && returns.length === 0) return
    try {
      const wants = asking.map(({ want }) => want)
      const taken = await this.#limits.take(this.relay, wants, returns)
      this.#share(asking, taken, calledAt)
    } catch {
      // What was to go back may have arrived: given back twice, it would be more than the limit.
      for (const { shelf } of asking) shelf.hear({ short: 'none', waitMs: AWAY_MS }, calledAt)
      this.#callIn(AWAY_MS)
    }
    this.#tidyLater()
  }

  #share(
    asking: readonly { readonly shelf: Shelf; readonly want: { readonly count: number } }[],
    taken: Taken,
    calledAt: number,
  ): void {
    const now = this.#clock.monotonicMs()
    let isLate = false
    let waitMs = Number.POSITIVE_INFINITY
    for (const [index, { shelf, want }] of asking.entries()) {
      const count = taken.grants[index] ?? 0
      const goodUntil = calledAt + this.#least(shelf.provider, 'holdMs')
      const until = this.#wasLate ? Math.max(goodUntil, now + GRACE_MS) : goodUntil
      isLate ||= count > 0 && goodUntil <= now
      if (until > now) shelf.put({ count, at: taken.at, until })
      else shelf.discard(taken, count)
      const rest = shelf.waiting.size > 0 ? (taken.waitMs[index] ?? 0) : Number.POSITIVE_INFINITY
      waitMs = Math.min(waitMs, rest)
      if (count < want.count) {
        const lackMs = Math.min(taken.waitMs[index] ?? 0, LONGEST_SHORT_MS)
        shelf.hear({ short: taken.short[index] ?? 'none', waitMs: lackMs }, now)
      } else if (shelf.waiting.size > 0) {
        shelf.hear({ short: this.#slower(shelf), waitMs: CALL_APART_MS }, now)
      } else shelf.hear({ short: 'none', waitMs: 0 }, now)
    }
    this.#wasLate = isLate
    this.#noteDay(taken, now)
    if (waitMs !== Number.POSITIVE_INFINITY) this.#callIn(waitMs)
  }

  #noteDay({ short, waitMs, grants }: Taken, now: number): void {
    const out = short.indexOf('day')
    if (out >= 0) this.#spentDay = { perDay: this.#perDay, until: now + (waitMs[out] ?? 0) }
    else if (grants.some((count) => count > 0)) this.#spentDay = undefined
  }

  get #perDay(): number {
    return this.#limits.limit(this.relay, relayBucket).perDay
  }

  /** As often as whoever waits is to be known of, and exactly when a permit will be there. */
  #callIn(waitMs: number): void {
    if (this.#isStopped) return
    const times = Math.max(1, Math.ceil(waitMs / LONGEST_CALL_MS))
    this.#stopNext?.()
    this.#stopNext = this.#clock.after(waitMs / times, () => this.#calls.order())
  }

  /** What grows old goes back also when nobody asks for anything any more, and from whoever waits for a connection. */
  #tidyLater(): void {
    if (this.#isStopped) return
    const all = this.#all()
    if (all.some(({ hasOld }) => hasOld)) this.#calls.order()
    if (this.#stopTidying) return
    const inStock = all.map((shelf) => shelf.oldAt ?? Number.POSITIVE_INFINITY)
    const oldAt = Math.min(...inStock, ...[...this.#kept].map(({ until }) => until))
    if (oldAt === Number.POSITIVE_INFINITY) return
    this.#stopTidying = this.#clock.after(oldAt - this.#clock.monotonicMs() + 1, () => this.#tidy())
  }

  #tidy(): void {
    const now = this.#clock.monotonicMs()
    for (const shelf of this.#all()) shelf.clear(now)
    for (const kept of [...this.#kept]) if (kept.until <= now) kept.release()
    this.#stopTidying = undefined
    this.#tidyLater()
  }

  #takeOld(all: boolean): readonly Return[] {
    const now = this.#clock.monotonicMs()
    return this.#all().flatMap((shelf) => shelf.takeOld(now, all))
  }

  #most(shelf: Shelf): number {
    const perSecond = Math.min(this.perSecond(shelf.provider), this.#ownPerSecond)
    return Math.max(1, Math.floor(Math.min(MOST_IN_BLOCK, perSecond * BLOCK_SECONDS)))
  }

  /** A block was granted and was too small for all who wait: then the slower bucket is what they wait for. */
  #slower(shelf: Shelf): Short {
    const own = this.#limits.limit(this.relay, shelf.provider).perSecond
    return own < this.#limits.limit(this.relay, relayBucket).perSecond ? 'provider' : 'relay'
  }

  #least(provider: string, what: 'perSecond' | 'holdMs'): number {
    const { relay } = this
    return Math.min(this.#limits.limit(relay, relayBucket)[what], this.#limits.limit(relay, provider)[what])
  }
}
