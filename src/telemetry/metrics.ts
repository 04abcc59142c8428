// The metrics of one process, as the table declares them. No address, message id or raw domain is ever a label.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Declaration } from './declared/declaration.js'
import { metricDeclarations } from './metric-table.js'

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
