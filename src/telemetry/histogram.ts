// A histogram that is added to some ten times for each message: its series are found once and counted in plain numbers,
// where the library looks a series up by its labels at each value. What it shows is what the library would.

import { Histogram } from 'prom-client'

export type Labels = Readonly<Record<string, string>>

export interface HistogramShape {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets: readonly number[]
}

interface Shown {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

export class HistogramSeries {
  readonly #labels: Labels
  readonly #bounds: readonly number[]
  /** By bucket, each without those before it. */
  readonly #counts: number[]
  #count = 0
  #sum = 0

  constructor(labels: Labels, bounds: readonly number[]) {
    this.#labels = labels
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  /** What is no number is nothing that was measured. */
  observe(value: number): void {
    if (!Number.isFinite(value)) return
    const bucket = this.#bucketOf(value)
    if (bucket < this.#counts.length) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#count += 1
    this.#sum += value
  }

  shown(name: string): readonly Shown[] {
    let below = 0
    const buckets = this.#bounds.map((le, bucket) => {
      below += this.#counts[bucket] ?? 0
      return { metricName: `${name}_bucket`, labels: { le, ...this.#labels }, value: below }
    })
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...this.#labels }, value: this.#count },
      { metricName: `${name}_sum`, labels: this.#labels, value: this.#sum },
      { metricName: `${name}_count`, labels: this.#labels, value: this.#count },
    ]
  }

  #bucketOf(value: number): number {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1
    return bucket
  }
}

export class CountedHistogram extends Histogram {
  readonly #shape: HistogramShape
  readonly #series = new Map<string, HistogramSeries>()

  constructor(shape: HistogramShape) {
    const { name, help, labels, buckets } = shape
    super({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [] })
    this.#shape = shape
    if (labels.length === 0) this.series({})
  }

  series(labels: Labels): HistogramSeries {
    const key = this.#shape.labels.map((label) => labels[label]).join('\n')
    const known = this.#series.get(key)
    if (known) return known
    const series = new HistogramSeries({ ...labels }, this.#shape.buckets)
    this.#series.set(key, series)
    return series
  }

  /** What the library asks each metric for, whatever is shown of it. */
  async getForPromString() {
    const { name, help } = this.#shape
    const values = [...this.#series.values()].flatMap((series) => series.shown(name))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
}
