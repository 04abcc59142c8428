// What a process exposes, series by series.

export interface Series {
  /** As it is exposed: of a histogram with `_bucket`, `_sum` or `_count`. */
  readonly sample: string
  /** As it is declared. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const line = /^(\w+)(?:\{(.*)\})? (\S+)$/
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** Every sample of a text in Prometheus' format. Rejects what is none. */
export function seriesIn(text: string): Series[] {
  const lines = text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))
  const histograms = new Set([...text.matchAll(/^# TYPE (\w+) histogram$/gm)].map(([, name = '']) => name))
  return lines.map((each) => {
    const [, sample, labels = '', value] = line.exec(each) ?? []
    if (sample === undefined || value === undefined) throw new Error(`not a sample: ${each}`)
    const base = sample.replace(/_(bucket|sum|count)$/, '')
    const pairs = [...labels.matchAll(label)].map(([, key = '', text = '']) => [key, text] as const)
    return {
      sample,
      name: histograms.has(base) ? base : sample,
      labels: Object.fromEntries(pairs),
      value: Number(value),
    }
  })
}
