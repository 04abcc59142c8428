// The wire out: connections, phases, replies, and circuits of relays.

import { closings } from '../../smtp/closing.js'
import type { Declaration } from './declaration.js'

const reasons = Object.entries(closings).map(([reason, meaning]) => `${reason} (${meaning})`)

export const smtpMetrics = {
  fluxmail_smtp_duration_seconds: {
    type: 'histogram',
    help: 'Time from asking for a connection to the reply that ended the exchange',
    labels: ['relay'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  fluxmail_smtp_phase_seconds: {
    type: 'histogram',
    help: 'Time of each phase that came to its end: connect (until the greeting), tls, auth, envelope (MAIL to the go-ahead for DATA, or to a refusal), data (to the reply to the final dot)',
    labels: ['relay', 'phase'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600],
  },
  fluxmail_smtp_replies_total: {
    type: 'counter',
    help: 'Replies of relays by class (2 to 5, or other), code (200 to 599, or other), and what they answer: greeting, hello, tls, login, mail, rcpt, data, body, or other',
    labels: ['relay', 'stage', 'class', 'code'],
  },
  fluxmail_smtp_connections: {
    type: 'gauge',
    help: 'SMTP connections by state: opening, busy, idle, leaving (they say QUIT)',
    labels: ['relay', 'state'],
  },
  fluxmail_smtp_connections_opened_total: {
    type: 'counter',
    help: 'SMTP connections that were opened',
    labels: ['relay'],
  },
  fluxmail_smtp_connections_closed_total: {
    type: 'counter',
    help: `SMTP connections that were closed, by why: ${reasons.join(', ')}`,
    labels: ['relay', 'reason'],
  },
  fluxmail_smtp_connection_messages: {
    type: 'histogram',
    help: 'Messages that had been begun on a connection when it was closed',
    labels: ['relay'],
    buckets: [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000],
  },
  fluxmail_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When a relay last accepted a message of this process',
    labels: ['relay'],
  },
  fluxmail_relay_circuit: {
    type: 'gauge',
    help: 'Circuit of a relay, shared by all workers: 0 closed, 1 half-open, 2 open',
    labels: ['relay'],
  },
  fluxmail_relay_senders_held: {
    type: 'gauge',
    help: 'Senders whose mail is held because the relay refused them, in all workers',
    labels: ['relay'],
  },
  fluxmail_relay_faults_total: {
    type: 'counter',
    help: 'Faults that this process met: connect, auth, relay, sender (refused) and policy (we are asked for less)',
    labels: ['relay', 'fault'],
  },
} as const satisfies Record<string, Declaration>
