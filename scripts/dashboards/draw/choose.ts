// The values that the variables of a dashboard have in a Prometheus: all, as a dashboard opens, or each by its name.

import { askSeries, type Range } from './ask.js'
import type { Dashboard, Variable } from './dashboard.js'
import { type Choice, type Chosen, fill, type Span } from './fill.js'

const labelValues = /^label_values\(\s*(?:(.+),\s*)?(\w+)\s*\)$/s

/** What a variable may be, sorted; a variable may speak of those before it. */
async function valuesOf(url: string, variable: Variable, before: Choice, span: Span): Promise<string[]> {
  const query = typeof variable.query === 'string' ? variable.query : (variable.query?.query ?? '')
  if (variable.type === 'custom') return query.split(',').map((value) => value.trim())
  const [, selector = '{__name__=~".+"}', label] = labelValues.exec(query) ?? []
  if (variable.type !== 'query' || label === undefined)
    throw new Error(`the variable ${variable.name} of type ${variable.type} is not understood: ${query}`)
  const range: Range = { start: span.start, end: span.end, stepSeconds: span.stepSeconds }
  const series = await askSeries(url, fill(selector, before, span), range)
  const values = series.map((labels) => labels[label]).filter((value) => value !== undefined && value !== '')
  return [...new Set(values as string[])].sort()
}

/** `all`: as Grafana has it where nothing is chosen. `each`: every value chosen by its name. */
export async function choose(
  url: string,
  { templating }: Pick<Dashboard, 'templating'>,
  how: 'all' | 'each',
  span: Span,
): Promise<Choice> {
  const choice: Record<string, Chosen> = {}
  for (const variable of templating.list) {
    // Where the data is, and no part of a query.
    if (variable.type === 'datasource') continue
    const values = await valuesOf(url, variable, choice, span)
    const all = how === 'all' && variable.includeAll ? variable.allValue : undefined
    choice[variable.name] = all ? { pattern: all } : variable.multi ? values : (values[0] ?? '')
  }
  return choice
}
