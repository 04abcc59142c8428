// What Grafana puts in place of the variables of a query, by the rules of its data source for Prometheus.
// A variable that nobody knows is an error here, where Grafana would send it as it stands.

/** A value, several that were chosen, or a pattern that stands for all as it is. */
export type Chosen = string | readonly string[] | { readonly pattern: string }

export interface Choice {
  readonly [variable: string]: Chosen
}

export interface Span {
  /** Seconds since 1970. */
  readonly start: number
  readonly end: number
  /** Between two points of a panel. */
  readonly stepSeconds: number
  /** As the data source has it. */
  readonly scrapeSeconds: number
}

const place = /\$\{(\w+)(?::(\w+))?\}|\$(\w+)|\[\[(\w+)(?::(\w+))?\]\]/g

/** Fills in one query. */
export function fill(query: string, choice: Choice, span: Span): string {
  const own = builtIn(span)
  return query.replace(place, (all, braced, format, plain, bracketed, bracketFormat) => {
    const name: string = braced ?? plain ?? bracketed
    const value = choice[name]
    if (own[name] !== undefined) return own[name]
    if (value === undefined) throw new Error(`${all} is not a variable, in ${query}`)
    return written(value, format ?? bracketFormat, all)
  })
}

/** `$__rate_interval` spans at least four scrapes, so that a rate has two samples although one scrape failed. */
function builtIn({ start, end, stepSeconds, scrapeSeconds }: Span): Readonly<Record<string, string>> {
  const [range, rate] = [Math.round(end - start), Math.max(stepSeconds + scrapeSeconds, 4 * scrapeSeconds)]
  return {
    __interval: `${stepSeconds}s`,
    __interval_ms: `${stepSeconds * 1000}`,
    __rate_interval: `${rate}s`,
    __rate_interval_ms: `${rate * 1000}`,
    __range: `${range}s`,
    __range_s: `${range}`,
    __range_ms: `${range * 1000}`,
    __from: `${start * 1000}`,
    __to: `${end * 1000}`,
  }
}

function written(value: Chosen, format: string | undefined, where: string): string {
  if (typeof value === 'object' && 'pattern' in value) return value.pattern
  const each = typeof value === 'string' ? [value] : value
  if (format === undefined) return joined(each.map(inPromQl))
  if (format === 'regex') return joined(each.map(inRegex))
  if (format === 'pipe') return each.join('|')
  if (format === 'csv' || format === 'raw') return each.join(',')
  throw new Error(`the format of ${where} is not known here`)
}

function joined(values: readonly string[]): string {
  return values.length === 1 ? `${values[0]}` : `(${values.join('|')})`
}

const inRegex = (text: string) => text.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&')

/** Inside a string of PromQL, where a backslash is two. */
const inPromQl = (text: string) => text.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]'+?.()|]/g, '\\\\$&')

/** What Grafana takes for the step of a panel: its width in points, at least the scrape interval, rounded up. */
export function stepOf(rangeSeconds: number, points: number, scrapeSeconds: number): number {
  const least = Math.max(rangeSeconds / points, scrapeSeconds)
  return roundSteps.find((step) => step >= least) ?? Math.ceil(least / 86_400) * 86_400
}

const roundSteps = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200,
]
