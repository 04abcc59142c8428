// How many connections one process may have to a relay while nobody shares the fleet's out.

interface Connections {
  readonly maxConnections?: number | undefined
  readonly maxConnectionsPerWorker: number
}

/** The smaller of the fleet's limit and one process'. */
export function connectionsOf({ maxConnections, maxConnectionsPerWorker }: Connections): number {
  return Math.min(maxConnections ?? Number.POSITIVE_INFINITY, maxConnectionsPerWorker)
}
