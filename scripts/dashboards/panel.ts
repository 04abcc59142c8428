// A panel of a dashboard in Grafana's words, from the little that differs: what it asks, says and looks like.
// Where it stands is not known here.

import type { FieldConfig, Panel, Threshold } from '@grafana/schema'
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
}

/** From which value on which colour; what is below the first is green. */
export type Steps = readonly (readonly [from: number, color: string])[]
/** What a number is called, and its colour. */
export type Words = Readonly<Record<string, readonly [text: string, color: string]>>

export type Kind = 'stat' | 'timeseries' | 'table' | 'bargauge' | 'state-timeline'

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

function thresholdsOf(steps: Steps): Threshold[] {
  return [{ value: null, color: 'green' }, ...steps.map(([value, color]) => ({ value, color }))]
}

function mappingsOf(words: Words = {}): object[] {
  const named = Object.entries(words).map(([value, [text, color]]) => [value, { text, color }])
  const nothing = { type: 'special', options: { match: 'nan', result: { text: '–' } } }
  return named.length > 0 ? [{ type: 'value', options: Object.fromEntries(named) }, nothing] : [nothing]
}

function colorOf({ kind, color, steps, words }: PanelPlan): object {
  if (color !== undefined) return { mode: 'fixed', fixedColor: color }
  const isByValue =
    kind !== 'timeseries' && (kind !== 'bargauge' || steps !== undefined || words !== undefined)
  return { mode: isByValue ? 'thresholds' : 'palette-classic' }
}

function fieldConfigOf(plan: PanelPlan): NonNullable<Panel['fieldConfig']> {
  const { unit = 'short', max, steps = [], words, empty, exceptions = [] } = plan
  const defaults = {
    unit,
    min: 0,
    ...(max === undefined ? {} : { max }),
    ...(empty === undefined ? {} : { noValue: empty }),
    color: colorOf(plan),
    thresholds: { mode: 'absolute', steps: thresholdsOf(steps) },
    mappings: mappingsOf(words),
    custom: customOf(plan),
  }
  return { defaults: defaults as unknown as FieldConfig, overrides: exceptions.map(overrideOf) }
}

function customOf({ kind, stacked, steps = [] }: PanelPlan): object {
  if (kind === 'state-timeline') return { lineWidth: 0, fillOpacity: 80 }
  if (kind === 'table') return { align: 'auto' }
  if (kind !== 'timeseries') return {}
  return {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 40 : 10,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: steps.length > 0 ? 'dashed' : 'off' },
  }
}

function overrideOf({ name, unit, steps, words }: Exception) {
  const isColored = steps !== undefined || words !== undefined
  return {
    matcher: { id: 'byName', options: name },
    properties: [
      ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
      ...(steps === undefined
        ? []
        : [{ id: 'thresholds', value: { mode: 'absolute', steps: thresholdsOf(steps) } }]),
      ...(words === undefined ? [] : [{ id: 'mappings', value: mappingsOf(words) }]),
      ...(isColored ? [{ id: 'custom.cellOptions', value: { type: 'color-text' } }] : []),
    ],
  }
}

const reduceOptions = { calcs: ['lastNotNull'], fields: '', values: false }

const options: Readonly<Record<Kind, object>> = {
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
    legend: { displayMode: 'list', placement: 'bottom', showLegend: false },
  },
}

function transformationsOf({ columns }: PanelPlan): { id: string; options: object }[] {
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
function targetOf({ expr, legend }: Query, index: number, kind: Kind) {
  const refId = 'ABCDEFGHIJKLMNOP'[index]
  if (refId === undefined) throw new RangeError('a panel has 16 queries at most')
  // Bars and tables show what is now.
  const isNow = kind === 'table' || kind === 'bargauge'
  const format = kind === 'table' ? 'table' : 'time_series'
  return { refId, datasource: source, expr, legendFormat: legend, instant: isNow, range: !isNow, format }
}

/** The panel at a place of the grid. */
export function panelOf(plan: PanelPlan, id: number, gridPos: { x: number; y: number }): Panel {
  const { title, description, kind, queries, width, alerts = [] } = plan
  return {
    id,
    type: kind,
    title,
    description,
    datasource: source,
    gridPos: { ...gridPos, w: width, h: plan.height ?? heights[kind] },
    targets: queries.map((query, index) => targetOf(query, index, kind)),
    fieldConfig: fieldConfigOf(plan),
    options: { ...options[kind] },
    transformations: transformationsOf(plan),
    links: alerts.map((alert) => ({
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
    })),
  } as unknown as Panel
}
