// The kept connections of one relay: at most so many, lent for one message at a time, replaced when worn.
// Whoever waits for one is always served: with a connection, or with the reason why none can be had.

import { setMaxListeners } from 'node:events'
import type { Clock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Unsigned } from '../delivery/delivery.js'
import { connectionsOf } from '../limits/connection-limit.js'
import type { Closing } from './closing.js'
import { Idle } from './idle.js'
import { LaneLines } from './lane-lines.js'
import { createLease, type Given, type Lease, type Lender, type Refused } from './lease.js'
import { Line } from './line.js'
import { type Seat, Seats } from './seats.js'
import { type OpenSigner, openSigner } from './signer.js'
import { openWire, type Wire } from './wire.js'
import type { WireEvents } from './wire-events.js'

export interface PoolEvents {
  opened(): void
  /** `messages` were begun on it. */
  closed(why: Closing, messages: number): void
  /** No connection could be opened, and none is open. */
  failed(): void
  /** Something is gone without which it goes on more slowly: the thread that signs, or leave to send ahead. */
  warned?(problem: string): void
  /** Hears of each connection, also of one that comes to nothing. */
  readonly wire?: WireEvents | undefined
}

/** How many connections do what; `leaving`: they say QUIT. */
export type ConnectionStates = Readonly<Record<'opening' | 'busy' | 'idle' | 'leaving', number>>

export interface Pool {
  /** Connections that are open or being opened. */
  readonly open: number
  /** The same by what they do. */
  readonly states: ConnectionStates
  /** `message` is signed while it waits. */
  acquire(
    signal: AbortSignal,
    lane?: string,
    message?: Unsigned,
  ): Promise<{ readonly lease: Lease } | Refused>
  /** Looks at how many connections there may be, which has changed. */
  attend(): void
  /** Hangs up idle connections; those in use hang up when their message is done. Lets go whoever waits. */
  close(): void
  /** Hangs up everything at once. */
  drop(): void
}

/** A relay that refuses one connection more than are open is not asked for more of them for so long. */
const NO_MORE_MS = 30_000
/** The same where one more was open before: the relay may not have noticed yet that its place is free. */
const REGAIN_MS = 1_000

const closing: Given = { refusal: { kind: 'stopped', answer: 'closing' } }

export interface PoolOptions {
  /** Whether one connection finds out if the relay is there and takes the login, before there are more. */
  readonly oneFirst?: boolean
  /** The guaranteed share of each lane in the connections; none unless given. */
  readonly shares?: Readonly<Record<string, number>> | undefined
  /** Where several processes share out the connections of a relay. */
  readonly shared?: SharedPlaces | undefined
}

export interface SharedPlaces {
  /** Connections that there may be here now. */
  allowed(): number
  /** Hears how many there are, how many there would be, and how many of these are idle. */
  want(have: number, want: number, idle: number): void
}

export function createPool(
  name: string,
  relay: RelayConfig,
  clock: Clock,
  events: PoolEvents,
  options: PoolOptions = {},
): Pool {
  return new RelayPool(name, relay, clock, events, options)
}

class RelayPool implements Pool, Lender {
  readonly #name: string
  readonly #relay: RelayConfig
  readonly #clock: Clock
  readonly #events: PoolEvents
  readonly #oneFirst: boolean
  readonly #wires = new Set<Wire>()
  readonly #signer: OpenSigner | undefined
  readonly #idle: Idle
  readonly #seats: Seats
  readonly #waiting: LaneLines<Given>
  readonly #shared: SharedPlaces | undefined
  /** Connections that say QUIT: they are no longer lent, and there until they have ended. */
  readonly #leaving = new Set<Wire>()
  /** Those whose kept connection was gone: any new one is theirs first. */
  readonly #replacing = new Line<Given>()
  readonly #hangUp = new AbortController()
  #opening = 0
  #closed = false
  /** The last connect that failed, and how many connections the relay allows as far as is known. */
  #failure: { readonly open: number; readonly noMoreUntil: number } | undefined
  #stopTimer: (() => void) | undefined

