// The metrics of one process, as the table declares them. No address, message id or raw domain is ever a label.

import { Counter, Gauge, Registry } from 'prom-client'
import type { Declaration } from './declared/declaration.js'
import { CountedHistogram, type Labels } from './histogram.js'
import { metricDeclarations } from './metric-table.js'

export type MetricName = keyof typeof metricDeclarations

/** Adds to a counter or a histogram, or sets a gauge. */
export type Series = (value: number) => void

export interface Metrics {
  /** Adds to a counter. */
  count(name: MetricName, labels: Labels, by?: number): void
  /** Adds a value to a histogram. */
  observe(name: MetricName, labels: Labels, value: number): void
  /** Sets a gauge. */
  set(name: MetricName, labels: Labels, value: number): void
  /** One that is written to for each message: whoever keeps it need not name its labels again. */
  series(name: MetricName, labels: Labels): Series
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
  const histograms = new Map<string, CountedHistogram>()
  const pending = new Map<string, Pending>()
  for (const [name, declaration] of Object.entries(metricDeclarations) as [string, Declaration][]) {
    const shape = { name, help: declaration.help, labelNames: [...declaration.labels], registers: [registry] }
    if (declaration.type === 'counter') counters.set(name, new Counter(shape))
    else if (declaration.type === 'gauge') gauges.set(name, unsetGauge(shape))
    else {
      const histogram = new CountedHistogram({ buckets: [], ...declaration, name })
      registry.registerMetric(histogram)
      histograms.set(name, histogram)
    }
  }
  const metrics: Metrics = {
    count: (name, labels, by = 1) => counters.get(name)?.inc(labels, by),
    observe: (name, labels, value) => histograms.get(name)?.series(labels).observe(value),
    set: (name, labels, value) => gauges.get(name)?.set(labels, value),
    series(name, labels) {
      const histogram = histograms.get(name)?.series(labels)
      if (histogram) return (value) => histogram.observe(value)
      // Whoever asks for the same writes to the same: of two the older value might be handed over last.
      const key = `${name} ${metricDeclarations[name].labels.map((label) => labels[label]).join('\n')}`
      const known = pending.get(key) ?? pendingOf(counters.get(name), gauges.get(name), labels)
      pending.set(key, known)
      return known.write
    },
    clear(name) {
      const gauge = gauges.get(name)
      gauge?.reset()
      if (metricDeclarations[name].labels.length === 0) gauge?.remove()
    },
    async expose() {
      await onScrape(metrics)
      for (const { handOver } of pending.values()) handOver()
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
  return metrics
}

interface Pending {
  readonly write: Series
  /** Gives the library what was written since it was given something last. */
  readonly handOver: () => void
}

function pendingOf(counter: Counter | undefined, gauge: Gauge | undefined, labels: Labels): Pending {
  return counter ? added((sum) => counter.inc(labels, sum)) : latest((value) => gauge?.set(labels, value))
}

function added(give: (sum: number) => void): Pending {
  let sum = 0
  return {
    write(value) {
      sum += value
    },
    handOver() {
      if (sum > 0) give(sum)
      sum = 0
    },
  }
}

function latest(give: (value: number) => void): Pending {
  let value: number | undefined
  return {
    write(given) {
      value = given
    },
    handOver() {
      if (value !== undefined) give(value)
      value = undefined
    },
  }
}

/** The series of a metric by the value of its one label, each found once. */
export function seriesBy(
  name: MetricName,
  label: string,
  metrics: () => Metrics,
): (labelled: string, value: number) => void {
  const known = new Map<string, Series>()
  return (labelled, value) => {
    const series = known.get(labelled) ?? metrics().series(name, { [label]: labelled })
    if (!known.has(labelled)) known.set(labelled, series)
    series(value)
  }
}

/** Without the 0 that the library begins with: what nobody measures here has no value. */
function unsetGauge(shape: ConstructorParameters<typeof Gauge>[0]): Gauge {
  const gauge = new Gauge(shape)
  if (shape.labelNames?.length === 0) gauge.remove()
  return gauge
}
