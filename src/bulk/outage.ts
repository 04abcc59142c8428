// What a bulk sender knows of its relay: a connection that is lost costs no message, and a relay that is gone
// ends the waiting. One for all batches of a sender. It never repeats what may have arrived.

import type { Clock } from '../clock.js'
import type { Exchange } from '../delivery/delivery.js'
import { isLasting, type NowSender, replyCodeOf, retriesOf, type Tries } from '../send-now.js'
import { Line } from '../smtp/line.js'
import type { BulkPace } from './pace.js'

/** Each worn connection can cost a message one try; more than there are of them is the message's own doing. */
const SPARE_TRIES = 3
/** Waits before the third connection for one message and those after it. */
const LOST_MS = { first: 25, longest: 250 }
/** Waits for a relay that cannot be reached: as long as it has been away, within these. */
const AWAY_MS = { shortest: 100, longest: 2_000 }
/** How often a relay that is gone is asked again, by one message each time. */
const ASK_AGAIN_MS = 5_000

export class Outage {
  readonly #sender: NowSender
  readonly #paces: readonly BulkPace[]
  readonly #clock: Clock
  /** Whether it is known to be there: one that never was is not waited for. */
  #known = false
  /** The first failure since its last answer. */
  #since: number | undefined
  /** Set once it counts as gone: what messages get to hear without a try of their own. */
  #gone: { readonly exchange: Exchange; readonly foundAt: number } | undefined
  /** The one whose message asks whether it is back, and those who wait for the answer. */
  #asking: Tries | undefined
  readonly #awaiting = new Line<void>()
  #batches = 0

  /** A try has its place in each of `paces`. */
  constructor(sender: NowSender, paces: readonly BulkPace[]) {
    this.#sender = sender
    this.#paces = paces
    this.#clock = sender.clock
  }

  /** A batch begins, until the returned function is called: what was found out before the first is asked anew. */
  begin(): () => void {
    if (this.#batches === 0) {
      this.#since = undefined
      if (this.#gone) this.#gone = { ...this.#gone, foundAt: Number.NEGATIVE_INFINITY }
    }
    this.#batches += 1
    return () => {
      this.#batches -= 1
    }
  }

  /** The tries at one recipient, for a batch that waits for the relay for `maxOutageMs`. */
  tries(maxOutageMs: number): Tries {
    const retries = retriesOf(this.#sender)
    const mostLost = this.#sender.maxConnections + SPARE_TRIES
    let lost = 0
    const tries: Tries = {
      refusal: (signal) => this.#refusal(tries, signal),
      permit: (signal) => this.#permit(signal),
      close: () => this.#answer(tries),
      waitAfter: (exchange) => {
        if (exchange.kind === 'stopped') return undefined
        if (isAway(exchange)) return this.#waitForRelay(exchange, maxOutageMs, retries)
        this.#gone = undefined
        this.#answer(tries)
        if (isLost(exchange)) {
          lost += 1
          const isWorthIt = lost <= mostLost && this.#outageMs() <= maxOutageMs
          if (isWorthIt) return lost === 1 ? 0 : Math.min(LOST_MS.first * 2 ** (lost - 2), LOST_MS.longest)
        } else if (exchange.kind !== 'broken') this.#heard()
        return retries.waitAfter(exchange)
      },
    }
    return tries
  }

  async #permit(signal: AbortSignal): Promise<boolean> {
    for (const pace of this.#paces) if (!(await pace.take(signal))) return false
    return true
  }

  #heard(): void {
    this.#known = true
    this.#since = undefined
  }

  #waitForRelay(exchange: Exchange, maxOutageMs: number, retries: Tries): number | undefined {
    if (isThere(exchange)) this.#known = true
    const outageMs = this.#outageMs()
    const isWorthIt = this.#known && !isLasting(exchange) && outageMs < maxOutageMs
    if (isWorthIt) {
      const waitMs = Math.min(Math.max(outageMs, AWAY_MS.shortest), AWAY_MS.longest)
      return Math.min(waitMs, maxOutageMs - outageMs)
    }
    const waitMs = retries.waitAfter(exchange)
    if (waitMs === undefined) this.#gone = { exchange, foundAt: this.#clock.monotonicMs() }
    return waitMs
  }

  async #refusal(tries: Tries, signal: AbortSignal): Promise<Exchange | undefined> {
    if (this.#gone === undefined || this.#asking === tries) return undefined
    const isStale = this.#clock.monotonicMs() - this.#gone.foundAt >= ASK_AGAIN_MS
    if (this.#asking === undefined && isStale) {
      this.#asking = tries
      return undefined
    }
    if (this.#asking) await this.#awaiting.wait(signal, undefined)
    return this.#gone?.exchange
  }

  #answer(tries: Tries): void {
    if (this.#asking !== tries) return
    this.#asking = undefined
    this.#awaiting.serveAll(undefined)
  }

  #outageMs(): number {
    this.#since ??= this.#clock.monotonicMs()
    return this.#clock.monotonicMs() - this.#since
  }
}

/** No connection could be had. */
function isAway(exchange: Exchange): boolean {
  return exchange.kind === 'broken' && exchange.phase === 'connect'
}

/** Faults of a connection that only a relay can cause: it closed or reset what had been connected. */
const closedThere = new Set(['ECONNRESET', 'EPIPE'])

/** No connection could be had, and yet there is a relay: it said 4yz, or closed the connection before it was usable. */
function isThere(exchange: Exchange): boolean {
  if (exchange.kind !== 'broken') return false
  const code = replyCodeOf(exchange)
  if (code !== 0) return code < 500
  const isGreeting = exchange.stage === 'greeting' || exchange.stage === 'hello'
  return closedThere.has(exchange.code) || (isGreeting && exchange.code === 'ECONNECTION')
}

/** Ends of a connection that are no loss of it: we waited too long, made no sense of it, or hung up ourselves. */
const notLost = new Set(['ETIMEDOUT', 'EPROTOCOL', 'ECONNABORTED'])

/** The relay closed the connection, without a word before the final dot or with 421: the message did not arrive. */
function isLost(exchange: Exchange): boolean {
  const code = replyCodeOf(exchange)
  if (code !== 0) return code === 421
  return exchange.kind === 'broken' && exchange.phase === 'envelope' && !notLost.has(exchange.code)
}
