// Workers, and the processes that they are.

import type { Row } from '../board.js'
import { limits } from '../limits.js'
import { here, laneHere, ours, perSecond, quantile } from '../promql.js'

const cpu = ours(`rate(process_cpu_seconds_total{${here}}[$__rate_interval])`, 'worker')
const memory = ours(`process_resident_memory_bytes{${here}}`, 'worker')
const age = ours(`(time() - process_start_time_seconds{${here}})`, 'worker')
const lag = (stat: string) => `max by (instance) (fluxmail_event_loop_lag_seconds{${here}, stat="${stat}"})`

export const workers: Row = {
  title: 'Workers',
  panels: [
    {
      title: 'Workers alive',
      description:
        'Workers that report to Redis, and those that Prometheus reaches. Red at 0: start one and read its log. Where the two differ, see Status, Targets in Prometheus.',
      kind: 'stat',
      width: 6,
      height: 8,
      steps: [
        [0, 'red'],
        [1, 'green'],
      ],
      empty: 'none seen',
      alerts: ['FluxMailNoWorkers'],
      queries: [
        { expr: 'max(fluxmail_workers)', legend: 'in Redis' },
        { expr: 'sum(fluxmail_build_info{role="worker"})', legend: 'scraped' },
      ],
    },
    {
      title: 'Each worker',
      description:
        'Now: its age, mails in hand, how long ago its last attempt ended, processor, memory and lag of its event loop. Mails in hand and nothing ended for a quarter of an hour: read its log and restart it.',
      kind: 'table',
      width: 18,
      alerts: ['FluxMailWorkerWithoutProgress', 'FluxMailEventLoopLag'],
      columns: {
        instance: 'Worker',
        'Value #A': 'Age',
        'Value #B': 'In hand',
        'Value #C': 'Sent a second',
        'Value #D': 'Last attempt ended ago',
        'Value #E': 'Processor',
        'Value #F': 'Memory',
        'Value #G': 'Lag p99',
      },
      exceptions: [
        { name: 'Age', unit: 's' },
        { name: 'Sent a second', unit: 'mps' },
        {
          name: 'Last attempt ended ago',
          unit: 's',
          steps: [[limits.FluxMailWorkerWithoutProgress, 'orange']],
        },
        { name: 'Processor', unit: 'percentunit' },
        { name: 'Memory', unit: 'bytes' },
        { name: 'Lag p99', unit: 's', steps: [[limits.FluxMailEventLoopLag, 'orange']] },
      ],
      queries: [
        { expr: `max by (instance) (${age})`, legend: 'age' },
        { expr: `sum by (instance) (fluxmail_deliveries_active{${laneHere}})`, legend: 'in hand' },
        { expr: perSecond('fluxmail_messages_sent_total', here, 'instance'), legend: 'sent' },
        {
          expr: `time() - max by (instance) (fluxmail_last_progress_timestamp_seconds{${here}})`,
          legend: 'progress',
        },
        { expr: `sum by (instance) (${cpu})`, legend: 'processor' },
        { expr: `sum by (instance) (${memory})`, legend: 'memory' },
        {
          expr: `max by (instance) (${ours(`fluxmail_event_loop_lag_seconds{${here}, stat="p99"}`, 'worker')})`,
          legend: 'lag',
        },
      ],
    },
    {
      title: 'Processor of each worker',
      description:
        'Of one core. A worker near 100 % has all the work that it can do: start more of them, since a process uses one core.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      queries: [{ expr: `sum by (instance) (${cpu})`, legend: '{{instance}}' }],
    },
    {
      title: 'Memory of each worker',
      description: 'Resident. It grows with concurrency times the size of a message, and levels off.',
      kind: 'timeseries',
      width: 12,
      unit: 'bytes',
      queries: [{ expr: `sum by (instance) (${memory})`, legend: '{{instance}}' }],
    },
    {
      title: 'Event loop lag',
      description:
        'How late each process comes to its work: p99 and the longest of the last minute. Above the line give it more processor, or lower its concurrency; at half a minute its mails are taken from it.',
      kind: 'timeseries',
      width: 12,
      unit: 's',
      steps: [[limits.FluxMailEventLoopLag, 'orange']],
      alerts: ['FluxMailEventLoopLag'],
      queries: [
        { expr: lag('p99'), legend: '{{instance}} p99' },
        { expr: lag('max'), legend: '{{instance}} max' },
      ],
    },
    {
      title: 'Render time',
      description:
        'To make the message of one recipient, p50 and p99 by lane. It holds the processor: a template of more than some milliseconds is worth a look.',
      kind: 'timeseries',
      width: 12,
      unit: 's',
      empty: 'nothing is rendered',
      queries: [
        { expr: quantile(0.5, 'fluxmail_render_seconds', laneHere, 'lane'), legend: '{{lane}} p50' },
        { expr: quantile(0.99, 'fluxmail_render_seconds', laneHere, 'lane'), legend: '{{lane}} p99' },
      ],
    },
  ],
}
