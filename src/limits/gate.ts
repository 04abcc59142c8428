// What deliveries that wait for the same permits have in common: their provider and their route.
// A job is named after its gate, so that those behind one that is shut can be told from the others without being read.

/** What a delivery without a route goes by. */
export const defaultRoute = 'default'

/** Deliveries to one provider by one route; without a provider, all of the route. */
export interface Gate {
  readonly provider?: string | undefined
  /** Default: `default`. */
  readonly route?: string | undefined
}

/** The name of a job that has to pass this gate. */
export function gateName({ provider = '*', route = defaultRoute }: Gate): string {
  return `${provider}/${route}`
}
