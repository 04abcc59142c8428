// Why not?

import type { Row } from '../board.js'
import { circuitWords, limits, outcomeColors } from '../limits.js'
import { chosen, chosenRelay, perSecond, relayHere, seen, share } from '../promql.js'

const throttled = 'fluxmail_throttled_seconds_total'
const faults = 'fluxmail_relay_faults_total'
const replied = 'fluxmail_smtp_replies_total'
const putOff = `${relayHere}, class="4"`
const partPutOff = share(
  perSecond(replied, putOff, 'relay, code'),
  perSecond(replied, relayHere, 'relay'),
  'on (relay) group_left ()',
)

export const obstacles: Row = {
  title: 'Why not?',
  panels: [
    {
      title: 'Circuits of relays',
      description:
        'Open: the relay cannot be used and its mail waits, without failing. Half-open: one mail tries it. `fluxmail status --relays` has the fault and the reply. Mail goes on by itself once the relay does.',
      kind: 'state-timeline',
      width: 12,
      words: circuitWords,
      alerts: ['FluxMailRelayCircuitOpen'],
      queries: [{ expr: `max by (relay) (fluxmail_relay_circuit{${chosenRelay}})`, legend: '{{relay}}' }],
    },
    {
      title: 'Mails held, by which limit',
      description:
        'How many mails wait at once for leave to go, by relay and provider. Above the line while it takes more than an hour until empty, the limit is what makes mail late: `fluxmail limits`.',
      kind: 'timeseries',
      width: 12,
      unit: 'suffix:mails',
      empty: 'no limit holds mail',
      steps: [[limits.FluxMailThrottled, 'orange']],
      alerts: ['FluxMailThrottled'],
      queries: [
        {
          expr: seen(throttled, chosen, 'relay, provider', perSecond(throttled, chosen, 'relay, provider')),
          legend: '{{relay}} {{provider}}',
        },
      ],
    },
    {
      title: 'How much of each limit is used',
      description:
        'The rate, the day (this hour and the 24 before it) and the connections of the whole fleet, as a part of what is allowed now. At 100 % more workers change nothing: raise the limit if the relay allows.',
      kind: 'bargauge',
      width: 12,
      unit: 'percentunit',
      max: 1,
      steps: [
        [0.8, 'yellow'],
        [0.99, 'orange'],
      ],
      alerts: ['FluxMailThrottled'],
      queries: [
        {
          expr: share(
            `max by (relay, provider) (fluxmail_fleet_rate{${chosenRelay}})`,
            `max by (relay, provider) (fluxmail_limit_rate{${chosenRelay}})`,
          ),
          legend: '{{relay}} {{provider}} rate',
        },
        {
          expr: share(
            `max by (relay) (fluxmail_day_messages{${chosenRelay}})`,
            `max by (relay) (fluxmail_limit_day{${chosenRelay}})`,
          ),
          legend: '{{relay}} day',
        },
        {
          expr: share(
            `max by (relay) (fluxmail_fleet_connections{${chosenRelay}})`,
            `max by (relay) (fluxmail_limit_connections{${chosenRelay}})`,
          ),
          legend: '{{relay}} connections',
        },
      ],
    },
    {
      title: '4yz by code',
      description:
        'Replies that put a mail off, as a part of all replies of the relay. 421 and 450 with growing rates ask for less; 451 is mostly greylisting and goes away; 452 is a full mailbox or a full relay.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      empty: 'nothing is put off',
      queries: [
        {
          expr: seen(replied, putOff, 'relay, code', partPutOff),
          legend: '{{relay}} {{code}}',
        },
      ],
    },
    {
      title: 'Attempts put off',
      description:
        'Attempts that did not settle their mail, as a part of all: deferred by a 4yz or a broken connection, held because the relay or a permit was not to be had. Held spends no attempt.',
      kind: 'timeseries',
      width: 9,
      unit: 'percentunit',
      max: 1,
      exceptions: outcomeColors,
      empty: 'nothing is tried',
      queries: [
        {
          expr: share(
            perSecond('fluxmail_attempts_total', `${chosen}, outcome=~"deferred|held"`, 'outcome'),
            perSecond('fluxmail_attempts_total', chosen),
            'on () group_left ()',
          ),
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Faults of relays a minute',
      description:
        'connect: not reached. auth: the login is refused, set it right. relay: it answers with an error. sender: it refuses the sender. policy: it asks for less. The circuit opens at once for auth, else after five in half a minute.',
      kind: 'timeseries',
      width: 9,
      empty: 'no faults',
      alerts: ['FluxMailAuthenticationFailing', 'FluxMailRelayCircuitOpen'],
      queries: [
        {
          expr: seen(
            faults,
            relayHere,
            'relay, fault',
            `60 * ${perSecond(faults, relayHere, 'relay, fault')}`,
          ),
          legend: '{{relay}} {{fault}}',
        },
      ],
    },
    {
      title: 'Slowed, or senders held',
      description:
        'Limits that are lower because the relay asked for less, and senders whose mail waits because the relay refused them. The rate comes back by itself; for a sender see `fluxmail status --relays`.',
      kind: 'stat',
      width: 6,
      height: 8,
      steps: [[1, 'orange']],
      empty: 'no limit is set',
      alerts: ['FluxMailThrottled'],
      queries: [
        {
          expr: `sum(max by (relay, provider) (fluxmail_limit_slowed{${chosenRelay}}))`,
          legend: 'limits slowed',
        },
        { expr: `sum(max by (relay) (fluxmail_relay_senders_held{${chosenRelay}}))`, legend: 'senders held' },
      ],
    },
  ],
}
