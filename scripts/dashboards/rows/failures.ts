// Failures by group, and what is unknown.

import type { Row } from '../board.js'
import { failureSteps, limits } from '../limits.js'
import { chosen, chosenLane, laneHere, perSecond, share } from '../promql.js'

const failed = 'fluxmail_failures_total'
const inRange = (by: string) => `sum ${by ? `by (${by}) ` : ''}(increase(${failed}{${chosen}}[$__range]))`

const repeats = {
  fluxmail_stalled_total: 'lost their worker',
  fluxmail_replayed_total: 'replayed',
  fluxmail_resent_total: 'sent again after unknown',
  fluxmail_duplicates_prevented_total: 'duplicates prevented',
}

export const failures: Row = {
  title: 'Failures by group',
  panels: [
    {
      title: 'Failures by group',
      description:
        'The 20 largest groups of the time shown, as a part of all failures. refused has the reply code; expired the last one that put it off. `fluxmail failures` has the texts; `fluxmail replay` sends a group again once its cause is mended.',
      kind: 'table',
      width: 12,
      empty: 'none',
      alerts: ['FluxMailFailureRatio'],
      columns: {
        relay: 'Relay',
        provider: 'Provider',
        reason: 'Reason',
        code: 'Code',
        Value: 'Part of all failures',
      },
      exceptions: [{ name: 'Part of all failures', unit: 'percentunit' }],
      queries: [
        {
          expr: `topk(20, ${share(inRange('relay, provider, reason, code'), inRange(''), 'on () group_left ()')} > 0)`,
          legend: 'part',
        },
      ],
    },
    {
      title: 'Failed, of all that was settled',
      description:
        'By lane. The alert rings above a tenth in half an hour (a page from half on), if it is more than 20 mails.',
      kind: 'timeseries',
      width: 12,
      unit: 'percentunit',
      max: 1,
      steps: failureSteps,
      alerts: ['FluxMailFailureRatio'],
      empty: 'nothing settled',
      queries: [
        {
          expr: share(
            perSecond('fluxmail_messages_failed_total', chosen, 'lane'),
            perSecond('fluxmail_messages_total', chosen, 'lane'),
          ),
          legend: '{{lane}}',
        },
      ],
    },
    {
      title: 'Unknown now',
      description:
        'Mails that were lost between their end and the answer of the relay: sent or not, nobody knows. Look for their Message-IDs in the log of the relay, then `fluxmail resolve`.',
      kind: 'stat',
      width: 6,
      height: 8,
      steps: [[limits.FluxMailUnknownOutcomes + 1, 'orange']],
      empty: 'none',
      alerts: ['FluxMailUnknownOutcomes'],
      queries: [{ expr: `max by (lane) (fluxmail_unknown{${chosenLane}})`, legend: '{{lane}}' }],
    },
    {
      title: 'Taken up again, a minute',
      description:
        'Mails that lost their worker (it died or stood still), were replayed by a person, were sent again after an unknown (a copy may be doubled), or came back after they were sent and were not sent twice.',
      kind: 'timeseries',
      width: 18,
      alerts: ['FluxMailStalled'],
      queries: Object.entries(repeats).map(([metric, legend]) => ({
        expr: `60 * ${perSecond(metric, laneHere)}`,
        legend,
      })),
    },
  ],
}
