// Permits of one process, and the limits of the fleet.

import { type Declaration, sameEverywhere } from './declaration.js'

export const limitMetrics = {
  fluxmail_throttled_seconds_total: {
    type: 'counter',
    help: 'Time that deliveries of this process waited in their place for a permit of the relay, by provider and lane',
    labels: ['relay', 'provider', 'lane'],
  },
  fluxmail_permit_wait_seconds: {
    type: 'histogram',
    help: 'Time that a delivery waited in its place for a permit; one that had it at once is not among them',
    labels: ['relay', 'lane'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
  },
  fluxmail_permits: {
    type: 'gauge',
    help: 'Permits that this process has in hand and has not spent',
    labels: ['relay'],
  },
  fluxmail_smtp_connections_allowed: {
    type: 'gauge',
    help: 'Connections that this process may have, as its share of those of the fleet; none without such a limit',
    labels: ['relay'],
  },
  fluxmail_slowed_total: {
    type: 'counter',
    help: 'How often a relay asked this process for less and the rate was cut, by provider, or all',
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_rate: {
    type: 'gauge',
    help: `Messages a second that may go now: as set, or configured, and as tuned; by provider, or all. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_tokens: {
    type: 'gauge',
    help: `Messages that could go at once under that limit. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_slowed: {
    type: 'gauge',
    help: `Whether that limit is lower because the relay asked for less: 1, or 0. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_limit_connections: {
    type: 'gauge',
    help: `Connections that all workers together may have. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_limit_day: {
    type: 'gauge',
    help: `Messages within 24 hours that may go now, by the limit or the warm-up. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_fleet_rate: {
    type: 'gauge',
    help: `Messages a second that all workers together send; by provider, or all. ${sameEverywhere}`,
    labels: ['relay', 'provider'],
  },
  fluxmail_fleet_connections: {
    type: 'gauge',
    help: `Connections of all workers together. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_day_messages: {
    type: 'gauge',
    help: `Messages of this hour and the 24 before it. ${sameEverywhere}`,
    labels: ['relay'],
  },
  fluxmail_warmup_step: {
    type: 'gauge',
    help: `Day of the warm-up, from 1; more than it has days once it is over. ${sameEverywhere}`,
    labels: ['relay'],
  },
} as const satisfies Record<string, Declaration>
