// One relay's limits as a worker sees them: the version that it knows, permits by it, and what it tells the fleet.
// One call after the other: what is said while one is on its way is told by the next.

import { FluxMailError } from '../errors.js'
import { type LimitNow, type LimitState, limitNow, type RelayLimits, relayBucket } from '../limits/limit.js'
import { unavailable } from '../redis.js'
import {
  type Granted,
  isFree,
  planOf,
  type Return,
  returnsOf,
  type Taken,
  takenOf,
  type Want,
} from './limit-asks.js'
import type { ConnectionReport, FleetTime, LimitCalls, Newer } from './limit-calls.js'
import type { LimitStateChange } from './limit-states.js'
import { type LimitEdit, noVersion, parseLimitState } from './limit-versions.js'
import { createSpentCounts } from './spent-counts.js'

export interface RelayLimitViewOptions {
  readonly relay: string
  readonly configured: RelayLimits
  readonly shares: Readonly<Record<string, number>>
  readonly calls: LimitCalls
  readonly time: FleetTime
  /** Hears of another number of connections. */
  tell(relay: string, allowed: number): void
  failed(error: unknown): void
}

/** Newer limits may come in while they are asked for; so often that somebody changes them is nobody's intention. */
const MOST_STALE = 10
/** A limit that follows time is not worked out anew within so long. */
const SAME_LIMITS_MS = 20
const unlimited = Number.POSITIVE_INFINITY

export class RelayLimitView {
  readonly #options: RelayLimitViewOptions
  readonly #spent = createSpentCounts()
  #version = noVersion
  #state: LimitState
  /** For the many messages within a few milliseconds. */
  readonly #limits = new Map<string, LimitNow>()
  #limitsAt = 0
  #isPublished = false
  #closed = false
  #rates: Readonly<Record<string, number>> = {}
  #have = 0
  #want = 0
  #idle = 0
  /** What was wanted when Redis was asked last, what it answered, and what was told of it. */
  #askedWant = 0
  #allowed = 0
  #told: number | undefined
  #beating: Promise<void> | undefined
  #beatAgain = false
  /** Permits that came when nobody waited for them any more. */
  #late: Return[] = []

  constructor(options: RelayLimitViewOptions) {
    this.#options = options
    this.#state = { configured: options.configured, shares: options.shares, set: {}, tuned: {} }
  }

  get state(): LimitState {
    return this.#state
  }

