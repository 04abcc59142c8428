// What is measured of connections to relays, and of what the relays reply.
// A relay may say anything: what becomes a label is one of a few hundred values, whatever came.

import type { ConnectionStates } from '../smtp/pool.js'
import type { RelayEvents } from '../smtp/wire-events.js'
import type { Metrics } from './metrics.js'

/** Codes that a reply can have (RFC 5321, 4.2.1), without the first class, which SMTP does not use. */
const LEAST_CODE = 200
const MOST_CODE = 599
const anyOther = 'other'

/** `metrics` is asked for at each event, since they may be made later than the connections. */
export function smtpEvents(metrics: () => Metrics): RelayEvents {
  return {
    opened: (relay) => metrics().count('fluxmail_smtp_connections_opened_total', { relay }),
    closed(relay, reason, messages) {
      metrics().count('fluxmail_smtp_connections_closed_total', { relay, reason })
      metrics().observe('fluxmail_smtp_connection_messages', { relay }, messages)
    },
    wire: (relay) => ({
      timed: (phase, seconds) => metrics().observe('fluxmail_smtp_phase_seconds', { relay, phase }, seconds),
      replied(stage, given) {
        const code = codeLabel(given)
        const group = code === anyOther ? anyOther : code.slice(0, 1)
        metrics().count('fluxmail_smtp_replies_total', { relay, stage, class: group, code })
      },
    }),
  }
}

/** The code of a reply as a label: itself, or `other` for what is none. */
export function codeLabel(code: number): string {
  const isCode = Number.isInteger(code) && code >= LEAST_CODE && code <= MOST_CODE
  return isCode ? String(code) : anyOther
}

/** Sets the gauge, at each scrape. */
export function measureConnections(states: ReadonlyMap<string, ConnectionStates>, metrics: Metrics): void {
  for (const [relay, counts] of states)
    for (const [state, count] of Object.entries(counts))
      metrics.set('fluxmail_smtp_connections', { relay, state }, count)
}
