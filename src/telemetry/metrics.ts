// The metrics: every one declared once, with name, help, labels and buckets. The README's table is written from it.
// No address, message id or raw domain is ever a label.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'

interface Declaration {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

const delivered = ['lane', 'relay'] as const

const sameEverywhere = 'The same from every worker: take max, never sum'

/** Every metric of a worker. */
export const metricDeclarations = {
  fluxmail_messages_total: {
    type: 'counter',
    help: 'Deliveries that this process settled: sent, failed, skipped and unknown together',
    labels: delivered,
  },
  fluxmail_messages_sent_total: {
    type: 'counter',
    help: 'Deliveries that a relay accepted',
    labels: delivered,
  },
  fluxmail_messages_failed_total: {
    type: 'counter',
    help: 'Deliveries that failed for good',
    labels: delivered,
  },
  fluxmail_attempts_total: {
    type: 'counter',
    help: 'Attempts by what they came to: sent, deferred, held, failed, skipped, unknown',
    labels: ['lane', 'outcome'],
  },
  fluxmail_duplicates_prevented_total: {
    type: 'counter',
    help: 'Jobs that came back after their delivery had been sent, and were not sent again',
    labels: ['lane'],
  },
  fluxmail_resent_total: {
    type: 'counter',
    help: 'Further copies that may have been delivered, because an unknown was sent again',
    labels: ['lane'],
  },
  fluxmail_late_verdicts_total: {
    type: 'counter',
    help: 'Deliveries that were counted as unknown until the answer of the relay came: sent or failed',
    labels: ['lane', 'outcome'],
  },
  fluxmail_smtp_duration_seconds: {
    type: 'histogram',
    help: 'Time from asking for a connection to the reply that ended the exchange',
    labels: ['relay'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  fluxmail_queue_seconds: {
    type: 'histogram',
    help: 'Time from when a delivery was enqueued to when it was settled',
    labels: ['lane'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28800, 86400],
  },
  fluxmail_smtp_connections_open: {
    type: 'gauge',
    help: 'SMTP connections that are open or being opened',
    labels: ['relay'],
  },
  fluxmail_smtp_connections_opened_total: {
    type: 'counter',
    help: 'SMTP connections that were opened',
    labels: ['relay'],
  },
  fluxmail_relay_circuit: {
    type: 'gauge',
    help: 'Circuit of a relay, shared by all workers: 0 closed, 1 half-open, 2 open',
    labels: ['relay'],
  },
  fluxmail_relay_senders_held: {
    type: 'gauge',
    help: 'Senders whose mail is held because the relay refused them, in all workers',
    labels: ['relay'],
  },
  fluxmail_relay_faults_total: {
    type: 'counter',
    help: 'Faults that this process met: connect, auth, relay, sender (refused) and policy (we are asked for less)',
    labels: ['relay', 'fault'],
  },
  fluxmail_throttled_seconds_total: {
    type: 'counter',
    help: 'Time that deliveries of this process waited in their place for a permit of the relay, by provider and lane',
    labels: ['relay', 'provider', 'lane'],
  },
  fluxmail_permit_wait_seconds: {
    type: 'histogram',
    help: 'Time that a delivery waited in its place for a permit; one that had it at once is not among them',
    labels: ['relay', 'lane'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
  },
  fluxmail_permits: {
    type: 'gauge',
    help: 'Permits that this process has in hand and has not spent',
    labels: ['relay'],
  },
  fluxmail_smtp_connections_allowed: {
    type: 'gauge',
    help: 'Connections that this process may have, as its share of those of the fleet; none without such a limit',
    labels: ['relay'],
  },
  fluxmail_slowed_total: {
    type: 'counter',
    help: 'How often a relay asked this process for less and the rate was cut, by provider, or all',
    labels: ['relay', 'provider'],
  },
  fluxmail_workers: {
    type: 'gauge',
    help: `Workers that are alive. ${sameEverywhere}`,
    labels: [],
  },
  fluxmail_jobs: {
    type: 'gauge',
    help: `Deliveries by what they do: waiting, packed (rows before their turn), active, delayed (put off, or set aside). ${sameEverywhere}`,
    labels: ['lane', 'state'],
  },
  fluxmail_oldest_waiting_seconds: {
    type: 'gauge',
    help: `How long the oldest delivery has been there whose turn it may be, or its batch. ${sameEverywhere}`,
    labels: ['lane'],
  },
  fluxmail_limit_rate: {
    type: 'gauge',
    help: `Messages a second that may go now: as set, or configured, and as tuned; by provider, or all. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_tokens: {
    type: 'gauge',
    help: `Messages that could go at once under that limit. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_slowed: {
    type: 'gauge',
    help: `Whether that limit is lower because the relay asked for less: 1, or 0. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_connections: {
    type: 'gauge',
    help: `Connections that all workers together may have. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_limit_day: {
    type: 'gauge',
    help: `Messages within 24 hours that may go now, by the limit or the warm-up. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_fleet_rate: {
    type: 'gauge',
    help: `Messages a second that all workers together send; by provider, or all. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_fleet_connections: {
    type: 'gauge',
    help: `Connections of all workers together. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_day_messages: {
    type: 'gauge',
    help: `Messages of this hour and the 24 before it. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_warmup_step: {
    type: 'gauge',
    help: `Day of the warm-up, from 1; more than it has days once it is over. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_ingress_messages_total: {
    type: 'counter',
    help: 'Messages handed in by SMTP, by what they came to: accepted, deferred (4yz), refused (5yz), aborted',
    labels: ['result'],
  },
  fluxmail_ingress_connections_open: {
    type: 'gauge',
    help: 'SMTP connections of clients that are open',
    labels: [],
  },
  fluxmail_ingress_connections_refused_total: {
    type: 'counter',
    help: 'SMTP connections of clients that were turned away: too many at once (limit), mail without a login (no_login), or without STARTTLS (no_tls), a TLS handshake that came to nothing (handshake)',
    labels: ['reason'],
  },
  fluxmail_ingress_redis_up: {
    type: 'gauge',
    help: 'Whether the ingress reaches Redis: 1, or 0 while clients are told to try again',
    labels: [],
  },
  fluxmail_ingress_logins_failed_total: {
    type: 'counter',
    help: 'Logins that failed: wrong, locked out, or too many at once (busy)',
    labels: ['reason'],
  },
} as const satisfies Record<string, Declaration>

export type MetricName = keyof typeof metricDeclarations
type Labels = Readonly<Record<string, string>>

export interface Metrics {
  /** Adds to a counter. */
  count(name: MetricName, labels: Labels, by?: number): void
  /** Adds a value to a histogram. */
  observe(name: MetricName, labels: Labels, value: number): void
  /** Sets a gauge. */
  set(name: MetricName, labels: Labels, value: number): void
  /** Takes all values of a gauge away: what nobody measures now has none. */
  clear(name: MetricName): void
  /** Everything in Prometheus' text format. */
  expose(): Promise<string>
  readonly contentType: string
}

/** Builds a registry of its own, so that two workers in one process do not mix. `onScrape` runs before each exposure. */
export function createMetrics(
  onScrape: (metrics: Metrics) => void | Promise<void> = () => undefined,
): Metrics {
  const registry = new Registry()
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  for (const [name, declaration] of Object.entries(metricDeclarations) as [string, Declaration][]) {
    const shape = { name, help: declaration.help, labelNames: [...declaration.labels], registers: [registry] }
    if (declaration.type === 'counter') counters.set(name, new Counter(shape))
    else if (declaration.type === 'gauge') gauges.set(name, unsetGauge(shape))
    else histograms.set(name, new Histogram({ ...shape, buckets: [...(declaration.buckets ?? [])] }))
  }
  const metrics: Metrics = {
    count: (name, labels, by = 1) => counters.get(name)?.inc(labels, by),
    observe: (name, labels, value) => histograms.get(name)?.observe(labels, value),
    set: (name, labels, value) => gauges.get(name)?.set(labels, value),
    clear(name) {
      const gauge = gauges.get(name)
      gauge?.reset()
      if (metricDeclarations[name].labels.length === 0) gauge?.remove()
    },
    async expose() {
      await onScrape(metrics)
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
  return metrics
}

/** Without the 0 that the library begins with: what nobody measures here has no value. */
function unsetGauge(shape: ConstructorParameters<typeof Gauge>[0]): Gauge {
  const gauge = new Gauge(shape)
  if (shape.labelNames?.length === 0) gauge.remove()
  return gauge
}
