// The relays of a worker by name, and the routes that choose among them.
// A route is tried in its order: a relay that could be reached last time goes before one that could not.

import type { Clock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Exchange, Transmission } from '../delivery/delivery.js'
import { createPool, type Pool } from './pool.js'

export interface RelayEvents {
  opened(relay: string): void
  closed(relay: string): void
}

export interface Choice {
  readonly relay: string
  /** How long it is not worth trying, since no relay of the route could be reached last time. */
  readonly waitMs: number
}

export interface Relays {
  /** The relay that a message of this route should use, and when; undefined when there is no such route. */
  choose(route: string | undefined): Choice | undefined
  transmit(transmission: Transmission): Promise<Exchange>
  /** Connections that are open or being opened, by relay. */
  open(): ReadonlyMap<string, number>
  close(): void
}

const DEFAULT_ROUTE = 'default'
/** How long a relay that could not be reached is passed over where its route has another. */
const PASS_OVER_MS = 30_000
/** How long it is left alone where its route has no other. */
const REST_MS = 5_000

export function createRelays(
  configs: Readonly<Record<string, RelayConfig>>,
  routes: Readonly<Record<string, readonly string[]>>,
  clock: Clock,
  events: RelayEvents,
): Relays {
  const pools = new Map<string, Pool>()
  const failedAt = new Map<string, number>()
  for (const [name, config] of Object.entries(configs)) {
    pools.set(
      name,
      createPool(config, clock, { opened: () => events.opened(name), closed: () => events.closed(name) }),
    )
  }
  const sinceFailureMs = (name: string) =>
    clock.monotonicMs() - (failedAt.get(name) ?? Number.NEGATIVE_INFINITY)

  return {
    choose(route = DEFAULT_ROUTE) {
      const names = routes[route] ?? (route === DEFAULT_ROUTE ? [...pools.keys()] : undefined)
      if (names === undefined) return undefined
      const up = names.find((name) => sinceFailureMs(name) >= PASS_OVER_MS)
      if (up !== undefined) return { relay: up, waitMs: 0 }
      const waits = names.map((relay) => ({ relay, waitMs: Math.max(0, REST_MS - sinceFailureMs(relay)) }))
      return waits.sort((a, b) => a.waitMs - b.waitMs)[0]
    },
    async transmit(transmission) {
      const pool = pools.get(transmission.relay)
      if (pool === undefined) throw new TypeError(`there is no relay ${transmission.relay}`)
      const exchange = await pool.transmit(transmission)
      if (exchange.kind === 'broken' && exchange.phase === 'connect') {
        failedAt.set(transmission.relay, clock.monotonicMs())
      }
      return exchange
    },
    open: () => new Map([...pools].map(([name, pool]) => [name, pool.open])),
    close() {
      for (const pool of pools.values()) pool.close()
    },
  }
}
