// What a worker shows of its metrics, read back from Prometheus' text format.

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  readonly series: readonly Series[]
  /** All values of a name added up whose labels are these, whatever others they have; 0 where there are none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
  /** The same by the values of one label. */
  by(label: string, name: string, labels?: Readonly<Record<string, string>>): Readonly<Record<string, number>>
}

/** Reads what `expose()` of a worker or a registry gives. */
export async function expositionOf({
  metrics,
}: {
  readonly metrics: { expose(): Promise<string> }
}): Promise<Exposition> {
  const series = (await metrics.expose()).split('\n').flatMap(seriesIn)
  const found = (name: string, labels: Readonly<Record<string, string>>) =>
    series.filter(
      (each) =>
        each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value),
    )
  return {
    series,
    sum: (name, labels = {}) => found(name, labels).reduce((sum, { value }) => sum + value, 0),
    by(label, name, labels = {}) {
      const counts: Record<string, number> = {}
      for (const each of found(name, labels)) {
        const key = each.labels[label] ?? ''
        counts[key] = (counts[key] ?? 0) + each.value
      }
      return counts
    },
  }
}

function seriesIn(line: string): Series[] {
  const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === undefined) return []
  const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text])
  return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
}
