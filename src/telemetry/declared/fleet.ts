// What waits, and in which batches: the same for the whole fleet.

import { type Declaration, sameEverywhere } from './declaration.js'

export const fleetMetrics = {
  fluxmail_workers: {
    type: 'gauge',
    help: `Workers that are alive. ${sameEverywhere}`,
    labels: [],
  },
  fluxmail_jobs: {
    type: 'gauge',
    help: `Deliveries by what they do: waiting, packed (rows before their turn), active, delayed (put off, or set aside). ${sameEverywhere}`,
    labels: ['lane', 'state'],
  },
  fluxmail_oldest_waiting_seconds: {
    type: 'gauge',
    help: `How long the oldest delivery has been there whose turn it may be, or its batch. ${sameEverywhere}`,
    labels: ['lane'],
  },
  fluxmail_unknown: {
    type: 'gauge',
    help: `Deliveries that stand as unknown now and wait for a person, for as long as they are kept. ${sameEverywhere}`,
    labels: ['lane'],
  },
  fluxmail_batches: {
    type: 'gauge',
    help: `Batches that are not over, by state: importing (rows are still stored), incomplete (and nobody stores them), scheduled, running, paused, cancelled (and some are still to be skipped). ${sameEverywhere}`,
    labels: ['lane', 'state'],
  },
  fluxmail_batch_deliveries: {
    type: 'gauge',
    help: `Deliveries of each of the 20 newest batches that are not over: sent, failed, skipped, unknown, pending. ${sameEverywhere}`,
    labels: ['batch', 'lane', 'state'],
  },
  fluxmail_batch_eta_seconds: {
    type: 'gauge',
    help: `How long it may take until each of those batches is over, as its own rate tells; none while it has none or is paused. ${sameEverywhere}`,
    labels: ['batch', 'lane'],
  },
  fluxmail_batch_paused: {
    type: 'gauge',
    help: `Whether each of those batches is paused: 1, or 0. ${sameEverywhere}`,
    labels: ['batch', 'lane'],
  },
} as const satisfies Record<string, Declaration>
