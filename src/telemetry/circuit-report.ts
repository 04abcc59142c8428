// What is said of circuits: their metrics, and a line when one opens or is closed again. No sender is named.

import type { CircuitEvents, Circuits } from '../store/circuits.js'
import type { Logger } from './log.js'
import type { Metrics } from './metrics.js'

const levels = { closed: 0, half: 1, open: 2 } as const

/** Sets the gauges, at each scrape. */
export function measureCircuits(relays: Iterable<string>, circuits: Circuits, metrics: Metrics): void {
  for (const relay of relays) {
    const { state, senders } = circuits.circuit(relay)
    metrics.set('fluxmail_relay_circuit', { relay }, levels[state])
    metrics.set('fluxmail_relay_senders_held', { relay }, Object.keys(senders).length)
  }
}

/** `metrics` is asked for at each fault, since they may be made later than the circuits. */
export function circuitEvents(
  metrics: () => Metrics,
  logger: Logger,
  failed: (error: unknown) => void,
): CircuitEvents {
  return {
    failed,
    faulted: (relay, fault) => metrics().count('fluxmail_relay_faults_total', { relay, fault }),
    changed(relay, { state, fault }) {
      // From half-open it closes by itself, when its time is over.
      if (state === 'closed') return
      const circuit = state === 'half' ? 'half-open' : state
      const fields = { relay, circuit, ...(fault ? { fault } : {}) }
      logger.warn(fields, state === 'open' ? 'a relay is not used for now' : 'a relay is used again')
    },
  }
}
