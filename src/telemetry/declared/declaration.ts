// What is said of a metric, once: its name, help, labels and buckets.

export interface Declaration {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

/** Of a gauge that every worker reads in the same Redis. */
export const sameEverywhere = 'The same from every worker: take max, never sum'