  constructor(
    name: string,
    relay: RelayConfig,
    clock: Clock,
    events: PoolEvents,
    { oneFirst = false, shares = {}, shared }: PoolOptions,
  ) {
    this.#name = name
    this.#oneFirst = oneFirst
    this.#waiting = new LaneLines(shares)
    this.#shared = shared
    this.#relay = relay
    this.#clock = clock
    this.#events = events
    const warn = (problem: string) => events.warned?.(problem)
    this.#signer = relay.dkim && openSigner(relay.dkim, clock, warn)
    this.#seats = new Seats(relay, clock, warn)
    this.#idle = new Idle(clock, relay.idleMs)
    setMaxListeners(0, this.#hangUp.signal)
  }

  get open(): number {
    return this.#wires.size + this.#opening
  }

  get states(): ConnectionStates {
    const { size: idle } = this.#idle
    const { size: leaving } = this.#leaving
    return { opening: this.#opening, busy: this.#wires.size - idle - leaving, idle, leaving }
  }

  async acquire(
    signal: AbortSignal,
    lane = '',
    message?: Unsigned,
  ): Promise<{ readonly lease: Lease } | Refused> {
    if (message && !this.#closed) this.#signAhead(message)
    const given = await this.#standIn(() => this.#waiting.wait(lane, signal, closing))
    return 'wire' in given ? { lease: createLease(this.#name, given, this, this.#signer) } : given
  }

  /** The signer knows it when it is asked again; what is wrong with it is told then. */
  #signAhead({ bytes, fixed }: Unsigned): void {
    this.#signer?.sign(bytes, fixed).catch(() => undefined)
  }

  replace(signal: AbortSignal): Promise<Given> {
    return this.#standIn(() => this.#replacing.wait(signal, closing))
  }

  lendBehind(seat: Seat): void {
    if (!this.#closed && this.#seats.openBehind(seat)) this.attend()
  }

  giveBack(seat: Seat): void {
    this.#waiting.returned(seat)
    if (this.#seats.leave(seat)) this.#keep(seat.wire)
  }

  #keep(wire: Wire): void {
    // Its end frees its place.
    if (!wire.alive) return
    if (this.#closed) this.#quit(wire, 'closing')
    else if (wire.messages >= this.#relay.maxMessagesPerConnection) this.#quit(wire, 'used_up')
    else this.#idle.add(wire)
    this.attend()
  }

  close(): void {
    this.#closed = true
    this.#stopTimer?.()
    this.#signer?.close()
    this.#hangUp.abort()
    this.#serveAll(closing)
    this.#idle.quitAll()
  }

  drop(): void {
    this.close()
    for (const wire of this.#wires) wire.drop()
  }

  #standIn(wait: () => Promise<Given>): Promise<Given> {
    if (this.#closed) return Promise.resolve(closing)
    const given = wait()
    this.attend()
    return given
  }

  get #most(): number {
    return Math.min(connectionsOf(this.#relay), this.#shared?.allowed() ?? Number.POSITIVE_INFINITY)
  }

  /** Brings those who wait and what can be had together. Called after whatever changes either. */
  attend(): void {
    const most = this.#most
    this.#makeRoom(most)
    while (this.#mayOpen(most)) void this.#openOne()
    // Where no new connection can be had a kept one has to do.
    if (this.#opening === 0)
      this.#lendIdle(this.#replacing, (wire) => this.#replacing.serve(this.#seats.take(wire)))
    this.#lendIdle(this.#waiting, (wire) => this.#serveWaiting(this.#seats.take(wire), most))
    this.#lendBehind(most)
    this.#idle.watch()
    this.#shared?.want(this.open, this.#wanted, this.#idle.size)
    this.#attendLater()
  }

  #lendIdle({ length }: { readonly length: number }, lend: (wire: Wire) => void): void {
    for (let left = length; left > 0 && this.#idle.size > 0; ) {
      const wire = this.#idle.take()
      if (wire === undefined) continue
      lend(wire)
      left -= 1
    }
  }

  #serveWaiting(seat: Seat, most: number): void {
    this.#waiting.serve(seat, seat, most)
  }

  /**
   * To those who get no connection of their own. Not while one has to come to rest: to be closed, or for a message whose
   * own is gone.
   */
  #lendBehind(most: number): void {
    if (this.#surplus(most) > 0 || this.#replacing.length > this.#opening) return
    while (this.#waiting.length > this.#opening) {
      const seat = this.#seats.takeBehind()
      if (seat === undefined) return
      this.#serveWaiting(seat, most)
    }
  }

  /** Those that are there and stay, and one for each message that has none. */
  get #wanted(): number {
    const missing = this.#replacing.length + this.#waiting.length - this.#idle.size - this.#opening
    return Math.min(connectionsOf(this.#relay), this.open - this.#leaving.size + Math.max(0, missing))
  }

  /** Another process is to have what is too many here: idle ones go now, others after their message. */
  #makeRoom(most: number): void {
    let surplus = this.#surplus(most)
    while (surplus > 0 && this.#idle.size > 0) {
      const wire = this.#idle.take()
      if (wire === undefined) continue
      this.#quit(wire, 'over_share')
      surplus -= 1
    }
  }

  #surplus(most: number): number {
    return this.#wires.size - this.#leaving.size + this.#opening - most
  }

  #quit(wire: Wire, why: Closing): void {
    this.#leaving.add(wire)
    wire.quit(why)
  }

  #mayOpen(most: number): boolean {
    const wanted = this.#replacing.length + Math.max(0, this.#waiting.length - this.#idle.size)
    if (this.#closed || wanted <= this.#opening || this.open >= most) return false
    if (this.#oneFirst && this.#wires.size === 0 && this.#opening > 0) return false
    if (this.#failure === undefined) return true
    // After a failure one at a time, and for a while no more than were open then: the relay may allow no more.
    const isPlaceFree = this.#wires.size === 0 || this.#wires.size < this.#failure.open
    return this.#opening === 0 && (isPlaceFree || this.#noMoreMs <= 0)
  }

  get #noMoreMs(): number {
    return this.#failure ? this.#failure.noMoreUntil - this.#clock.monotonicMs() : 0
  }

  /** The open connections may all be busy for long: then nothing else would try for one more. */
  #attendLater(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    const ms = this.#noMoreMs
    const isWanted = this.#waiting.length + this.#replacing.length > 0
    if (ms > 0 && isWanted) this.#stopTimer = this.#clock.after(ms, () => this.attend())
  }

  async #openOne(): Promise<void> {
    const failureBefore = this.#failure
    this.#opening += 1
    const opened = await openWire(this.#relay, this.#hangUp.signal, this.#events.wire)
    this.#opening -= 1
    if ('failure' in opened) this.#onFailure({ refusal: opened.failure })
    else this.#admit(opened.wire, this.#failure === failureBefore)
  }

  #onFailure(refused: Given): void {
    if (this.#closed) return
    const open = this.#wires.size
    const isRegaining = this.#failure !== undefined && open < this.#failure.open
    const noMoreUntil = this.#clock.monotonicMs() + (isRegaining ? REGAIN_MS : NO_MORE_MS)
    this.#failure = { open, noMoreUntil }
    // Whoever waits gets one of those that are open, or hears of the last one that fails.
    if (this.open > 0) {
      this.attend()
      return
    }
    this.#events.failed()
    this.#serveAll(refused)
  }

  #admit(wire: Wire, isBegunSinceFailure: boolean): void {
    this.#wires.add(wire)
    const open = this.#wires.size
    // Only one more than were open at the failure says that there is room again.
    if (this.#failure && open > this.#failure.open)
      this.#failure = isBegunSinceFailure ? undefined : { ...this.#failure, open }
    this.#events.opened()
    void wire.ended.then(() => this.#onEnd(wire))
    void wire.closed.then((why) => this.#events.closed(why, wire.messages))
    if (this.#replacing.length > 0) this.#replacing.serve(this.#seats.take(wire))
    else this.#keep(wire)
    this.attend()
  }

  #onEnd(wire: Wire): void {
    this.#idle.remove(wire)
    this.#wires.delete(wire)
    this.#leaving.delete(wire)
    this.#seats.end(wire)
    this.attend()
  }

  #serveAll(given: Given): void {
    this.#replacing.serveAll(given)
    this.#waiting.serveAll(given)
  }
}
