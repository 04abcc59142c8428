// One number for a series, by the names that Grafana has for that.

import type { Series } from './ask.js'

type Reduce = (values: readonly number[]) => number | undefined

const sum: Reduce = (values) => values.reduce((total, value) => total + value, 0)

const reductions: Readonly<Record<string, Reduce>> = {
  last: (values) => values.at(-1),
  lastNotNull: (values) => values.filter((value) => !Number.isNaN(value)).at(-1),
  first: (values) => values[0],
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  mean: (values) => (sum(values) ?? 0) / values.length,
  sum,
}

/** Undefined for a series without a number. @throws RangeError for a calculation that is not in the table */
export function reduce(series: Series, calculation = 'lastNotNull'): number | undefined {
  const how = reductions[calculation]
  if (how === undefined) throw new RangeError(`the calculation ${calculation} is not known to the drawing`)
  const values = series.samples.map(({ value }) => value)
  if (calculation === 'last') return how(values)
  const numbers = values.filter((value) => !Number.isNaN(value))
  return numbers.length === 0 ? undefined : how(numbers)
}
