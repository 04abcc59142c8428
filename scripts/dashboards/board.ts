// A whole dashboard: rows of panels set on the grid, variables, annotations and links.

import type { Dashboard, Panel } from '@grafana/schema'
import { heights, type PanelPlan, panelOf } from './panel.js'
import { provisioned, source } from './source.js'

const COLUMNS = 24
const TAG = 'fluxmail'

export interface Row {
  readonly title: string
  readonly panels: readonly PanelPlan[]
}

export interface BoardPlan {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly rows: readonly Row[]
  readonly variables: readonly object[]
  readonly annotations: readonly object[]
}

/** A variable with the values that a label has. */
export function labelVariable(name: string, metric: string, description: string): object {
  const query = `label_values(${metric}, ${name})`
  return {
    type: 'query',
    name,
    label: name,
    description,
    datasource: source,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'] },
    options: [],
    hide: 0,
    skipUrlSync: false,
  }
}

const sourceVariable = {
  type: 'datasource',
  name: 'datasource',
  label: 'data source',
  query: 'prometheus',
  current: { text: provisioned.name, value: provisioned.uid },
  options: [],
  hide: 0,
  multi: false,
  includeAll: false,
  refresh: 1,
  regex: '',
  skipUrlSync: false,
}

const links = [
  {
    type: 'dashboards',
    title: 'FluxMail',
    tags: [TAG],
    asDropdown: false,
    includeVars: true,
    keepTime: true,
    targetBlank: false,
    icon: 'external link',
    tooltip: '',
    url: '',
  },
]

/** Panels side by side until a line is full; the next line stands below the tallest. */
function placed(rows: readonly Row[]): Panel[] {
  const panels: object[] = []
  let y = 0
  for (const { title, panels: plans } of rows) {
    const gridPos = { x: 0, y, w: COLUMNS, h: 1 }
    panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, gridPos, panels: [] })
    let [x, tallest] = [0, 0]
    y += 1
    for (const plan of plans) {
      if (x + plan.width > COLUMNS) {
        y += tallest
        ;[x, tallest] = [0, 0]
      }
      panels.push(panelOf(plan, panels.length + 1, { x, y }))
      x += plan.width
      tallest = Math.max(tallest, plan.height ?? heights[plan.kind])
    }
    y += tallest
  }
  return panels as Panel[]
}

export function boardOf(plan: BoardPlan): Dashboard {
  return {
    ...shellOf(plan),
    panels: placed(plan.rows),
    templating: { list: [sourceVariable, ...plan.variables] },
    annotations: { list: [...plan.annotations] },
  } as unknown as Dashboard
}

/** What all dashboards have in common. */
export function shellOf({ uid, title, description }: Pick<BoardPlan, 'uid' | 'title' | 'description'>) {
  return {
    uid,
    title,
    description,
    tags: [TAG],
    editable: true,
    graphTooltip: 1,
    schemaVersion: 41,
    version: 1,
    timezone: 'browser',
    time: { from: 'now-1h', to: 'now' },
    refresh: '10s',
    links,
  }
}
