// What a Prometheus says to a query, as series of numbers.

export interface Sample {
  /** Seconds since 1970. */
  readonly at: number
  readonly value: number
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>
  /** One for a query of an instant. */
  readonly samples: readonly Sample[]
}

export interface Range {
  /** Seconds since 1970. */
  readonly start: number
  readonly end: number
  readonly stepSeconds: number
}

type RawSample = readonly [number, string]
interface RawSeries {
  readonly metric: Record<string, string>
  readonly value?: RawSample
  readonly values?: readonly RawSample[]
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function seriesOf(data: unknown): Series[] {
  const { resultType, result } = data as { resultType: string; result: RawSeries[] | RawSample }
  const sample = ([at, text]: RawSample): Sample => ({ at, value: numberOf(text) })
  if (resultType === 'scalar') return [{ labels: {}, samples: [sample(result as RawSample)] }]
  return (result as RawSeries[]).map(({ metric, value, values }) => ({
    labels: metric,
    samples: (values ?? (value ? [value] : [])).map(sample),
  }))
}

/** `data` of a path of its API, such as `/api/v1/rules`. Rejects with what Prometheus says is wrong, and in what. */
export async function ask(
  url: string,
  path: string,
  form?: Readonly<Record<string, string>>,
): Promise<unknown> {
  const response = await fetch(
    `${url}${path}`,
    form ? { method: 'POST', body: new URLSearchParams(form) } : {},
  )
  const answer = (await response.json()) as { status: string; data?: unknown; error?: string }
  if (answer.status !== 'success') throw new Error(`${answer.error}, in ${form?.query ?? path}`)
  return answer.data
}

/** Of this moment, or of `at` in seconds since 1970. */
export async function askInstant(url: string, query: string, at?: number): Promise<Series[]> {
  const time = at === undefined ? {} : { time: `${at}` }
  return seriesOf(await ask(url, '/api/v1/query', { query, ...time }))
}

export async function askRange(
  url: string,
  query: string,
  { start, end, stepSeconds }: Range,
): Promise<Series[]> {
  const range = { start: `${start}`, end: `${end}`, step: `${stepSeconds}` }
  return seriesOf(await ask(url, '/api/v1/query_range', { query, ...range }))
}

/** The label sets of all series that a selector chose in that time. */
export async function askSeries(
  url: string,
  selector: string,
  { start, end }: Range,
): Promise<Readonly<Record<string, string>>[]> {
  const form = { 'match[]': selector, start: `${start}`, end: `${end}` }
  return (await ask(url, '/api/v1/series', form)) as Readonly<Record<string, string>>[]
}
