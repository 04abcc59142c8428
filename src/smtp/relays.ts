// The relays by name, and the routes that choose among them when a message asks for a connection.
// With circuits a relay whose circuit is open is passed over, and what each exchange says of its relay is reported.

import type { Clock } from '../clock.js'
import type { RelayConfig, RouteConfig } from '../config.js'
import type { Exchange, Transmission } from '../delivery/delivery.js'
import { linkSignals } from '../linked-signal.js'
import type { Circuits } from '../store/circuits.js'
import { maskAddresses, maskRecipient } from '../telemetry/mask.js'
import type { Acquired, Asking, Choice, SharedConnections, Shut } from './acquired.js'
import { type Blame, blame } from './blame.js'
import type { Report } from './circuit.js'
import type { Lease } from './lease.js'
import { type ConnectionStates, createPool, type Pool, type PoolEvents } from './pool.js'
import { createReturns, type Returns } from './returns.js'
import { createRoute, type Route } from './route.js'
import { createSuspicion } from './suspicion.js'
import type { RelayEvents } from './wire-events.js'

export type { Acquired, Asking, Choice, Shut } from './acquired.js'
export type { Lease } from './lease.js'
export type { RelayEvents } from './wire-events.js'

export interface Relays {
  /** Waits for a connection to a relay of the route, until `signal` is aborted. */
  acquire(route: string | undefined, signal: AbortSignal): Promise<Acquired>
  /** Connections that are open or being opened, by relay. */
  open(): ReadonlyMap<string, number>
  /** Idle connections say QUIT, those in use when their message is done; whoever waits is let go. */
  close(): void
  /** Everything hangs up at once, also what is on the wire. */
  drop(): void
}

/** Relays whose circuits are shared with other workers. */
export interface GuardedRelays extends Omit<Relays, 'acquire'> {
  acquire(
    route: string | undefined,
    signal: AbortSignal,
    sender: string,
    asking?: Asking,
  ): Promise<Acquired | Shut>
  /** Undefined where there is no such route. */
  choice(route: string | undefined): Choice | undefined
  /** Connections by what they do, by relay. */
  states(): ReadonlyMap<string, ConnectionStates>
  /** The connections that this worker may have to a relay have become more or fewer. */
  attend(relay: string): void
}

export interface RelaysOptions {
  /** How long a relay that could not be reached is left alone where its route has no other; default 5000. */
  readonly restMs?: number
}

export interface GuardedRelaysOptions extends RelaysOptions {
  readonly circuits: Gate
  /** Hears of what went wrong in reporting an exchange. */
  readonly failed?: (error: unknown) => void
  /** How the connections of the fleet are shared out; by configuration alone unless given. */
  readonly connections?: SharedConnections
  /** Whether less can be sent to a relay than is, so that being asked for that is no fault of it; unless given, no. */
  readonly canSlowDown?: (relay: string) => boolean
  /** The guaranteed share of each lane in the connections of a relay. */
  readonly shares?: Readonly<Record<string, number>>
}

/** What the circuits are asked and told here. */
export type Gate = Pick<Circuits, 'look' | 'probe' | 'report'>

const noCircuits: Gate = {
  look: () => ({ kind: 'free', waitMs: 0 }),
  probe: async () => undefined,
  report: () => undefined,
}

const DEFAULT_ROUTE = 'default'
const REST_MS = 5_000
/** How long a relay that could not be reached is passed over where its route has another. */
const PASS_OVER_MS = 30_000
/** The same for both where a circuit goes by what is found: it has to find enough of it in time. */
const GUARDED_REST_MS = 2_000
/** How long a message waits here while this worker can send nothing at all, and how often it looks. */
const PATIENCE_MS = 15_000
const LOOK_MS = 250
/** A relay may be well long before its next probe is due: a worker was started with another password. */
const LONGEST_SHUT_MS = 30_000
/** Of a reply that opened a circuit, so much is kept. */
const LONGEST_REPLY = 300

type Configs = Readonly<Record<string, RelayConfig>>
type Routes = Readonly<Record<string, RouteConfig>>

