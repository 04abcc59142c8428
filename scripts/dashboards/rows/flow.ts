// Is mail flowing?

import type { Row } from '../board.js'
import { limits, outcomeColors, reachedSteps, successSteps } from '../limits.js'
import { chosen, chosenLane, chosenRelay, laneHere, perSecond, quantile, share } from '../promql.js'

const settled30m = `sum(increase(fluxmail_messages_total{${chosen}}[30m]))`
const sent30m = `sum(increase(fluxmail_messages_sent_total{${chosen}}[30m]))`
const waiting = 'max by (lane) (fluxmail_jobs{lane=~"$lane", state="waiting"})'
/** As the alert has it: of batches as their own rates tell, and of single mails at the rate of the lane. */
export const backlogEta = `max by (lane) (max by (lane, batch) (fluxmail_batch_eta_seconds{${chosenLane}}) or ${waiting} / (sum by (lane) (rate(fluxmail_messages_total{${chosenLane}}[15m])) > 0))`

export const flow: Row = {
  title: 'Is mail flowing?',
  panels: [
    {
      title: 'Sent a second',
      description:
        'Mails that relays accepted, of the lanes, relays and processes chosen above. At 0 while mail waits (next to it: oldest waiting), the line below says why.',
      kind: 'stat',
      width: 4,
      unit: 'mps',
      color: 'blue',
      queries: [{ expr: perSecond('fluxmail_messages_sent_total', chosen), legend: 'sent' }],
    },
    {
      title: 'Success, 30 minutes',
      description:
        'Sent, of all that was settled in half an hour. Orange where a tenth is missing and red at half. If it falls, look at the failures by group, and run `fluxmail failures`.',
      kind: 'stat',
      width: 4,
      unit: 'percentunit',
      max: 1,
      steps: successSteps,
      empty: 'nothing settled',
      alerts: ['FluxMailFailureRatio'],
      queries: [{ expr: share(sent30m, settled30m), legend: 'success' }],
    },
    {
      title: 'Time in queue',
      description:
        'From when a mail was enqueued to when it was settled: half of them take less than p50, all but one of a hundred less than p99. A large batch makes it grow by its nature; for single mails choose their lane above.',
      kind: 'stat',
      width: 6,
      unit: 's',
      color: 'blue',
      empty: 'nothing settled',
      queries: [
        { expr: quantile(0.5, 'fluxmail_queue_seconds', laneHere), legend: 'p50' },
        { expr: quantile(0.99, 'fluxmail_queue_seconds', laneHere), legend: 'p99' },
      ],
    },
    {
      title: 'Oldest waiting',
      description:
        'How long the oldest mail has been there whose turn it may be. Mails that people wait for (transactional) turn red at 2 minutes, others orange at 5: the alerts ring if it stays so and nothing is settled.',
      kind: 'stat',
      width: 5,
      unit: 's',
      steps: [[limits.FluxMailNotDraining, 'orange']],
      exceptions: [{ name: 'transactional', steps: [[limits.FluxMailTransactionalWait, 'red']] }],
      empty: 'nothing waits',
      alerts: ['FluxMailNotDraining', 'FluxMailTransactionalWait'],
      queries: [
        { expr: `max by (lane) (fluxmail_oldest_waiting_seconds{${chosenLane}})`, legend: '{{lane}}' },
      ],
    },
    {
      title: 'Time until empty',
      description:
        'How long it takes to send what waits, at the rate of now. A paused or scheduled batch is not in it. More than 6 hours is orange: see what limits the rate, or start more workers.',
      kind: 'stat',
      width: 5,
      unit: 's',
      steps: [[limits.FluxMailBacklogEta, 'orange']],
      empty: 'nothing to send',
      alerts: ['FluxMailBacklogEta'],
      queries: [{ expr: backlogEta, legend: '{{lane}}' }],
    },
    {
      title: 'Workers',
      description:
        'Processes that send, as they report to Redis. Red at 0: start one, and read its log. Each of them stands in the row Workers.',
      kind: 'stat',
      width: 4,
      steps: [
        [0, 'red'],
        [1, 'green'],
      ],
      empty: 'none',
      alerts: ['FluxMailNoWorkers'],
      queries: [{ expr: 'max(fluxmail_workers)', legend: 'workers' }],
    },
    {
      title: 'Redis reached',
      description:
        'The part of the workers that reach it. Below 100 % nothing moves there: see that Redis runs, has memory and disk, and that FLUXMAIL_REDIS_URL is right. Workers go on by themselves. More of it in the row Redis.',
      kind: 'stat',
      width: 4,
      unit: 'percentunit',
      max: 1,
      steps: reachedSteps,
      empty: 'none seen',
      alerts: ['FluxMailRedisAway'],
      queries: [{ expr: 'avg(fluxmail_redis_up)', legend: 'reached' }],
    },
    {
      title: 'Relays that are cut off',
      description:
        'Relays whose circuit is open: they are not there, refuse the login or answer with errors. Their mail waits and does not fail. Which ones: the row below.',
      kind: 'stat',
      width: 4,
      steps: [[1, 'red']],
      empty: 'no relay seen',
      alerts: ['FluxMailRelayCircuitOpen', 'FluxMailAuthenticationFailing'],
      queries: [
        {
          expr: `sum(max by (relay) (fluxmail_relay_circuit{${chosenRelay}}) == bool 2)`,
          legend: 'cut off',
        },
      ],
    },
    {
      title: 'Mails held by limits',
      description:
        'How many mails wait at once for leave to go. Orange: a limit is what makes mail late; the row below says which.',
      kind: 'stat',
      width: 4,
      unit: 'none',
      decimals: 1,
      steps: [[limits.FluxMailThrottled, 'orange']],
      empty: 'none',
      alerts: ['FluxMailThrottled'],
      queries: [{ expr: perSecond('fluxmail_throttled_seconds_total', chosen), legend: 'held' }],
    },
    {
      title: 'Batches that do not send',
      description:
        "By somebody's will: paused (`fluxmail batch resume`), scheduled for later, or incomplete, since nobody stores the rest of their rows.",
      kind: 'stat',
      width: 8,
      steps: [[1, 'orange']],
      exceptions: [{ name: 'scheduled', steps: [[1, 'blue']] }],
      empty: 'none',
      queries: [
        {
          expr: `sum by (state) (max by (lane, state) (fluxmail_batches{${chosenLane}, state=~"paused|scheduled|incomplete"}))`,
          legend: '{{state}}',
        },
      ],
    },
    {
      title: 'Sent a second, by lane',
      description:
        'Mails that relays accepted. Compare it with the limits in the next row before you add workers.',
      kind: 'timeseries',
      width: 12,
      unit: 'mps',
      stacked: true,
      queries: [{ expr: perSecond('fluxmail_messages_sent_total', chosen, 'lane'), legend: '{{lane}}' }],
    },
    {
      title: 'What settled mails came to',
      description:
        'Each outcome as a part of all. Failed ones stand by group further down; unknown ones wait for a person: `fluxmail resolve`.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      max: 1,
      stacked: true,
      exceptions: outcomeColors,
      empty: 'nothing settled',
      alerts: ['FluxMailFailureRatio'],
      queries: [
        {
          expr: share(
            perSecond('fluxmail_deliveries_total', chosen, 'outcome'),
            perSecond('fluxmail_deliveries_total', chosen),
            'on () group_left ()',
          ),
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Time in queue, by lane',
      description:
        'p50 and p99 of the time from enqueued to settled. If p99 grows alone, few mails are put off again and again: look at 4yz by code.',
      kind: 'timeseries',
      width: 12,
      unit: 's',
      empty: 'nothing settled',
      queries: [
        { expr: quantile(0.5, 'fluxmail_queue_seconds', laneHere, 'lane'), legend: '{{lane}} p50' },
        { expr: quantile(0.99, 'fluxmail_queue_seconds', laneHere, 'lane'), legend: '{{lane}} p99' },
      ],
    },
    {
      title: 'What waits',
      description:
        'Mails of the whole fleet: waiting for a worker, packed (rows of batches before their turn), active on a worker, delayed (tried again later, or set aside). Much that is delayed: the relay puts mail off, or something is paused.',
      kind: 'timeseries',
      width: 12,
      stacked: true,
      queries: [
        { expr: `max by (lane, state) (fluxmail_jobs{${chosenLane}})`, legend: '{{lane}} {{state}}' },
      ],
    },
  ],
}
