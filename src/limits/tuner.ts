// Hears what relays say and makes their limits follow: a reply that asks for less cuts the bucket that it speaks of.
// Everything else costs nothing. It never raises a limit: that is a function of the time since the cut.

import type { Clock } from '../clock.js'
import type { Exchange } from '../delivery/delivery.js'
import { judgeExchange } from '../delivery/judge.js'
import type { Reply } from '../delivery/outcome.js'
import type { LimitStore } from '../store/limits.js'
import { maskRecipient } from '../telemetry/mask.js'
import { type LimitState, limitNow, relayBucket } from './limit.js'
import { createOwnRates, type OwnRates } from './own-rates.js'
import { bucketsOf, isAboutConnections, type SlowerReply } from './slower.js'
import { type CutFacts, canGoLower, cutAt, isTelling } from './tuning.js'
import { createWarmupTally, type WarmupTally } from './warmup-tally.js'

/** One exchange with a relay. */
export interface Heard {
  readonly relay: string
  readonly provider: string
  readonly exchange: Exchange
  /** `limits.now()` when its permit was spent, or when a connection was asked for. */
  readonly startedAt: number
  /** Whose mail it was; what is kept of a reply does not name it. */
  readonly recipient: string
}

export interface Tuner {
  hear(heard: Heard): void
  /** Whether less can still be sent through the relay than now: then being asked for less is no fault of it. */
  canSlowDown(relay: string): boolean
  /** Tells the fleet what is not told yet. */
  close(): Promise<void>
}

export interface TunerOptions {
  readonly limits: TunedLimits
  readonly clock: Clock
  /** Replies by which a relay asks for less in its own words, by relay. */
  readonly slowerReplies?: Readonly<Record<string, readonly string[] | undefined>> | undefined
  /** Connections of the whole fleet to a relay; without it connections are not cut. */
  connections?(relay: string): Promise<number>
  /** A bucket was cut for what was said to this worker; `reply` without addresses. */
  cut(relay: string, bucket: string, reply: string): void
}

export type TunedLimits = Pick<LimitStore, 'now' | 'state' | 'limit' | 'rate' | 'change'>

/** Of a reply, so much is kept. */
const LONGEST_REPLY = 300
/** A cut for too many messages leaves half of these. */
const FEW_CONNECTIONS = 10

export function createTuner(options: TunerOptions): Tuner {
  return new RelayTuner(options)
}

class RelayTuner implements Tuner {
  readonly #options: TunerOptions
  readonly #own: OwnRates
  readonly #tally: WarmupTally
  /** Relays whose cut is on its way. */
  readonly #cutting = new Set<string>()

  constructor(options: TunerOptions) {
    this.#options = options
    this.#own = createOwnRates(options.clock)
    this.#tally = createWarmupTally(options.limits, options.clock)
  }

  hear(heard: Heard): void {
    const { relay, provider, exchange } = heard
    if (exchange.kind === 'stopped') return
    if (exchange.kind === 'accepted') {
      this.#own.add(relay, relayBucket)
      this.#own.add(relay, provider)
      this.#tally.count(relay, false)
      return
    }
    const ownReplies = this.#options.slowerReplies?.[relay] ?? []
    const outcome = judgeExchange(exchange, ownReplies)
    const isSlower = 'slower' in outcome && outcome.slower === true
    if (!isSlower) return
    this.#tally.count(relay, true)
    if (!this.#options.limits.state(relay).configured.selfTuning) return
    void this.#cut(heard, { exchange, reply: outcome.reason.reply, provider, ownReplies })
  }

  canSlowDown(relay: string): boolean {
    const { limits } = this.#options
    const state = limits.state(relay)
    if (!state.configured.selfTuning) return false
    return canGoLower(limits.limit(relay, relayBucket).perSecond, ceilingOf(state, relayBucket, limits.now()))
  }

  close(): Promise<void> {
    return this.#tally.close()
  }

  /** One at a time: whoever asks for less meanwhile asks for the same. */
  async #cut(heard: Heard, slower: SlowerReply): Promise<void> {
    const { relay, startedAt } = heard
    const { limits } = this.#options
    const buckets = toldOf(slower, startedAt, limits.state(relay), limits.now())
    if (buckets.length === 0 || this.#cutting.has(relay)) return
    this.#cutting.add(relay)
    try {
      await this.#cutNewest(heard, slower)
    } finally {
      this.#cutting.delete(relay)
    }
  }

  async #cutNewest({ relay, startedAt, recipient }: Heard, slower: SlowerReply): Promise<void> {
    const { limits, cut } = this.#options
    const open = await this.#options.connections?.(relay).catch(() => undefined)
    const reply = quoted(slower.reply, recipient)
    let made: readonly string[] = []
    const isCut = await limits.change(relay, (state, now) => {
      made = toldOf(slower, startedAt, state, now)
      if (made.length === 0) return undefined
      const cuts = made.map((bucket) => {
        const facts = { ...this.#factsOf(relay, bucket, state, now), reply }
        const connections = bucket === relayBucket ? tooMany(slower, open, state) : undefined
        return [bucket, cutAt({ ...facts, connections }, now)] as const
      })
      return { ...state, tuned: { ...state.tuned, ...Object.fromEntries(cuts) } }
    })
    if (isCut) for (const bucket of made) cut(relay, bucket, reply)
  }

  #factsOf(relay: string, bucket: string, state: LimitState, now: number): CutFacts {
    const rate = Math.max(this.#options.limits.rate(relay, bucket), this.#own.rate(relay, bucket))
    return { limit: limitNow(state, bucket, now).perSecond, ceiling: ceilingOf(state, bucket, now), rate }
  }
}

/** The buckets that are to be cut for it, and were not since it began. */
function toldOf(slower: SlowerReply, startedAt: number, state: LimitState, now: number): readonly string[] {
  return bucketsOf(slower, state, now).filter((bucket) => isTelling(state.tuned[bucket], startedAt))
}

/** How many connections were too many, of so many that are open. */
function tooMany(slower: SlowerReply, open: number | undefined, { tuned }: LimitState): number | undefined {
  if (open === undefined || isAboutConnections(slower)) return open
  // Few are open when little was sent, or after a cut: then they are not what was too much.
  return Math.max(open, tuned[relayBucket]?.connections ?? 0, FEW_CONNECTIONS)
}

/** What would hold without tuning. */
function ceilingOf(state: LimitState, bucket: string, now: number): number {
  return limitNow({ ...state, tuned: {} }, bucket, now).perSecond
}

/** What the relay said, for people to read; it stays in Redis, so that it names no recipient. */
function quoted(reply: Reply | undefined, recipient: string): string {
  if (reply === undefined) return ''
  const words = [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ')
  return maskRecipient(words, recipient).slice(0, LONGEST_REPLY)
}
