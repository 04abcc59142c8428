// The relays by name, and the routes that choose among them.
// A route is tried in its order: a relay that can be reached goes before one that could not be a moment ago.

import type { Clock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Exchange } from '../delivery/delivery.js'
import { linkSignals } from '../linked-signal.js'
import type { Lease } from './lease.js'
import { createPool, type Pool, type PoolEvents } from './pool.js'

export type { Lease } from './lease.js'

export interface RelayEvents {
  opened(relay: string): void
  closed(relay: string): void
}

export type Acquired =
  | { readonly kind: 'lease'; readonly lease: Lease }
  /** No connection can be had (`broken` in `connect`), or nobody waits any longer (`stopped`). */
  | { readonly kind: 'refused'; readonly relay: string; readonly exchange: Exchange }
  | { readonly kind: 'missing'; readonly route: string }

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

export interface RelaysOptions {
  /** How long a relay that could not be reached is left alone where its route has no other; default 5000. */
  readonly restMs?: number
}

const DEFAULT_ROUTE = 'default'
/** How long a relay that could not be reached is passed over where its route has another. */
const PASS_OVER_MS = 30_000
const REST_MS = 5_000

export function createRelays(
  configs: Readonly<Record<string, RelayConfig>>,
  routes: Readonly<Record<string, readonly string[]>>,
  clock: Clock,
  events: RelayEvents,
  { restMs = REST_MS }: RelaysOptions = {},
): Relays {
  return new RoutedRelays(configs, routes, clock, events, restMs)
}

class RoutedRelays implements Relays {
  readonly #pools = new Map<string, Pool>()
  readonly #routes: ReadonlyMap<string, readonly string[]>
  readonly #clock: Clock
  readonly #restMs: number
  readonly #failedAt = new Map<string, number>()
  readonly #closing = new AbortController()

  constructor(
    configs: Readonly<Record<string, RelayConfig>>,
    routes: Readonly<Record<string, readonly string[]>>,
    clock: Clock,
    events: RelayEvents,
    restMs: number,
  ) {
    this.#clock = clock
    this.#restMs = restMs
    for (const [name, config] of Object.entries(configs))
      this.#pools.set(name, createPool(name, config, clock, this.#eventsOf(name, events)))
    this.#routes = new Map([[DEFAULT_ROUTE, Object.keys(configs)], ...Object.entries(routes)])
  }

  async acquire(route = DEFAULT_ROUTE, signal: AbortSignal): Promise<Acquired> {
    const names = this.#routes.get(route)
    if (names === undefined) return { kind: 'missing', route }
    return (await this.#acquireFirst(names, signal)) ?? this.#acquireAfterRest(names, signal)
  }

  open(): ReadonlyMap<string, number> {
    return new Map([...this.#pools].map(([name, pool]) => [name, pool.open]))
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
      closed: () => events.closed(name),
      failed: () => void this.#failedAt.set(name, this.#clock.monotonicMs()),
    }
  }

  /** From the first relay that is there; undefined when each of them was found away a moment ago. */
  async #acquireFirst(names: readonly string[], signal: AbortSignal): Promise<Acquired | undefined> {
    const tried = new Set<string>()
    let acquired: Acquired | undefined
    while (acquired === undefined || isAway(acquired)) {
      const name = names.find((each) => !tried.has(each) && this.#sinceFailureMs(each) >= PASS_OVER_MS)
      if (name === undefined) break
      tried.add(name)
      // One message finds out whether it is back; until then the others go on with the next relay.
      if (names.length > 1 && this.#failedAt.has(name)) this.#failedAt.set(name, this.#clock.monotonicMs())
      acquired = await this.#acquireFrom(name, signal)
    }
    return acquired
  }

  /** From the relay that was found away the longest ago. */
  async #acquireAfterRest(names: readonly string[], signal: AbortSignal): Promise<Acquired> {
    const [name = ''] = names.toSorted((a, b) => this.#sinceFailureMs(b) - this.#sinceFailureMs(a))
    const waitMs = this.#restMs - this.#sinceFailureMs(name)
    if (waitMs > 0) {
      using linked = linkSignals(signal, this.#closing.signal)
      await this.#clock.sleep(waitMs, linked.signal)
    }
    return this.#acquireFrom(name, signal)
  }

  async #acquireFrom(name: string, signal: AbortSignal): Promise<Acquired> {
    const pool = this.#pools.get(name)
    if (pool === undefined) throw new TypeError(`there is no relay ${name}`)
    const acquired = await pool.acquire(signal)
    return 'lease' in acquired
      ? { kind: 'lease', ...acquired }
      : { kind: 'refused', relay: name, exchange: acquired.refusal }
  }

  #sinceFailureMs(name: string): number {
    return this.#clock.monotonicMs() - (this.#failedAt.get(name) ?? Number.NEGATIVE_INFINITY)
  }
}

function isAway(acquired: Acquired): boolean {
  return acquired.kind === 'refused' && acquired.exchange.kind === 'broken'
}