  limit(bucket: string): LimitNow {
    const now = this.#options.time.now()
    if (Math.abs(now - this.#limitsAt) > SAME_LIMITS_MS) this.#limits.clear()
    const known = this.#limits.get(bucket)
    if (known) return known
    if (this.#limits.size === 0) this.#limitsAt = now
    const limit = limitNow(this.#state, bucket, now)
    this.#limits.set(bucket, limit)
    return limit
  }

  isLimited(provider: string): boolean {
    const { perSecond, perDay } = this.limit(relayBucket)
    return Math.min(perSecond, perDay) < unlimited || this.limit(provider).perSecond < unlimited
  }

  spend(provider: string, lane: string): void {
    this.#spent.add(Math.floor(this.#options.time.now() / 1000), lane, provider, 1)
    if (!this.isLimited(provider)) this.#spent.addUnleased(1)
  }

  rate(bucket: string): number {
    return this.#rates[bucket] ?? 0
  }

  async take(wants: readonly Want[], returns: readonly Return[]): Promise<Taken> {
    if (this.#closed) throw new FluxMailError('closed', 'the limits are closed: no permit is given any more')
    for (let time = 0; time < MOST_STALE; time += 1) {
      // After an error nobody knows whether they arrived, and given back twice would be more than the limit.
      const late = this.#late.splice(0)
      const taken = await this.#takeOnce(wants, [...returns, ...late])
      if (taken) return taken
      this.#late.push(...late)
    }
    const { relay } = this.#options
    throw new FluxMailError(
      'queue_unavailable',
      `the limits of ${relay} change faster than they can be asked`,
    )
  }

  /** Undefined when the limits were newer than those that it was asked by. */
  async #takeOnce(wants: readonly Want[], returns: readonly Return[]): Promise<Taken | undefined> {
    const { relay, calls, time } = this.#options
    const plan = planOf(this.#state, time.now(), wants, returns)
    if (isFree(plan)) return takenOf(plan, wants, [time.now(), [], [], []])
    const late = (granted: Granted) => void this.#late.push(...returnsOf(plan, wants, granted))
    const answer = await calls.take(relay, this.#version, plan.ask, late)
    if ('granted' in answer) return takenOf(plan, wants, answer.granted)
    await this.#hear(answer.newer).catch((error: unknown) => {
      throw unavailable(error)
    })
    return undefined
  }

  connections(): number {
    const limit = this.limit(relayBucket).connections
    return limit === unlimited ? limit : Math.min(this.#allowed, Math.floor(limit))
  }

  wantConnections(have: number, want: number, idle: number): void {
    const allowed = this.connections()
    const gaveUp = this.#have > allowed && have < this.#have
    this.#have = have
    this.#want = want
    this.#idle = idle
    // What others wait for is said at once, and so is a new wish; one that was refused waits for its turn.
    if (gaveUp || want > Math.max(allowed, this.#askedWant)) void this.keepUp()
  }

  async change(change: LimitStateChange): Promise<boolean> {
    try {
      return await this.#edit((state, now) => change(state ?? this.#state, now))
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  /** While Redis is away the first look waits for it, and no more pile up behind it. */
  async poll(): Promise<void> {
    if (this.#beating === undefined) await this.keepUp()
  }

  /** Tells what there is to tell, and hears what is new. It never rejects. */
  keepUp(): Promise<void> {
    this.#beatAgain = true
    this.#beating ??= this.#beat()
    return this.#beating
  }

  /** Gives back its connections, and is silent from then on. */
  async leave(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.keepUp()
  }

  async #beat(): Promise<void> {
    while (this.#beatAgain) {
      this.#beatAgain = false
      try {
        if (!this.#isPublished && !this.#closed) await this.#publish()
        await this.#beatOnce()
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#beating = undefined
  }

  async #beatOnce(): Promise<void> {
    const { relay, calls, time } = this.#options
    const before = this.connections()
    const report = this.#spent.drain(time.now())
    this.#askedWant = this.#want
    const said = { ...report, connections: this.#saidOf(before) }
    const answer = await calls.beat(relay, this.#version, said).catch((error: unknown) => {
      this.#spent.putBack(report)
      throw error
    })
    this.#rates = answer.rates
    this.#allowed = answer.allowed
    await this.#hear(answer)
    this.#tell()
    // What was taken away is free for others as soon as they know that it was heard.
    if (this.connections() < before) this.#beatAgain = !this.#closed
  }

  #saidOf(known: number): ConnectionReport {
    if (this.#closed) return { leaving: true }
    const { connections } = this.limit(relayBucket)
    return {
      have: this.#have,
      want: this.#want,
      idle: this.#idle,
      known: known === unlimited ? this.#have : known,
      limit: connections === unlimited ? -1 : Math.floor(connections),
    }
  }

  /** What this worker was started with holds from now on for all. */
  async #publish(): Promise<void> {
    const { configured, shares } = this.#options
    await this.#edit((stored) => {
      // Others may have lanes that this one does not have.
      const next = { ...(stored ?? this.#state), configured, shares: { ...stored?.shares, ...shares } }
      return stored && JSON.stringify(stored) === JSON.stringify(next) ? undefined : next
    })
    this.#isPublished = true
  }

  async #edit(edit: LimitEdit): Promise<boolean> {
    const { relay, calls, time } = this.#options
    const { now, version, state, changed } = await calls.versions.change(relay, edit)
    time.hear(now)
    if (state) this.#adopt(version, state)
    return changed
  }

  /** Newer limits, or none: then Redis has lost what it had, and what is known holds. */
  async #hear({ version, json }: Newer): Promise<void> {
    if (version === this.#version) return
    const state = parseLimitState(json)
    if (state) this.#adopt(version, state)
    else await this.#edit((stored) => (stored ? undefined : this.#state))
  }

  #adopt(version: string, state: LimitState): void {
    const { connections } = this.limit(relayBucket)
    this.#version = version
    this.#state = state
    this.#limits.clear()
    // Fewer for the fleet are fewer for each, or more.
    if (this.limit(relayBucket).connections !== connections) void this.keepUp()
    this.#tell()
  }

  #tell(): void {
    const allowed = this.connections()
    if (allowed === this.#told || this.#closed) return
    this.#told = allowed
    this.#options.tell(this.#options.relay, allowed)
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.#options.failed(error)
  }
}
