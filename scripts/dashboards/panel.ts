// A panel of a dashboard in Grafana's words, from the little that differs: what it asks, says and looks like.
// Where it stands is not known here.

import type {
  Color,
  Custom,
  Field,
  Kind,
  Link,
  Mapping,
  Options,
  Panel,
  Place,
  Property,
  Target,
  Thresholds,
  Transformation,
} from './grafana.js'
import { source } from './source.js'

export interface Query {
  readonly expr: string
  /** `{{lane}}` is a label of the series. */
  readonly legend: string
}

export interface Exception {
  /** The series or column that it is about. */
  readonly name: string
  readonly unit?: string
  readonly steps?: Steps
  readonly words?: Words
  readonly color?: string
}

/** From which value on which colour; what is below the first is green. */
export type Steps = readonly (readonly [from: number, color: string])[]
/** What a number is called, and its colour. */
export type Words = Readonly<Record<string, readonly [text: string, color: string]>>

export interface PanelPlan {
  readonly title: string
  /** What it says, and what to do. */
  readonly description: string
  readonly kind: Kind
  readonly queries: readonly Query[]
  /** Columns of 24. */
  readonly width: number
  readonly height?: number
  readonly unit?: string
  readonly max?: number
  readonly decimals?: number
  readonly steps?: Steps
  readonly words?: Words
  /** One colour for all, whatever the value. */
  readonly color?: string
  readonly stacked?: boolean
  /** In place of what Grafana says without data. */
  readonly empty?: string
  readonly exceptions?: readonly Exception[]
  /** Of a table: what each column of the query's answer is called, in order; the others are not shown. */
  readonly columns?: Readonly<Record<string, string>>
  /** Alerts that the runbook explains. */
  readonly alerts?: readonly string[]
}

export const heights: Readonly<Record<Kind, number>> = {
  stat: 4,
  timeseries: 8,
  table: 8,
  bargauge: 8,
  'state-timeline': 8,
}

function thresholdsOf(steps: Steps): Thresholds {
  const rising = steps.map(([value, color]) => ({ value, color }))
  return { mode: 'absolute', steps: [{ value: null, color: 'green' }, ...rising] }
}

function mappingsOf(words: Words = {}): Mapping[] {
  const named = Object.entries(words).map(([value, [text, color]]) => [value, { text, color }] as const)
  const nothing: Mapping = { type: 'special', options: { match: 'nan', result: { text: '–' } } }
  return named.length > 0 ? [{ type: 'value', options: Object.fromEntries(named) }, nothing] : [nothing]
}

function colorOf({ kind, color, steps, words }: PanelPlan): Color {
  if (color !== undefined) return { mode: 'fixed', fixedColor: color }
  const isByValue =
    kind !== 'timeseries' && (kind !== 'bargauge' || steps !== undefined || words !== undefined)
  return { mode: isByValue ? 'thresholds' : 'palette-classic' }
}

function fieldConfigOf(plan: PanelPlan): NonNullable<Panel['fieldConfig']> {
  const { kind, unit = 'short', max, decimals, steps = [], words, empty, exceptions = [] } = plan
  const defaults: Field = {
    unit,
    min: 0,
    max,
    decimals,
    noValue: empty,
    color: colorOf(plan),
    thresholds: thresholdsOf(steps),
    mappings: mappingsOf(words),
    custom: customOf[kind](plan),
  }
  const overrides = exceptions.map(overrideOf)
  return { defaults, overrides: kind === 'table' ? [emptyCells, ...overrides] : overrides }
}

// A literal is checked for wrong names only against a return type that is written at its function.
const customOf: { readonly [K in Kind]: (plan: PanelPlan) => Custom<K> } = {
  stat: () => ({}),
  bargauge: () => ({}),
  table: (): Custom<'table'> => ({ align: 'auto' }),
  'state-timeline': (): Custom<'state-timeline'> => ({ lineWidth: 0, fillOpacity: 80 }),
  timeseries: ({ stacked = false, steps = [] }): Custom<'timeseries'> => ({
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 40 : 10,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: steps.length > 0 ? 'dashed' : 'off' },
  }),
}

