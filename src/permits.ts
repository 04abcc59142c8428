// Leave to use a relay, for a worker: a permit under the limits of the fleet, a connection of the route, past the
// circuits that all workers share, and the worker's own pace. It is where these meet; it holds no rule itself.

import type { Clock } from './clock.js'
import type { WorkerConfig } from './config.js'
import type { Delivery, Passage } from './delivery/delivery.js'
import { createPace } from './delivery/permit.js'
import type { Gate } from './limits/gate.js'
import { relayBucket } from './limits/limit.js'
import { relayLimitsOf, sharesOf } from './limits/limit-options.js'
import { allProviders } from './limits/provider-table.js'
import { createProviders } from './limits/providers.js'
import { createTuner, type Tuner } from './limits/tuner.js'
import { createDesk, type Desk, type DeskOptions, type Opening } from './permits/desk.js'
import { createSpending, type Spending } from './permits/spending.js'
import { Stock } from './permits/stock.js'
import type { Keys, Redis } from './redis.js'
import { createRelays, type GuardedRelays } from './smtp/relays.js'
import { type Circuits, createCircuits } from './store/circuits.js'
import { createLimitStates } from './store/limit-states.js'
import { createLimitStore, type LimitStore } from './store/limits.js'
import { circuitEvents, measureCircuits } from './telemetry/circuit-report.js'
import type { Logger } from './telemetry/log.js'
import { type Metrics, seriesBy } from './telemetry/metrics.js'
import { measureConnections, smtpEvents } from './telemetry/smtp-report.js'

export interface Permits {
  /** Looks at the circuits and the limits from now on. */
  start(): Promise<void>
  /** Keeps a permit for the delivery, as soon as one can be had and unless others wait in its place. */
  look(delivery: Delivery, signal: AbortSignal): Promise<Passage>
  readonly permit: Spending['permit']
  /** Whether more can pass, for those who decide what comes into the queue. Costs no call. */
  isOpen(gate: Gate, lane: string): Opening
  /** The provider of an address, as far as it is known now. */
  providerOf(address: string): string
  /** What may go now, and what the fleet spends; for the registry and the metrics. */
  readonly limits: LimitStore
  /** Connections that are open or being opened, by relay. */
  connections(): ReadonlyMap<string, number>
  /** Permits that this worker has in stock, by relay. */
  stock(): ReadonlyMap<string, number>
  /** Sets the gauges, at each scrape. */
  measure(metrics: Metrics): void
  /** Gives no more permits; what is on the wire goes on. */
  stop(): void
  /** Hangs up once what is on the wire is done, and gives back what it has of the fleet's. */
  close(): Promise<void>
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
  readonly workerId: string
  /** Asked for at each use. */
  metrics(): Metrics
  failed(error: unknown): void
}

export function createPermits(options: PermitsOptions): Permits {
  const { config, redis, keys, clock, logger, metrics, failed } = options
  const names = Object.keys(config.relays)
  const circuits = createCircuits(redis, keys, names, clock, circuitEvents(metrics, logger, failed))
  const limits = openLimits(options)
  const relays = openRelays(options, circuits, limits, (relay) => tuner.canSlowDown(relay))
  const stocks = stocksOf(options, limits)
  const providers = createProviders({ table: config.providers, mxLookup: config.mxLookup, clock })
  const desk = openDesk(options, { providers, relays, stocks })
  const pace = createPace(config.maxPerWorkerPerSecond)
  const tuner = openTuner(options, limits, relays)
  const spending = createSpending({
    clock,
    relays,
    relayNames: names,
    limits,
    desk,
    pace,
    heard: (heard) => tuner.hear(heard),
    missing: missingRoutes(logger),
    timed: seriesBy('fluxmail_smtp_duration_seconds', 'relay', metrics),
  })
  const giveBack = () => Promise.all([...stocks.values()].map((stock) => stock.stop()))

  return {
    limits,
    async start() {
      await Promise.all([circuits.start(), limits.start()])
    },
    look: (delivery, signal) => desk.look(delivery, signal),
    permit: (...asking) => spending.permit(...asking),
    providerOf: (address) => providers.of(address),
    isOpen: (gate, lane) => desk.isOpen(gate, lane),
    connections: () => relays.open(),
    stock: () => new Map([...stocks].map(([relay, { count }]) => [relay, count])),
    measure(into) {
      measureUse({ relays, stocks, limits }, into)
      measureCircuits(names, circuits, into)
    },
    stop() {
      pace.close()
      void giveBack()
    },
    async close() {
      circuits.close()
      relays.close()
      await Promise.all([giveBack(), tuner.close()])
      await limits.close()
    },
    drop() {
      circuits.close()
      relays.drop()
    },
  }
}

