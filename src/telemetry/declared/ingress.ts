// SMTP submission.

import type { Declaration } from './declaration.js'

export const ingressMetrics = {
  fluxmail_ingress_messages_total: {
    type: 'counter',
    help: 'Messages handed in by SMTP, by what they came to: accepted, deferred (4yz), refused (5yz), aborted',
    labels: ['result'],
  },
  fluxmail_ingress_connections_open: {
    type: 'gauge',
    help: 'SMTP connections of clients that are open',
    labels: [],
  },
  fluxmail_ingress_connections_refused_total: {
    type: 'counter',
    help: 'SMTP connections of clients that were turned away: too many at once (limit), mail without a login (no_login), or without STARTTLS (no_tls), a TLS handshake that came to nothing (handshake)',
    labels: ['reason'],
  },
  fluxmail_ingress_redis_up: {
    type: 'gauge',
    help: 'Whether the ingress reaches Redis: 1, or 0 while clients are told to try again',
    labels: [],
  },
  fluxmail_ingress_logins_failed_total: {
    type: 'counter',
    help: 'Logins that failed: wrong, locked out, or too many at once (busy)',
    labels: ['reason'],
  },
} as const satisfies Record<string, Declaration>