export function createRelays(
  configs: Configs,
  routes: Routes,
  clock: Clock,
  events: RelayEvents,
  options: GuardedRelaysOptions,
): GuardedRelays
export function createRelays(
  configs: Configs,
  routes: Routes,
  clock: Clock,
  events: RelayEvents,
  options?: RelaysOptions,
): Relays
export function createRelays(
  configs: Configs,
  routes: Routes,
  clock: Clock,
  events: RelayEvents,
  options: Partial<GuardedRelaysOptions> = {},
): Relays & GuardedRelays {
  return new RoutedRelays(configs, routes, clock, events, options)
}

class RoutedRelays implements Relays, GuardedRelays {
  readonly #pools = new Map<string, Pool>()
  readonly #routes: ReadonlyMap<string, Route>
  readonly #clock: Clock
  readonly #gate: Gate
  readonly #restMs: number
  readonly #passOverMs: number
  readonly #returns: Returns
  readonly #failedAt = new Map<string, number>()
  /** Relays that one message finds out about, whether they are back; the others go on with the next relay. */
  readonly #asked = new Set<string>()
  /** Connects that failed and were reported: all who waited for the connection hear of the same exchange. */
  readonly #reported = new WeakSet<Exchange>()
  readonly #suspicion = createSuspicion()
  readonly #failed: (error: unknown) => void
  readonly #canSlowDown: (relay: string) => boolean
  readonly #slower: (relay: string) => readonly string[] | undefined
  readonly #closing = new AbortController()

  constructor(
    configs: Configs,
    routes: Routes,
    clock: Clock,
    events: RelayEvents,
    options: Partial<GuardedRelaysOptions>,
  ) {
    const { circuits, restMs, connections, shares, failed = () => undefined } = options
    this.#failed = failed
    this.#canSlowDown = options.canSlowDown ?? (() => false)
    this.#slower = (relay) => configs[relay]?.slowerReplies
    this.#clock = clock
    this.#gate = circuits ?? noCircuits
    this.#restMs = restMs ?? (circuits ? GUARDED_REST_MS : REST_MS)
    this.#passOverMs = circuits ? this.#restMs : PASS_OVER_MS
    this.#returns = createReturns(clock)
    for (const [name, config] of Object.entries(configs)) {
      const shared = connections && {
        allowed: () => connections.allowed(name),
        want: (have: number, want: number, idle: number) => connections.want(name, have, want, idle),
      }
      const pooled = { oneFirst: circuits !== undefined, shared, shares }
      this.#pools.set(name, createPool(name, config, clock, this.#eventsOf(name, events), pooled))
    }
    const named = Object.entries(routes).map(([name, route]) => [name, createRoute(route)] as const)
    this.#routes = new Map([[DEFAULT_ROUTE, createRoute(Object.keys(configs))], ...named])
  }

