// Counters that begin at 0 instead of appearing with their first event: to Prometheus that first one is an increase then.
// Only those whose labels are all known beforehand.

import type { Declaration } from './declared/declaration.js'
import { metricDeclarations } from './metric-table.js'
import type { MetricName, Metrics } from './metrics.js'

/** `known` has the values of each label that a counter may begin with. */
export function beginCounters(metrics: Metrics, known: Readonly<Record<string, readonly string[]>>): void {
  const declared = Object.entries(metricDeclarations) as [MetricName, Declaration][]
  for (const [name, { type, labels }] of declared) {
    const isKnown = type === 'counter' && labels.length > 0 && labels.every((label) => label in known)
    if (isKnown) for (const each of combined(labels, known)) metrics.count(name, each, 0)
  }
}

function combined(
  labels: readonly string[],
  known: Readonly<Record<string, readonly string[]>>,
): Record<string, string>[] {
  return labels.reduce<Record<string, string>[]>(
    (sets, label) => sets.flatMap((set) => (known[label] ?? []).map((value) => ({ ...set, [label]: value }))),
    [{}],
  )
}
