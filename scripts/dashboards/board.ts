// A whole dashboard: rows of panels set on the grid, variables, annotations and links.

import type { Annotation, Dashboard, Link, Panel, Row as PlacedRow, Variable } from './grafana.js'
import { heights, type PanelPlan, panelOf } from './panel.js'
import { provisioned, source } from './source.js'

const COLUMNS = 24
const TAG = 'fluxmail'

export interface Row {
  readonly title: string
  /** Opens at a click, and asks nothing until then. */
  readonly folded?: boolean
  readonly panels: readonly PanelPlan[]
}

export interface BoardPlan {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly rows: readonly Row[]
  readonly variables: readonly Variable[]
  readonly annotations: readonly Annotation[]
}

/** A variable with the values that a label has. */
export function labelVariable(name: string, metric: string, description: string): Variable {
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

const sourceVariable: Variable = {
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

const links: Link[] = [
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

/** Side by side until a line is full; the next line stands below the tallest. `bottom` is the line under all. */
function lined(plans: readonly PanelPlan[], id: number, top: number): { panels: Panel[]; bottom: number } {
  const panels: Panel[] = []
  let [x, y, tallest] = [0, top, 0]
  for (const plan of plans) {
    if (x + plan.width > COLUMNS) {
      y += tallest
      ;[x, tallest] = [0, 0]
    }
    panels.push(panelOf(plan, id + panels.length, { x, y }))
    x += plan.width
    tallest = Math.max(tallest, plan.height ?? heights[plan.kind])
  }
  return { panels, bottom: y + tallest }
}

/** A folded row holds its panels; those of any other stand after it. */
function placed(rows: readonly Row[]): (Panel | PlacedRow)[] {
  const all: (Panel | PlacedRow)[] = []
  let [id, y] = [1, 0]
  for (const { title, folded = false, panels: plans } of rows) {
    const { panels, bottom } = lined(plans, id + 1, y + 1)
    const gridPos = { x: 0, y, w: COLUMNS, h: 1 }
    all.push({ id, type: 'row', title, collapsed: folded, gridPos, panels: folded ? panels : [] })
    if (!folded) all.push(...panels)
    id += 1 + panels.length
    y = folded ? y + 1 : bottom
  }
  return all
}

export function boardOf(plan: BoardPlan): Dashboard {
  return {
    ...shellOf(plan),
    panels: placed(plan.rows),
    templating: { list: [sourceVariable, ...plan.variables] },
    annotations: { list: plan.annotations },
  }
}

/** What all dashboards have in common. */
export function shellOf({
  uid,
  title,
  description,
}: Pick<BoardPlan, 'uid' | 'title' | 'description'>): Dashboard {
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
