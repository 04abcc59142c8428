// Pieces of queries that panels share. What is the same from every worker is taken by max, never summed up.

/** Of a counter with these labels, as chosen above the dashboard. */
export const chosen = 'lane=~"$lane", relay=~"$relay", instance=~"$instance"'
export const chosenLane = 'lane=~"$lane"'
export const chosenRelay = 'relay=~"$relay"'
export const laneHere = 'lane=~"$lane", instance=~"$instance"'
export const relayHere = 'relay=~"$relay", instance=~"$instance"'
export const here = 'instance=~"$instance"'

/** A second, summed up over processes. */
export function perSecond(metric: string, selector: string, by = ''): string {
  return `sum ${by ? `by (${by}) ` : ''}(rate(${metric}{${selector}}[$__rate_interval]))`
}

/** The part of a whole, from 0 to 1; nothing where the whole is 0. */
export function share(part: string, whole: string, match = ''): string {
  return `${part} / ${match ? `${match} ` : ''}(${whole} > 0)`
}

/** Of a rate by these labels, only the series that had anything in the time shown. */
export function seen(metric: string, selector: string, by: string, rate: string): string {
  return `${rate} and sum by (${by}) (increase(${metric}{${selector}}[$__range])) > 0`
}

/** Of a histogram. */
export function quantile(part: number, metric: string, selector: string, by = ''): string {
  const labels = by ? `le, ${by}` : 'le'
  return `histogram_quantile(${part}, ${perSecond(`${metric}_bucket`, selector, labels)})`
}

/** Of a process of ours alone, whatever else is scraped. */
export function ours(expr: string, role = ''): string {
  return `${expr} * on (job, instance) group_left () fluxmail_build_info{${role ? `role="${role}"` : ''}}`
}