  // Without circuits nothing is ever shut.
  acquire(name: string | undefined, signal: AbortSignal): Promise<Acquired>
  acquire(
    name: string | undefined,
    signal: AbortSignal,
    sender: string,
    asking?: Asking,
  ): Promise<Acquired | Shut>
  async acquire(
    name = DEFAULT_ROUTE,
    signal: AbortSignal,
    sender?: string,
    asking: Asking = {},
  ): Promise<Acquired | Shut> {
    const route = this.#routes.get(name)
    if (route === undefined) return { kind: 'missing', route: name }
    const startedAt = this.#clock.monotonicMs()
    for (;;) {
      const acquired =
        (await this.#acquireFirst(route, signal, sender, asking)) ??
        (await this.#acquireAfterRest(route, signal, sender, asking))
      if (acquired) return acquired
      const isPatient = this.#clock.monotonicMs() - startedAt < PATIENCE_MS
      // While anything else could go, who cannot go makes room for it.
      if (!isPatient || !this.#isEveryRelayShut()) return this.#shut(route, sender)
      if (!(await this.#sleep(LOOK_MS, signal))) return this.#stopped(route)
    }
  }

  choice(name = DEFAULT_ROUTE): Choice | undefined {
    const route = this.#routes.get(name)
    if (route === undefined) return undefined
    const { isByWeight, choose } = route
    return { relays: route.relays.filter((each) => this.#isUsable(each, route)), isByWeight, choose }
  }

  attend(relay: string): void {
    this.#pools.get(relay)?.attend()
  }

  open(): ReadonlyMap<string, number> {
    return new Map([...this.#pools].map(([name, pool]) => [name, pool.open]))
  }

  states(): ReadonlyMap<string, ConnectionStates> {
    return new Map([...this.#pools].map(([name, pool]) => [name, pool.states]))
  }

  close(): void {
    this.#closing.abort()
    for (const pool of this.#pools.values()) pool.close()
  }

  drop(): void {
    this.#closing.abort()
    for (const pool of this.#pools.values()) pool.drop()
  }

  #eventsOf(name: string, events: RelayEvents): PoolEvents {
    return {
      opened: () => {
        this.#failedAt.delete(name)
        events.opened(name)
      },
      closed: (why, messages) => events.closed(name, why, messages),
      failed: () => void this.#failedAt.set(name, this.#clock.monotonicMs()),
      warned: (problem) => events.warned?.(name, problem),
      wire: events.wire?.(name),
    }
  }

  /** From the first relay that is there; undefined when each of them is shut or was found away a moment ago. */
  async #acquireFirst(
    route: Route,
    signal: AbortSignal,
    sender: string | undefined,
    { chosen, ...asking }: Asking,
  ): Promise<Acquired | undefined> {
    const tried = new Set<string>()
    let refused: Acquired | undefined
    for (;;) {
      const usable = route.relays.filter((each) => !tried.has(each) && this.#isUsable(each, route, sender))
      const isChosen = tried.size === 0 && chosen !== undefined && usable.includes(chosen)
      const name = isChosen ? chosen : route.choose(usable)
      if (name === undefined) return refused
      tried.add(name)
      const acquired = await this.#acquireFrom(name, signal, sender, asking)
      if (acquired && !isAway(acquired)) return acquired
      refused = acquired ?? refused
    }
  }

  #isUsable(name: string, { relays }: Route, sender?: string): boolean {
    const { kind } = this.#gate.look(name, sender)
    if (kind !== 'free') return kind === 'due'
    return this.#sinceFailureMs(name) >= this.#passOverMs && !(relays.length > 1 && this.#asked.has(name))
  }

  /** From the relay that was found away the longest ago; undefined when all are shut. */
  async #acquireAfterRest(
    { relays }: Route,
    signal: AbortSignal,
    sender: string | undefined,
    asking: Asking,
  ): Promise<Acquired | undefined> {
    const resting = relays.filter((each) => this.#gate.look(each, sender).kind !== 'shut')
    const [name] = resting.toSorted((a, b) => this.#sinceFailureMs(b) - this.#sinceFailureMs(a))
    if (name === undefined) return undefined
    await this.#sleep(this.#restMs - this.#sinceFailureMs(name), signal)
    return this.#acquireFrom(name, signal, sender, asking)
  }

  /** Undefined when its circuit is not to be passed after all. */
  async #acquireFrom(
    name: string,
    signal: AbortSignal,
    sender?: string,
    { lane, message }: Asking = {},
  ): Promise<Acquired | undefined> {
    const { kind } = this.#gate.look(name, sender)
    const probe = kind === 'due' ? await this.#gate.probe(name, sender) : undefined
    if (kind === 'shut' || (kind === 'due' && probe === undefined)) return undefined
    if (this.#failedAt.has(name)) this.#asked.add(name)
    const acquired = await this.#poolOf(name).acquire(signal, lane, message)
    this.#asked.delete(name)
    if ('lease' in acquired) return { kind: 'lease', lease: this.#watched(acquired.lease, probe) }
    this.#report(name, acquired.refusal, probe)
    return { kind: 'refused', relay: name, exchange: acquired.refusal }
  }

  #poolOf(name: string): Pool {
    const pool = this.#pools.get(name)
    if (pool === undefined) throw new TypeError(`there is no relay ${name}`)
    return pool
  }

  /** A lease whose exchange is reported. */
  #watched(lease: Lease, probe: string | undefined): Lease {
    const { relay } = lease
    return {
      relay,
      transmit: async (transmission, options) => {
        const exchange = await lease.transmit(transmission, options)
        // The relay may have the message: nothing that goes wrong from here on may cost the exchange.
        try {
          this.#report(relay, exchange, probe, transmission)
        } catch (error) {
          this.#failed(error)
        }
        return exchange
      },
      release: () => {
        lease.release()
        if (probe !== undefined) this.#gate.report(relay, { verdict: 'none', probe })
      },
    }
  }

  #report(relay: string, exchange: Exchange, probe: string | undefined, message?: Transmission): void {
    // What was accepted is one message's alone.
    if (exchange.kind !== 'accepted') {
      if (probe === undefined && this.#reported.has(exchange)) return
      this.#reported.add(exchange)
    }
    const isProbe = probe !== undefined
    // Of what was accepted nothing more need be known.
    const canSlowDown = exchange.kind !== 'accepted' && this.#canSlowDown(relay)
    const asked = { isProbe, canSlowDown, slower: this.#slower(relay) }
    this.#gate.report(relay, {
      ...this.#weighed(relay, blame(exchange, asked), isProbe, message),
      ...(message === undefined ? {} : { sender: message.from }),
      ...(probe === undefined ? {} : { probe }),
    })
  }

  /** A fault that may be one recipient's alone says nothing of the relay until it has come again and again. */
  #weighed(
    relay: string,
    { isDoubtful, words, ...said }: Blame,
    isProbe: boolean,
    message: Transmission | undefined,
  ): Report {
    const sender = message === undefined ? '' : `${relay} ${message.from}`
    if (said.verdict === 'ok') for (const key of [relay, sender]) this.#suspicion.clear(key)
    const report = words ? { ...said, reply: quoted(words, message?.to) } : said
    if (!isDoubtful) return report
    if (this.#suspicion.isConfirmed(said.fault === 'sender' ? sender : relay))
      return { ...report, isConfirmed: true }
    return isProbe ? report : { ...report, verdict: 'none' }
  }

  #isEveryRelayShut(): boolean {
    return [...this.#pools.keys()].every((name) => this.#gate.look(name).kind === 'shut')
  }

  /** Until the first of them may be tried, and then in turn. */
  #shut({ relays }: Route, sender?: string): Shut {
    const looks = relays.map((relay) => ({ relay, ...this.#gate.look(relay, sender) }))
    const [first] = looks.toSorted((a, b) => a.waitMs - b.waitMs)
    if (first === undefined) throw new TypeError('a route has at least one relay')
    const { relay, waitMs } = first
    const why = first.kind === 'shut' ? first.why : 'circuit'
    const key = why === 'sender' ? `${relay} ${sender}` : relay
    const leastMs = why === 'sender' ? waitMs : Math.min(waitMs, LONGEST_SHUT_MS)
    const said = 'said' in first ? { said: first.said } : {}
    return { kind: 'shut', relay, why, waitMs: this.#returns.after(key, leastMs), ...said }
  }

  #stopped({ relays: [relay = ''] }: Route): Acquired {
    return { kind: 'refused', relay, exchange: { kind: 'stopped', answer: 'closing' } }
  }

  /** False when nobody waits any longer. */
  async #sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    using linked = linkSignals(signal, this.#closing.signal)
    if (ms > 0) await this.#clock.sleep(ms, linked.signal)
    return !linked.signal.aborted
  }

  #sinceFailureMs(name: string): number {
    return this.#clock.monotonicMs() - (this.#failedAt.get(name) ?? Number.NEGATIVE_INFINITY)
  }
}

function isAway(acquired: Acquired): boolean {
  return acquired.kind === 'refused' && acquired.exchange.kind === 'broken'
}

/** What the relay said, for people to read; it stays in Redis, so that it names no recipient. */
function quoted(words: string, recipient: string | undefined): string {
  const masked = recipient === undefined ? maskAddresses(words) : maskRecipient(words, recipient)
  return masked.slice(0, LONGEST_REPLY)
}
