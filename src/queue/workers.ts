// `queue.workers()`: the workers that are there, as a person or a program asks for them.

import type { WorkerStatus } from '../store/workers.js'

/** One worker that is alive: it said so within the last six seconds. */
export interface WorkerView {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly since: Date
  /** By lane: deliveries settled in a second (the mean of the last ten), and when it last took one. */
  readonly lanes: readonly { readonly lane: string; readonly settling: number; readonly tookAt?: Date }[]
  readonly relays: readonly WorkerRelay[]
  /** Its own limit, all relays together; missing without one. */
  readonly maxPerSecond?: number
  /** When it last said that it is there, by Redis' clock. */
  readonly seenAt: Date
}

export interface WorkerRelay {
  readonly relay: string
  /** Connections that are open or being opened. */
  readonly connections: number
  /** Permits that it has in hand and has not spent. */
  readonly permits: number
}

export function workerView(worker: WorkerStatus): WorkerView {
  const { id, host, pid, version, startedAt, lanes, relays, rates, tookAt, perSecond, seenAt } = worker
  return {
    ...{ id, host, pid, version, since: new Date(startedAt) },
    lanes: lanes.map((lane) => ({
      lane,
      settling: rates[lane] ?? 0,
      ...(tookAt[lane] === undefined ? {} : { tookAt: new Date(tookAt[lane]) }),
    })),
    relays: relays.map((relay) => ({
      relay,
      connections: worker.connections[relay] ?? 0,
      permits: worker.permits[relay] ?? 0,
    })),
    ...(perSecond === undefined ? {} : { maxPerSecond: perSecond }),
    seenAt: new Date(seenAt),
  }
}
