// What is measured of connections to relays, and of what the relays reply.
// A relay may say anything: what becomes a label is one of a few hundred values, whatever came.

import type { ConnectionStates } from '../smtp/pool.js'
import type { Answered, Phase, RelayEvents } from '../smtp/wire-events.js'
import type { Metrics, Series } from './metrics.js'

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
    wire(relay) {
      const phases = new Map<Phase, Series>()
      const replies = new Map<Answered, Map<number, Series>>()
      return {
        timed: (phase, seconds) => phaseOf(relay, phase, phases, metrics)(seconds),
        replied: (stage, code) => replyOf(relay, stage, code, replies, metrics)(1),
      }
    },
  }
}

function phaseOf(relay: string, phase: Phase, known: Map<Phase, Series>, metrics: () => Metrics): Series {
  const found = known.get(phase)
  if (found) return found
  const series = metrics().series('fluxmail_smtp_phase_seconds', { relay, phase })
  known.set(phase, series)
  return series
}

function replyOf(
  relay: string,
  stage: Answered,
  given: number,
  known: Map<Answered, Map<number, Series>>,
  metrics: () => Metrics,
): Series {
  const ofStage = known.get(stage) ?? new Map<number, Series>()
  const found = ofStage.get(given)
  if (found) return found
  const code = codeLabel(given)
  const group = code === anyOther ? anyOther : code.slice(0, 1)
  const series = metrics().series('fluxmail_smtp_replies_total', { relay, stage, class: group, code })
  known.set(stage, ofStage.set(given, series))
  return series
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
