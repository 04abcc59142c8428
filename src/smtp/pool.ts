// The kept connections of one relay: at most so many, handed from message to message, replaced when worn.
// It never queues more than its callers; each of them waits for a connection of its own.

import type { Clock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Exchange, Transmission } from '../delivery/delivery.js'
import { type Broken, openWire, type Wire } from './wire.js'

export interface PoolEvents {
  opened(): void
  closed(): void
}

export interface Pool {
  readonly open: number
  transmit(transmission: Transmission): Promise<Exchange>
  /** Hangs up idle connections; those in use hang up when their message is done. */
  close(): void
}

/** After a failed connect the next callers are told of it instead of knocking again. */
const COOL_MS = 1_000

type Acquired = { readonly wire: Wire } | { readonly refusal: Exchange }
type Waiter = (acquired: Acquired | 'slot') => void

const closing: Acquired = { refusal: { kind: 'stopped', answer: 'closing' } }

/** Whether the relay closed the connection before it heard of this message: silently, or with 421 to its MAIL FROM. */
function saysGone(exchange: Exchange): boolean {
  if (exchange.kind === 'broken') return exchange.phase === 'envelope'
  return exchange.kind === 'refused' && exchange.stage === 'mail' && exchange.response.startsWith('421')
}

export function createPool(relay: RelayConfig, clock: Clock, events: PoolEvents): Pool {
  return new RelayPool(relay, clock, events)
}

class RelayPool implements Pool {
  readonly #relay: RelayConfig
  readonly #clock: Clock
  readonly #events: PoolEvents
  /** Connections without a message, each with what stops its idle timer; the one used last stands last. */
  readonly #idle = new Map<Wire, () => void>()
  readonly #waiters = new Set<Waiter>()
  #open = 0
  #closed = false
  #failure: { readonly broken: Broken; readonly until: number } | undefined

  constructor(relay: RelayConfig, clock: Clock, events: PoolEvents) {
    this.#relay = relay
    this.#clock = clock
    this.#events = events
  }

  get open(): number {
    return this.#open
  }

  async transmit(transmission: Transmission): Promise<Exchange> {
    const { exchange, stale } = await this.#transmitOnce(transmission, false)
    // The relay had closed a kept connection: that says nothing about this message, and nothing of it was sent.
    return stale ? (await this.#transmitOnce(transmission, true)).exchange : exchange
  }

  close(): void {
    this.#closed = true
    for (const waiter of this.#waiters) this.#serve(waiter, closing)
    for (const wire of [...this.#idle.keys()]) {
      this.#forget(wire)
      wire.quit()
    }
  }

  async #transmitOnce(
    transmission: Transmission,
    fresh: boolean,
  ): Promise<{ exchange: Exchange; stale: boolean }> {
    const acquired = await this.#acquire(transmission.signal, fresh)
    if ('refusal' in acquired) return { exchange: acquired.refusal, stale: false }
    const { wire } = acquired
    const exchange = await wire.send(transmission)
    this.#giveBack(wire)
    return { exchange, stale: wire.messages > 1 && saysGone(exchange) }
  }

  async #acquire(signal: AbortSignal, fresh: boolean): Promise<Acquired> {
    if (this.#closed || signal.aborted) return closing
    const hasRoom = this.#open < this.#relay.maxConnections
    const kept = fresh && hasRoom ? undefined : this.#takeIdle()
    if (kept) return { wire: kept }
    if (hasRoom) return this.#connect()
    const given = await this.#wait(signal)
    return given === 'slot' ? this.#acquire(signal, fresh) : given
  }

  #wait(signal: AbortSignal): Promise<Acquired | 'slot'> {
    return new Promise((resolve) => {
      const abort = () => this.#serve(waiter, closing)
      const waiter: Waiter = (what) => {
        signal.removeEventListener('abort', abort)
        resolve(what)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  async #connect(): Promise<Acquired> {
    if (this.#failure && this.#clock.monotonicMs() < this.#failure.until)
      return { refusal: this.#failure.broken }
    this.#open += 1
    const ended: { wire?: Wire } = {}
    const opened = await openWire(this.#relay, () => {
      if (ended.wire) this.#forget(ended.wire)
      this.#events.closed()
      this.#freeSlot()
    })
    if ('failure' in opened) {
      this.#failure = { broken: opened.failure, until: this.#clock.monotonicMs() + COOL_MS }
      this.#freeSlot()
      return { refusal: opened.failure }
    }
    this.#failure = undefined
    ended.wire = opened.wire
    this.#events.opened()
    return { wire: opened.wire }
  }

  #takeIdle(): Wire | undefined {
    // The one used last is the least likely to have been closed by the relay.
    const wire = [...this.#idle.keys()].at(-1)
    if (wire) this.#forget(wire)
    return wire
  }

  #giveBack(wire: Wire): void {
    const [next] = this.#waiters
    if (!wire.alive) return
    if (this.#closed || wire.messages >= this.#relay.maxMessagesPerConnection) wire.quit()
    else if (next) this.#serve(next, { wire })
    else this.#rest(wire)
  }

  #rest(wire: Wire): void {
    const stopTimer = this.#clock.after(this.#relay.idleMs, () => {
      this.#forget(wire)
      wire.quit()
    })
    this.#idle.set(wire, stopTimer)
  }

  #forget(wire: Wire): void {
    this.#idle.get(wire)?.()
    this.#idle.delete(wire)
  }

  #freeSlot(): void {
    this.#open -= 1
    const [next] = this.#waiters
    if (next) this.#serve(next, 'slot')
  }

  #serve(waiter: Waiter, what: Acquired | 'slot'): void {
    this.#waiters.delete(waiter)
    waiter(what)
  }
}
