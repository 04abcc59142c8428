// What the runs of a row come to: medians, spread, ratio and whether a target holds. Pure.

/** One measurement of one side. */
export interface Figure {
  /** Messages a second, or whatever the row compares; more is better unless the row says otherwise. */
  readonly value: number
  /** CPU of the sending process for each message. */
  readonly cpuMs?: number | undefined
  /** CPU of Redis for each message, where there is one. */
  readonly redisMs?: number | undefined
}

export interface Summary {
  readonly median: number
  readonly lowest: number
  readonly highest: number
  /** Median of the CPU for each message, where it was measured. */
  readonly cpuMs: number | undefined
  readonly redisMs: number | undefined
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function summaryOf(figures: readonly Figure[]): Summary {
  const values = figures.map(({ value }) => value)
  return {
    median: median(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
    cpuMs: medianOf(figures.map(({ cpuMs }) => cpuMs)),
    redisMs: medianOf(figures.map(({ redisMs }) => redisMs)),
  }
}

/** Undefined where none was measured. */
function medianOf(values: readonly (number | undefined)[]): number | undefined {
  const measured = values.filter((value) => value !== undefined)
  return measured.length === 0 ? undefined : median(measured)
}

/**
 * The median of the ratios of the pairs, run by run: what a machine does meanwhile meets both sides of a pair alike.
 * Where one side had fewer runs, the ratio of the medians.
 */
export function ratioOf(ours: readonly Figure[], peer: readonly Figure[]): number {
  if (ours.length !== peer.length) return summaryOf(ours).median / summaryOf(peer).median
  return median(ours.map(({ value }, run) => value / (peer[run]?.value ?? Number.NaN)))
}

/** What a value must reach; or must not go beyond; or by how much, as a share, it may be off 1 either way. */
export interface Target {
  readonly value: number
  /** Default `at least`. */
  readonly kind?: 'at least' | 'at most' | 'within'
}

/** What was not measured does not hold. */
export function holds(value: number, { value: target, kind }: Target): boolean {
  if (kind === 'within') return Math.abs(value - 1) <= target
  return kind === 'at most' ? value <= target : value >= target
}
