/** The value of a series, as a worker exposes it; undefined where there is none. */
export async function exposed(
  { metrics }: { readonly metrics: { expose(): Promise<string> } },
  series: string,
): Promise<number | undefined> {
  const line = (await metrics.expose()).split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}
