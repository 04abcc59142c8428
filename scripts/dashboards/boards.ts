// The dashboards of deploy/grafana, as their files stand there. `npm run docs` writes them.

import { alertsTable } from '../alerts-table.js'
import { type BoardPlan, boardOf, labelVariable, shellOf } from './board.js'
import type { Annotation, Dashboard, Options, Panel } from './grafana.js'
import { batchesInShort, newestBatches } from './rows/batches.js'
import { failures } from './rows/failures.js'
import { flow } from './rows/flow.js'
import { ingress } from './rows/ingress.js'
import { obstacles } from './rows/obstacles.js'
import { redis } from './rows/redis.js'
import { relays } from './rows/relays.js'
import { workers } from './rows/workers.js'
import { source } from './source.js'

const lane = labelVariable('lane', 'fluxmail_jobs', 'Lanes: bulk, transactional, and those of your own')
const relay = labelVariable('relay', 'fluxmail_relay_circuit', 'Relays, as they are configured')
const instance = labelVariable('instance', 'fluxmail_build_info', 'Processes: workers and ingresses')

const shared = { datasource: source, enable: true, hide: false }
const annotations: Annotation[] = [
  {
    ...shared,
    name: 'Worker starts',
    iconColor: 'blue',
    expr: '1000 * process_start_time_seconds{instance=~"$instance"} * on (job, instance) group_left (version) fluxmail_build_info{role="worker"}',
    useValueForTime: true,
    titleFormat: 'Worker {{instance}} started',
    textFormat: 'FluxMail {{version}}',
    tagKeys: 'instance',
  },
  {
    ...shared,
    name: 'Circuits open',
    iconColor: 'red',
    expr: 'max by (relay) (fluxmail_relay_circuit{relay=~"$relay"}) == bool 2',
    titleFormat: 'Relay {{relay}} cannot be used',
    textFormat: 'Its mail waits: fluxmail status --relays',
    tagKeys: 'relay',
  },
]

const overview: BoardPlan = {
  uid: 'fluxmail-overview',
  title: 'FluxMail overview',
  description: 'Is mail flowing, and if not, why not?',
  rows: [flow, obstacles, relays, batchesInShort, failures, workers, redis, ingress],
  variables: [lane, relay, instance],
  annotations,
}

const batches: BoardPlan = {
  uid: 'fluxmail-batches',
  title: 'FluxMail batches',
  description: 'The 20 newest batches that are not over. Their series end with them.',
  rows: [newestBatches],
  variables: [lane, relay, instance],
  annotations,
}

/** What each alert means and what to do, where whoever looks at a dashboard already is. */
function runbook(): Dashboard {
  const options: Options<'text'> = { mode: 'markdown', content: alertsTable() }
  const panel: Panel = {
    id: 1,
    type: 'text',
    title: 'Alerts',
    description: 'Each alert, what it means and what to do, from the rules of Prometheus.',
    gridPos: { x: 0, y: 0, w: 24, h: 34 },
    options,
  }
  const description = 'What each alert means, and what to do.'
  return {
    ...shellOf({ uid: 'fluxmail-runbook', title: 'FluxMail runbook', description }),
    refresh: '',
    panels: [panel],
    templating: { list: [] },
    annotations: { list: [] },
  }
}

const text = (board: Dashboard) => `${JSON.stringify(board, null, 2)}\n`

/** By the path from the root of the repository. */
export function dashboardFiles(): Readonly<Record<string, string>> {
  const folder = 'deploy/grafana/dashboards'
  return {
    [`${folder}/overview.json`]: text(boardOf(overview)),
    [`${folder}/batches.json`]: text(boardOf(batches)),
    [`${folder}/runbook.json`]: text(runbook()),
  }
}
