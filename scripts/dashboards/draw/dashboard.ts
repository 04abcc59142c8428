// What is read of a dashboard's JSON: panels with their places and queries, and variables.

import { readFileSync } from 'node:fs'

export interface Place {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

export interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat?: string
  readonly instant?: boolean
  readonly format?: 'time_series' | 'table' | 'heatmap'
}

export interface Threshold {
  readonly color: string
  readonly value?: number | null
}

export type Mapping =
  | { readonly type: 'value'; readonly options: Readonly<Record<string, Shown>> }
  | {
      readonly type: 'range'
      readonly options: { readonly from: number | null; readonly to: number | null; readonly result: Shown }
    }
  | { readonly type: 'special'; readonly options: { readonly match: string; readonly result: Shown } }

export interface Shown {
  readonly text?: string
  readonly color?: string
}

export interface FieldConfig {
  readonly unit?: string
  readonly decimals?: number
  readonly min?: number
  readonly max?: number
  readonly noValue?: string
  readonly displayName?: string
  readonly thresholds?: { readonly steps: readonly Threshold[] }
  readonly mappings?: readonly Mapping[]
  readonly color?: { readonly mode?: string; readonly fixedColor?: string }
  readonly custom?: Readonly<Record<string, unknown>>
}

export interface Override {
  readonly matcher: { readonly id: string; readonly options?: unknown }
  readonly properties: readonly { readonly id: string; readonly value?: unknown }[]
}

export interface Transformation {
  readonly id: string
  readonly options?: unknown
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: Place
  readonly interval?: string
  readonly targets?: readonly Target[]
  readonly fieldConfig?: { readonly defaults: FieldConfig; readonly overrides?: readonly Override[] }
  readonly options?: Readonly<Record<string, unknown>>
  readonly transformations?: readonly Transformation[]
  /** Of a row that is folded. */
  readonly panels?: readonly Panel[]
}

export interface Variable {
  readonly type: string
  readonly name: string
  readonly label?: string
  readonly query?: string | { readonly query?: string }
  readonly multi?: boolean
  readonly includeAll?: boolean
  readonly allValue?: string | null
  readonly hide?: number
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly description?: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly Variable[] }
  readonly annotations?: { readonly list: readonly Annotation[] }
  readonly time: { readonly from: string; readonly to: string }
}

export interface Annotation {
  readonly name: string
  /** Absent of the one that Grafana adds to every dashboard. */
  readonly expr?: string
}

export function readDashboard(path: string): Dashboard {
  return JSON.parse(readFileSync(path, 'utf8')) as Dashboard
}

/** All panels as they stand once each folded row is opened; what is below it moves down. */
export function unfolded({ panels }: Pick<Dashboard, 'panels'>): Panel[] {
  let moved = 0
  return panels.flatMap((panel) => {
    const { panels: folded = [], gridPos } = panel
    const shown = [panel, ...folded].map((each) => down(each, moved))
    const bottom = Math.max(gridPos.y + 1, ...folded.map(({ gridPos: { y, h } }) => y + h))
    if (folded.length > 0) moved += bottom - gridPos.y - 1
    return shown
  })
}

function down(panel: Panel, by: number): Panel {
  return { ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + by } }
}

/** All panels, those of folded rows too. */
export function panelsOf({ panels }: Pick<Dashboard, 'panels'>): Panel[] {
  return panels.flatMap((panel) => [panel, ...panelsOf({ panels: panel.panels ?? [] })])
}
