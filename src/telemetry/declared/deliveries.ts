// What becomes of deliveries and attempts, in one process.

import type { Declaration } from './declaration.js'

const delivered = ['lane', 'relay'] as const

export const deliveryMetrics = {
  fluxmail_messages_total: {
    type: 'counter',
    help: 'Deliveries that this process settled: sent, failed, skipped and unknown together',
    labels: delivered,
  },
  fluxmail_messages_sent_total: {
    type: 'counter',
    help: 'Deliveries that a relay accepted',
    labels: delivered,
  },
  fluxmail_messages_failed_total: {
    type: 'counter',
    help: 'Deliveries that failed for good',
    labels: delivered,
  },
  fluxmail_deliveries_total: {
    type: 'counter',
    help: 'Deliveries that this process settled, by outcome: sent, failed, skipped, unknown; an answer that comes late is counted apart',
    labels: ['outcome', 'relay', 'lane', 'provider'],
  },
  fluxmail_attempts_total: {
    type: 'counter',
    help: 'Attempts by what they came to: sent, deferred, held, failed, skipped, unknown',
    labels: ['outcome', 'relay', 'lane', 'provider'],
  },
  fluxmail_failures_total: {
    type: 'counter',
    help: 'Deliveries that failed for good, by why: refused (code has the reply), expired (code has the last one), a code of ours, or other',
    labels: ['relay', 'lane', 'provider', 'reason', 'code'],
  },
  fluxmail_duplicates_prevented_total: {
    type: 'counter',
    help: 'Jobs that came back after their delivery had been sent, and were not sent again',
    labels: ['lane'],
  },
  fluxmail_resent_total: {
    type: 'counter',
    help: 'Further copies that may have been delivered, because an unknown was sent again',
    labels: ['lane'],
  },
  fluxmail_late_verdicts_total: {
    type: 'counter',
    help: 'Deliveries that were counted as unknown until the answer of the relay came: sent or failed',
    labels: ['lane', 'outcome'],
  },
  fluxmail_replayed_total: {
    type: 'counter',
    help: 'Deliveries that this process took up again because they were replayed',
    labels: ['lane'],
  },
  fluxmail_stalled_total: {
    type: 'counter',
    help: 'Deliveries that lost their worker, as this process found: it died, or stood still for longer than a lock lasts',
    labels: ['lane'],
  },
  fluxmail_queue_seconds: {
    type: 'histogram',
    help: 'Time from when a delivery was enqueued to when it was settled',
    labels: ['lane'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28800, 86400],
  },
  fluxmail_render_seconds: {
    type: 'histogram',
    help: 'Time to make the message of one recipient',
    labels: ['lane'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5],
  },
  fluxmail_deliveries_active: {
    type: 'gauge',
    help: 'Deliveries that this process has in hand',
    labels: ['lane'],
  },
  fluxmail_last_progress_timestamp_seconds: {
    type: 'gauge',
    help: 'When an attempt of this process last came to an end, whatever it came to; when it started, before that',
    labels: [],
  },
} as const satisfies Record<string, Declaration>
