// Batches: in short for the overview, and the 20 newest one by one.

import type { Row } from '../board.js'
import { failureSteps, limits } from '../limits.js'
import { chosenLane, share } from '../promql.js'

const rows = (state: string, by: string) =>
  `sum by (${by}) (max by (batch, lane, state) (fluxmail_batch_deliveries{${chosenLane}${state}}))`
const settled = rows(', state!="pending"', 'batch')
const part = (state: string) => share(rows(`, state="${state}"`, 'batch'), rows('', 'batch'))
const eta = `max by (batch) (fluxmail_batch_eta_seconds{${chosenLane}})`
const states = `max by (lane, state) (fluxmail_batches{${chosenLane}})`
const pace = `-60 * deriv(fluxmail_batch_deliveries{${chosenLane}, state="pending"}[5m])`

export const batchesInShort: Row = {
  title: 'Batches',
  panels: [
    {
      title: 'Batches that are not over',
      description:
        'Of the whole fleet, by lane and state: importing, incomplete, scheduled, running, paused, cancelled. incomplete ones have nobody who stores the rest of their rows.',
      kind: 'timeseries',
      width: 12,
      empty: 'no batch runs',
      queries: [{ expr: `${states} > 0`, legend: '{{lane}} {{state}}' }],
    },
    {
      title: 'How far the newest are',
      description:
        'Settled, of all deliveries, of the 20 newest batches that are not over. The dashboard FluxMail batches, linked above, has each of them.',
      kind: 'bargauge',
      width: 12,
      unit: 'percentunit',
      max: 1,
      color: 'blue',
      empty: 'no batch runs',
      queries: [{ expr: share(settled, rows('', 'batch')), legend: '{{batch}}' }],
    },
  ],
}

export const newestBatches: Row = {
  title: 'The 20 newest that are not over',
  panels: [
    {
      title: 'Newest batches',
      description:
        'Each with its deliveries, how far it is, what its settled ones came to, and how long it may still take. Much that failed: pause it (`fluxmail batch pause`), see `fluxmail failures`, replay once mended. It leaves this table when it is over.',
      kind: 'table',
      width: 24,
      height: 10,
      empty: 'no batch runs',
      columns: {
        batch: 'Batch',
        lane: 'Lane',
        'Value #A': 'Deliveries',
        'Value #B': 'Settled',
        'Value #C': 'Sent',
        'Value #D': 'Failed',
        'Value #E': 'Unknown',
        'Value #F': 'Time left',
        'Value #G': 'State',
      },
      exceptions: [
        { name: 'Settled', unit: 'percentunit' },
        { name: 'Sent', unit: 'percentunit' },
        { name: 'Failed', unit: 'percentunit', steps: failureSteps },
        { name: 'Unknown', steps: [[1, 'orange']] },
        { name: 'Time left', unit: 's', steps: [[limits.FluxMailBacklogEta, 'orange']] },
        { name: 'State', words: { 0: ['not paused', 'green'], 1: ['paused', 'orange'] } },
      ],
      queries: [
        { expr: rows('', 'batch, lane'), legend: 'deliveries' },
        {
          expr: share(rows(', state!="pending"', 'batch, lane'), rows('', 'batch, lane')),
          legend: 'settled',
        },
        { expr: share(rows(', state="sent"', 'batch, lane'), rows('', 'batch, lane')), legend: 'sent' },
        { expr: share(rows(', state="failed"', 'batch, lane'), rows('', 'batch, lane')), legend: 'failed' },
        { expr: rows(', state="unknown"', 'batch, lane'), legend: 'unknown' },
        { expr: `max by (batch, lane) (fluxmail_batch_eta_seconds{${chosenLane}})`, legend: 'left' },
        { expr: `max by (batch, lane) (fluxmail_batch_paused{${chosenLane}})`, legend: 'state' },
      ],
    },
    {
      title: 'Settled',
      description:
        'Of all deliveries of each batch. A line that is flat while the batch is not paused: see Why not? on the overview.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      max: 1,
      empty: 'no batch runs',
      queries: [{ expr: share(settled, rows('', 'batch')), legend: '{{batch}}' }],
    },
    {
      title: 'Settled a minute',
      description:
        'How fast each batch goes, over five minutes. Batches of a lane share what its relays take.',
      kind: 'timeseries',
      width: 12,
      empty: 'no batch runs',
      queries: [{ expr: `max by (batch) (${pace})`, legend: '{{batch}}' }],
    },
    {
      title: 'Failed, of all deliveries',
      description:
        'Of each batch, from 0 to 1. Growing from the start: a bad list or a refused sender; pause it before the relay judges you by it.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      alerts: ['FluxMailFailureRatio'],
      empty: 'no batch runs',
      queries: [{ expr: part('failed'), legend: '{{batch}}' }],
    },
    {
      title: 'Time left',
      description: 'As the own rate of each batch tells. None while it is paused or has no rate yet.',
      kind: 'timeseries',
      width: 12,
      unit: 's',
      alerts: ['FluxMailBacklogEta'],
      empty: 'no batch has a rate',
      queries: [{ expr: eta, legend: '{{batch}}' }],
    },
    {
      title: 'Paused or not',
      description:
        'Each batch over time; its line ends with it. `fluxmail batch resume` for one that is paused.',
      kind: 'state-timeline',
      width: 12,
      words: { 0: ['not paused', 'green'], 1: ['paused', 'orange'] },
      empty: 'no batch runs',
      queries: [{ expr: `max by (batch) (fluxmail_batch_paused{${chosenLane}})`, legend: '{{batch}}' }],
    },
    {
      title: 'Unknown, of all deliveries',
      description:
        'Of each batch. Sent or not, nobody knows: look for their Message-IDs in the log of the relay, then `fluxmail resolve`.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      alerts: ['FluxMailUnknownOutcomes'],
      empty: 'no batch runs',
      queries: [{ expr: part('unknown'), legend: '{{batch}}' }],
    },
  ],
}
