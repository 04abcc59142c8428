// A histogram of several workers together, out of what they show under /metrics. Pure.

export interface Bucket {
  /** Its upper bound. */
  readonly le: number
  /** How many were at most that. */
  readonly count: number
}

const line = (name: string) => new RegExp(`^${name}_bucket\\{(?:[^}]*,)?le="([^"]+)"[^}]*\\} (\\S+)$`, 'gm')

/** All of its labels together, by upper bound; nothing where there is no such metric. */
export function histogramOf(texts: readonly string[], name: string): Bucket[] {
  const counts = new Map<number, number>()
  for (const [, bound = '', value = ''] of texts.flatMap((text) => [...text.matchAll(line(name))])) {
    const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    counts.set(le, (counts.get(le) ?? 0) + Number(value))
  }
  return [...counts].map(([le, count]) => ({ le, count })).sort((one, other) => one.le - other.le)
}

/** What has been added since. */
export function since(before: readonly Bucket[], after: readonly Bucket[]): Bucket[] {
  return after.map(({ le, count }) => ({
    le,
    count: count - (before.find((bucket) => bucket.le === le)?.count ?? 0),
  }))
}

/** The upper bound of the bucket that such a share of all stays within; NaN of nothing. */
export function boundAt(buckets: readonly Bucket[], share: number): number {
  const total = buckets.at(-1)?.count ?? 0
  if (total === 0) return Number.NaN
  return buckets.find(({ count }) => count >= share * total)?.le ?? Number.NaN
}