function measureUse(
  { relays, stocks, limits }: { relays: GuardedRelays; stocks: DeskOptions['stocks']; limits: LimitStore },
  into: Metrics,
): void {
  measureConnections(relays.states(), into)
  for (const [relay, { count }] of stocks) into.set('fluxmail_permits', { relay }, count)
  into.clear('fluxmail_smtp_connections_allowed')
  for (const relay of stocks.keys()) {
    const allowed = limits.connections(relay)
    if (allowed < Number.POSITIVE_INFINITY) into.set('fluxmail_smtp_connections_allowed', { relay }, allowed)
  }
}

function openDesk(
  { config, clock, metrics }: PermitsOptions,
  { providers, relays, stocks }: Pick<DeskOptions, 'providers' | 'stocks'> & { relays: GuardedRelays },
): Desk {
  return createDesk({
    clock,
    providers,
    stocks,
    choice: (route) => relays.choice(route),
    isOneRoute: isOneRoute(config),
    concurrency: config.concurrency,
    waited(relay, provider, lane, ms) {
      metrics().count('fluxmail_throttled_seconds_total', { relay, provider, lane }, ms / 1000)
      metrics().observe('fluxmail_permit_wait_seconds', { relay, lane }, ms / 1000)
    },
  })
}

function openTuner(
  { config, redis, keys, clock, logger, metrics }: PermitsOptions,
  limits: LimitStore,
  relays: Pick<GuardedRelays, 'open'>,
): Tuner {
  const states = createLimitStates(redis, keys)
  const replies = Object.entries(config.relays).map(([name, relay]) => [name, relay.slowerReplies] as const)
  return createTuner({
    limits,
    clock,
    slowerReplies: Object.fromEntries(replies),
    async connections(relay) {
      const reading = await states.read(relay)
      const told = Object.values(reading?.connections ?? {}).reduce((sum, count) => sum + count, 0)
      return Math.max(told, relays.open().get(relay) ?? 0)
    },
    cut(relay, bucket, reply) {
      const provider = bucket === relayBucket ? allProviders : bucket
      metrics().count('fluxmail_slowed_total', { relay, provider })
      logger.info({ relay, provider, reply }, 'sending slower')
    },
  })
}

function openLimits({ config, redis, keys, clock, workerId, failed }: PermitsOptions): LimitStore {
  const each = Object.entries(config.relays).map(([name, relay]) => [name, relayLimitsOf(relay)] as const)
  const relays = Object.fromEntries(each)
  return createLimitStore({ redis, keys, clock, workerId, relays, shares: sharesOf(config), failed })
}

function openRelays(
  { config, clock, logger, metrics, failed }: PermitsOptions,
  circuits: Circuits,
  limits: LimitStore,
  canSlowDown: (relay: string) => boolean,
): GuardedRelays {
  const connections = {
    allowed: (relay: string) => limits.connections(relay),
    want: (relay: string, ...counts: readonly [have: number, want: number, idle: number]) =>
      limits.wantConnections(relay, ...counts),
  }
  const guards = { circuits, failed, connections, canSlowDown, shares: sharesOf(config) }
  const warned = (relay: string, problem: string) => logger.warn({ relay }, problem)
  const events = { ...smtpEvents(metrics), warned }
  const relays = createRelays(config.relays, config.routes, clock, events, guards)
  limits.onConnections((relay) => relays.attend(relay))
  return relays
}

function stocksOf({ config, clock }: PermitsOptions, limits: LimitStore): ReadonlyMap<string, Stock> {
  const { relays, maxPerWorkerPerSecond: ownPerSecond } = config
  return new Map(
    Object.keys(relays).map((relay) => [relay, new Stock({ relay, limits, clock, ownPerSecond })]),
  )
}

/** Whether every route goes through all relays. */
function isOneRoute({ relays, routes }: WorkerConfig): boolean {
  const count = Object.keys(relays).length
  return Object.values(routes).every((route) => {
    const named = route.map((each) => (typeof each === 'string' ? each : each.relay))
    return new Set(named).size === count
  })
}

function missingRoutes(logger: Logger): (route: string) => void {
  const missing = new Set<string>()
  return (route) => {
    if (missing.has(route) || missing.size >= MOST_MISSING) return
    missing.add(route)
    logger.warn({ route }, 'mail waits for a route that this worker does not have; name it under routes')
  }
}
