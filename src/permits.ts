// Leave to use a relay, for a worker: a connection of the route, past the circuits that all workers share, and then
// the worker's own pace. It is the one place where connections, circuits and pace meet; it holds no rule itself.

import type { Clock } from './clock.js'
import type { WorkerConfig } from './config.js'
import type { Grant, Permission } from './delivery/delivery.js'
import { createPace } from './delivery/permit.js'
import type { Keys, Redis } from './redis.js'
import { createRelays, type Lease } from './smtp/relays.js'
import { createCircuits } from './store/circuits.js'
import { circuitEvents, measureCircuits } from './telemetry/circuit-report.js'
import type { Logger } from './telemetry/log.js'
import type { Metrics } from './telemetry/metrics.js'

export interface Permits {
  /** Looks at the circuits from now on. */
  start(): Promise<void>
  /** Waits for a connection to a relay of the route, and then for the permit to use it. */
  permit(route: string | undefined, signal: AbortSignal, sender: string): Promise<Permission>
  /** Sets the gauges, at each scrape. */
  measure(metrics: Metrics): void
  /** Gives no more permits; what is on the wire goes on. */
  stop(): void
  /** Hangs up once what is on the wire is done. */
  close(): void
  /** Hangs up at once. */
  drop(): void
}

/** Each is told of once. */
const MOST_MISSING = 100

export interface PermitsOptions {
  readonly config: WorkerConfig
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly logger: Logger
  /** Asked for at each use. */
  metrics(): Metrics
  failed(error: unknown): void
}

export function createPermits(options: PermitsOptions): Permits {
  const { config, redis, keys, clock, logger, metrics, failed } = options
  const names = Object.keys(config.relays)
  const circuits = createCircuits(redis, keys, names, clock, circuitEvents(metrics, logger, failed))
  const events = {
    opened: (relay: string) => metrics().count('fluxmail_smtp_connections_opened_total', { relay }),
    closed: () => undefined,
  }
  const relays = createRelays(config.relays, config.routes, clock, events, { circuits, failed })
  const pace = createPace(config.maxPerWorkerPerSecond)
  const missing = new Set<string>()
  const warnOfMissing = (route: string) => {
    if (missing.has(route) || missing.size >= MOST_MISSING) return
    missing.add(route)
    logger.warn({ route }, 'mail waits for a route that this worker does not have; name it under routes')
  }
  return {
    start: () => circuits.start(),
    // The connection first and the permit right before the wire, so that no permit grows old over a connection.
    async permit(route, signal, sender) {
      const acquired = await relays.acquire(route, signal, sender)
      if (acquired.kind === 'missing') warnOfMissing(acquired.route)
      if (acquired.kind !== 'lease') return acquired
      const { lease } = acquired
      if (await pace.take(signal)) return { kind: 'granted', grant: timed(lease, clock, metrics()) }
      lease.release()
      return { kind: 'closing' }
    },
    measure(into) {
      for (const [relay, open] of relays.open()) into.set('fluxmail_smtp_connections_open', { relay }, open)
      measureCircuits(names, circuits, into)
    },
    stop: () => pace.close(),
    close() {
      circuits.close()
      relays.close()
    },
    drop() {
      circuits.close()
      relays.drop()
    },
  }
}

function timed(lease: Lease, clock: Clock, metrics: Metrics): Grant {
  const { relay } = lease
  return {
    relay,
    async transmit(transmission) {
      const startedAt = clock.monotonicMs()
      const exchange = await lease.transmit(transmission)
      const seconds = (clock.monotonicMs() - startedAt) / 1000
      if (exchange.kind !== 'stopped') metrics.observe('fluxmail_smtp_duration_seconds', { relay }, seconds)
      return exchange
    },
  }
}
