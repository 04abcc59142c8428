// What is said of circuits: their metrics, and for the whole fleet one warning when a relay is given up, and one
// when it is back, by the worker that found it out. No address is named.

import type { Fault } from '../delivery/outcome.js'
import type { CircuitEvents, Circuits } from '../store/circuits.js'
import type { Logger } from './log.js'
import { maskAddresses } from './mask.js'
import type { Metrics } from './metrics.js'

const levels = { closed: 0, half: 1, open: 2 } as const

/** What whoever reads the line is to do. */
const advice: Readonly<Record<Fault, string>> = {
  auth: 'set its username and password (or auth) right in the configuration, and restart the workers',
  connect: 'see that its host and port are right, that it runs, and that nothing between blocks them',
  relay: 'see that it serves this machine and this account: TLS, relaying, quota; its operator knows',
  sender: 'see that its account may send as these senders; fluxmail status --relays names them',
  policy: 'send less, or mend what it says of our address, name or content; its operator knows',
}

export const faults = Object.keys(advice)

/** Sets the gauges, at each scrape. */
export function measureCircuits(relays: Iterable<string>, circuits: Circuits, metrics: Metrics): void {
  for (const relay of relays) {
    const { state } = circuits.circuit(relay)
    metrics.set('fluxmail_relay_circuit', { relay }, levels[state])
    metrics.set('fluxmail_relay_senders_held', { relay }, circuits.sendersHeld(relay))
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
    changed(relay, { state, fault, reply }, isOurs) {
      // From half-open it closes by itself, when its time is over.
      if (state === 'closed') return
      const isOpen = state === 'open'
      const why = isOpen && fault ? { ...said(reply), todo: advice[fault] } : {}
      const fields = { relay, circuit: isOpen ? state : 'half-open', ...(fault ? { fault } : {}), ...why }
      const line = isOpen ? 'a relay is not used for now, and its mail waits' : 'a relay is used again'
      if (isOurs) logger.warn(fields, line)
      else logger.info(fields, line)
    },
    held(relay, sender, { reply }) {
      const fields = { relay, sender: maskAddresses(sender), ...said(reply) }
      logger.warn(fields, 'a relay refuses a sender, whose mail waits')
    },
    alone(relay, reply) {
      const todo = 'give this worker the username and password (or auth) that the others have'
      logger.warn(
        { relay, fault: 'auth', ...said(reply), todo },
        'a relay takes the login of other workers only',
      )
    },
  }
}

function said(reply: string | undefined): { readonly reply?: string } {
  return reply === undefined ? {} : { reply }
}
