// SMTP submission.

import type { Row } from '../board.js'
import { outcomeColors, reachedSteps } from '../limits.js'
import { here, perSecond, seen, share } from '../promql.js'

const handedIn = 'fluxmail_ingress_messages_total'

const turnedAway = (metric: string) =>
  seen(metric, here, 'reason', `60 * ${perSecond(metric, here, 'reason')}`)

export const ingress: Row = {
  title: 'Ingress',
  folded: true,
  panels: [
    {
      title: 'Reaches Redis',
      description:
        'The part of the ingresses that reach Redis. Below 100 % clients are told to try again, and nothing is lost.',
      kind: 'stat',
      width: 6,
      height: 8,
      unit: 'percentunit',
      max: 1,
      steps: reachedSteps,
      empty: 'no ingress runs',
      alerts: ['FluxMailRedisAway'],
      queries: [{ expr: `avg(fluxmail_ingress_redis_up{${here}})`, legend: 'reached' }],
    },
    {
      title: 'What was handed in came to',
      description:
        'Each result as a part of all. deferred (4yz): Redis was not reached or is full, the client tries again. refused (5yz): the message or its sender is wrong. aborted: the client hung up.',
      kind: 'timeseries',
      width: 9,
      unit: 'percentunit',
      max: 1,
      stacked: true,
      exceptions: outcomeColors,
      empty: 'nothing is handed in',
      queries: [
        {
          expr: share(perSecond(handedIn, here, 'result'), perSecond(handedIn, here), 'on () group_left ()'),
          legend: '{{result}}',
        },
      ],
    },
    {
      title: 'Handed in a second',
      description: 'Messages of clients, before they are a mail for each recipient.',
      kind: 'timeseries',
      width: 9,
      unit: 'mps',
      queries: [{ expr: perSecond(handedIn, here), legend: 'messages' }],
    },
    {
      title: 'Connections of clients',
      description: 'Open now, of each ingress. At its limit new ones are turned away (next to it: limit).',
      kind: 'timeseries',
      width: 12,
      queries: [
        { expr: `sum by (instance) (fluxmail_ingress_connections_open{${here}})`, legend: '{{instance}}' },
      ],
    },
    {
      title: 'Turned away, a minute',
      description:
        'Connections and logins that were refused, by why. limit: too many at once. no_login, no_tls, handshake: the client is not set up right. wrong, locked: a password that is wrong, or is guessed.',
      kind: 'timeseries',
      width: 12,
      empty: 'nobody',
      queries: [
        {
          expr: turnedAway('fluxmail_ingress_connections_refused_total'),
          legend: 'connection: {{reason}}',
        },
        {
          expr: turnedAway('fluxmail_ingress_logins_failed_total'),
          legend: 'login: {{reason}}',
        },
      ],
    },
  ],
}
