// Where attempts end and how: a relay, a lane, a provider and an outcome. Of each such place the series of a metric is
// found once, by those of the four that are its labels. All four are closed or configured sets.

import type { OutcomeKind } from '../delivery/outcome.js'
import { metricDeclarations } from './metric-table.js'
import type { MetricName, Metrics, Series } from './metrics.js'

export interface PlaceLabels {
  readonly relay: string
  readonly lane: string
  readonly provider: string
  readonly outcome: OutcomeKind
}

export interface Place {
  readonly labels: PlaceLabels
  /** Writes to the series that a metric has here. */
  write(name: MetricName, value: number): void
}

export type Places = (relay: string, lane: string, provider: string, outcome: OutcomeKind) => Place

/** `metrics` is asked for when a place is written to, since they may be made later. */
export function createPlaces(metrics: () => Metrics): Places {
  const places = new Map<string, Place>()
  return (relay, lane, provider, outcome) => {
    const key = `${relay} ${lane} ${provider} ${outcome}`
    const known = places.get(key)
    if (known) return known
    const place = createPlace({ relay, lane, provider, outcome }, metrics)
    places.set(key, place)
    return place
  }
}

function createPlace(labels: PlaceLabels, metrics: () => Metrics): Place {
  const known = new Map<MetricName, Series>()
  return {
    labels,
    write(name, value) {
      let series = known.get(name)
      if (series === undefined) {
        series = metrics().series(name, labelsOf(name, labels))
        known.set(name, series)
      }
      series(value)
    },
  }
}

function labelsOf(name: MetricName, labels: PlaceLabels): Readonly<Record<string, string>> {
  const given: Readonly<Record<string, string>> = { ...labels }
  return Object.fromEntries(metricDeclarations[name].labels.map((label) => [label, given[label] ?? '']))
}