type Override = NonNullable<Panel['fieldConfig']>['overrides'][number]

const overriding = (matcher: Override['matcher'], properties: Property[]): Override => ({
  matcher,
  properties,
})

/** What a whole table says without a row is not what a cell says. */
const emptyCells = overriding({ id: 'byRegexp', options: '/.*/' }, [{ id: 'noValue', value: '–' }])

function overrideOf({ name, unit, steps, words, color }: Exception): Override {
  const properties: Property[] = []
  if (unit !== undefined) properties.push({ id: 'unit', value: unit })
  if (steps !== undefined) properties.push({ id: 'thresholds', value: thresholdsOf(steps) })
  if (words !== undefined) properties.push({ id: 'mappings', value: mappingsOf(words) })
  if (color !== undefined) properties.push({ id: 'color', value: { mode: 'fixed', fixedColor: color } })
  if (steps !== undefined || words !== undefined)
    properties.push({ id: 'custom.cellOptions', value: { type: 'color-text' } })
  return overriding({ id: 'byName', options: name }, properties)
}

const reduceOptions = { calcs: ['lastNotNull'], fields: '', values: false }

const options: { readonly [K in Kind]: Options<K> } = {
  stat: { reduceOptions, colorMode: 'value', graphMode: 'area', textMode: 'auto', justifyMode: 'auto' },
  timeseries: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: ['lastNotNull'] },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  table: { showHeader: true, cellHeight: 'sm' },
  bargauge: { reduceOptions, displayMode: 'basic', orientation: 'horizontal', valueMode: 'color' },
  'state-timeline': {
    showValue: 'auto',
    mergeValues: true,
    rowHeight: 0.8,
    legend: { displayMode: 'list', placement: 'bottom', showLegend: false, calcs: [] },
  },
}

function transformationsOf({ columns }: PanelPlan): Transformation[] {
  if (columns === undefined) return []
  const names = Object.keys(columns)
  const indexByName = Object.fromEntries(names.map((name, index) => [name, index]))
  const organize = { excludeByName: { Time: true }, indexByName, renameByName: columns }
  return [
    { id: 'merge', options: {} },
    { id: 'organize', options: organize },
  ]
}

/** @throws RangeError for more queries than there are letters. */
function targetOf({ expr, legend }: Query, index: number, kind: Kind): Target {
  const refId = 'ABCDEFGHIJKLMNOP'[index]
  if (refId === undefined) throw new RangeError('a panel has 16 queries at most')
  // Bars and tables show what is now.
  const isNow = kind === 'table' || kind === 'bargauge'
  const format = kind === 'table' ? 'table' : 'time_series'
  return { refId, datasource: source, expr, legendFormat: legend, instant: isNow, range: !isNow, format }
}

function linkTo(alert: string): Link {
  return {
    title: `What to do: ${alert}`,
    type: 'link',
    url: '/d/fluxmail-runbook',
    icon: 'external link',
    tooltip: '',
    tags: [],
    asDropdown: false,
    targetBlank: false,
    includeVars: false,
    keepTime: true,
  }
}

/** The panel at a place of the grid. */
export function panelOf(plan: PanelPlan, id: number, { x, y }: Pick<Place, 'x' | 'y'>): Panel {
  const { title, description, kind, queries, width, height = heights[kind], alerts = [] } = plan
  return {
    id,
    type: kind,
    title,
    description,
    datasource: source,
    gridPos: { x, y, w: width, h: height },
    targets: queries.map((query, index) => targetOf(query, index, kind)),
    fieldConfig: fieldConfigOf(plan),
    options: { ...options[kind] },
    transformations: transformationsOf(plan),
    links: alerts.map(linkTo),
  }
}
