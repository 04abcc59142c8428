// Relays and providers.

import type { Row } from '../board.js'
import { circuitWords, limits, successSteps } from '../limits.js'
import { chosen, perSecond, quantile, relayHere, share } from '../promql.js'

const sentBy = (by: string) => perSecond('fluxmail_deliveries_total', `${chosen}, outcome="sent"`, by)
const settledBy = (by: string) => perSecond('fluxmail_deliveries_total', chosen, by)
const closed = 'fluxmail_smtp_connections_closed_total'
const opened = 'fluxmail_smtp_connections_opened_total'

export const relays: Row = {
  title: 'Relays and providers',
  panels: [
    {
      title: 'Relays',
      description:
        'Each relay now: its circuit, what it accepts, how long an exchange takes, messages begun on each connection that closed, and how long ago it last accepted one. Many connections for few messages: see why they close.',
      kind: 'table',
      width: 24,
      height: 7,
      alerts: ['FluxMailRelayCircuitOpen', 'FluxMailReconnectChurn'],
      columns: {
        relay: 'Relay',
        'Value #A': 'Circuit',
        'Value #B': 'Sent a second',
        'Value #C': 'Success',
        'Value #D': 'p99 of an exchange',
        'Value #E': 'Connections',
        'Value #F': 'Messages a connection',
        'Value #G': 'Last success ago',
      },
      exceptions: [
        { name: 'Circuit', words: circuitWords },
        { name: 'Sent a second', unit: 'mps' },
        { name: 'Success', unit: 'percentunit', steps: successSteps },
        { name: 'p99 of an exchange', unit: 's' },
        { name: 'Last success ago', unit: 's' },
      ],
      queries: [
        { expr: 'max by (relay) (fluxmail_relay_circuit{relay=~"$relay"})', legend: 'circuit' },
        { expr: sentBy('relay'), legend: 'sent' },
        { expr: share(sentBy('relay'), settledBy('relay')), legend: 'success' },
        { expr: quantile(0.99, 'fluxmail_smtp_duration_seconds', relayHere, 'relay'), legend: 'p99' },
        { expr: `sum by (relay) (fluxmail_smtp_connections{${relayHere}})`, legend: 'connections' },
        {
          expr: share(
            perSecond('fluxmail_smtp_connection_messages_sum', relayHere, 'relay'),
            perSecond('fluxmail_smtp_connection_messages_count', relayHere, 'relay'),
          ),
          legend: 'messages',
        },
        {
          expr: `time() - max by (relay) (fluxmail_last_success_timestamp_seconds{${relayHere}} > 0)`,
          legend: 'last success',
        },
      ],
    },
    {
      title: 'Sent a second, by relay and provider',
      description:
        'Whose mailboxes the mail goes to, and through which relay. One provider that falls while others do not is that provider: look at its replies.',
      kind: 'timeseries',
      width: 12,
      unit: 'mps',
      stacked: true,
      queries: [{ expr: sentBy('relay, provider'), legend: '{{relay}} {{provider}}' }],
    },
    {
      title: 'Success, by provider',
      description:
        'Sent, of all that was settled. A provider well below the others judges the sender or the content: see its failures by group.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      max: 1,
      empty: 'nothing settled',
      queries: [{ expr: share(sentBy('provider'), settledBy('provider')), legend: '{{provider}}' }],
    },
    {
      title: 'SMTP phases, p99',
      description:
        'Where the time of the wire goes: connect, tls, auth, envelope, data (to the reply to the final dot). A slow data phase is the relay at work; a slow connect or tls the network, or too many new connections.',
      kind: 'timeseries',
      width: 12,
      unit: 's',
      empty: 'nothing goes out',
      queries: [
        { expr: quantile(0.99, 'fluxmail_smtp_phase_seconds', relayHere, 'phase'), legend: '{{phase}}' },
      ],
    },
    {
      title: 'Connections, by state',
      description:
        'Connections of the processes chosen. All busy and none idle: more connections may send more, if the relay allows them. Many opening: the relay is slow to greet.',
      kind: 'timeseries',
      width: 12,
      stacked: true,
      queries: [{ expr: `sum by (state) (fluxmail_smtp_connections{${relayHere}})`, legend: '{{state}}' }],
    },
    {
      title: 'Why connections close',
      description:
        'Each reason as a part of all. idle and used_up are health. relay_closed: the relay wants fewer connections, or few messages on each. fault: something between breaks them.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      max: 1,
      stacked: true,
      alerts: ['FluxMailReconnectChurn'],
      empty: 'none closed',
      queries: [
        {
          expr: share(
            perSecond(closed, relayHere, 'reason'),
            perSecond(closed, relayHere),
            'on () group_left ()',
          ),
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'Connections opened for each mail sent',
      description:
        'Near 0 in health, since connections are kept. Above the line a connection carries less than two mails: slow, and disliked by relays.',
      kind: 'timeseries',
      width: 12,
      steps: [[limits.FluxMailReconnectChurn, 'orange']],
      alerts: ['FluxMailReconnectChurn'],
      empty: 'nothing is sent',
      queries: [
        {
          expr: share(
            perSecond(opened, relayHere, 'relay'),
            perSecond('fluxmail_messages_sent_total', chosen, 'relay'),
          ),
          legend: '{{relay}}',
        },
      ],
    },
  ],
}
