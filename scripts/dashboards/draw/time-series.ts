// A time series panel: what uPlot needs to draw it, with ticks and their texts worked out here, and its legend.

import { colorOf, paletteOf } from './color.js'
import type { FieldConfig, Panel } from './dashboard.js'
import type { Answer } from './data.js'
import { fieldOf, legendOf, shownOf } from './field.js'
import type { Span } from './fill.js'
import { div, escaped } from './html.js'
import { reduce } from './reduce.js'
import { inUnit } from './unit.js'

interface Line {
  readonly name: string
  readonly color: string
  readonly field: FieldConfig
  readonly values: (number | null)[]
  /** As the legend shows them. */
  readonly calculated: readonly string[]
}

export interface Chart {
  readonly times: readonly number[]
  readonly lines: readonly {
    readonly color: string
    readonly fill: string | undefined
    readonly bars: boolean
    readonly values: readonly (number | null)[]
  }[]
  readonly range: readonly [number, number]
  readonly ticks: readonly number[]
  readonly labels: readonly string[]
}

interface Legend {
  readonly displayMode?: string
  readonly showLegend?: boolean
  readonly calcs?: readonly string[]
  readonly placement?: string
}

const TICKS = 4

function timesOf({ start, end, stepSeconds }: Span): number[] {
  return Array.from(
    { length: Math.floor((end - start) / stepSeconds) + 1 },
    (_, at) => start + at * stepSeconds,
  )
}

function linesOf(panel: Panel, answers: readonly Answer[], span: Span, calcs: readonly string[]): Line[] {
  const times = timesOf(span)
  const all = answers.flatMap(({ target, series }) => series.map((each) => ({ target, each })))
  return all.map(({ target, each }, index) => {
    const name = legendOf(each, target)
    const field = fieldOf(panel, name, target.refId)
    const slots = new Map(
      each.samples.map(({ at, value }) => [Math.round((at - span.start) / span.stepSeconds), value]),
    )
    const values = times.map((_, slot) => {
      const value = slots.get(slot)
      return value === undefined || !Number.isFinite(value) ? null : value
    })
    const fixed = field.color?.mode === 'fixed' ? field.color.fixedColor : undefined
    const calculated = calcs.map((calc) => shownOf(reduce(each, calc), field).text)
    return {
      name: field.displayName ?? name,
      color: fixed ? colorOf(fixed) : paletteOf(index),
      field,
      values,
      calculated,
    }
  })
}

function isStacked(field: FieldConfig): boolean {
  return ((field.custom?.stacking ?? {}) as { mode?: string }).mode === 'normal'
}

/** Each upon those before it. */
function stacked(lines: readonly Line[]): Line[] {
  const below: number[] = []
  return lines.map((line) => {
    if (!isStacked(line.field)) return line
    const values = line.values.map((value, at) => {
      below[at] = (below[at] ?? 0) + (value ?? 0)
      return value === null ? null : below[at]
    })
    return { ...line, values }
  })
}

function ticksOf(low: number, high: number): number[] {
  const rough = (high - low) / TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power
  const first = Math.ceil(low / step - 1e-9)
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, at) => (first + at) * step)
}

function rangeOf(lines: readonly Line[], { min, max }: FieldConfig): [number, number] {
  const values = lines.flatMap((line) => line.values.filter((value) => value !== null))
  const low = min ?? Math.min(0, ...values)
  const high = max ?? Math.max(...values, low)
  return high > low ? [low, max ?? high * 1.05] : [low, low + 1]
}

export function chartOf(
  panel: Panel,
  answers: readonly Answer[],
  span: Span,
): { chart: Chart; legend: string } {
  const { legend = {} } = (panel.options ?? {}) as { legend?: Legend }
  const { calcs = [], displayMode } = legend
  const plain = linesOf(panel, answers, span, calcs)
  const lines = stacked(plain)
  const defaults = panel.fieldConfig?.defaults ?? {}
  const range = rangeOf(lines, defaults)
  const ticks = ticksOf(...range)
  const chart = {
    times: timesOf(span),
    // What is stacked highest is painted first, or it would hide the rest.
    lines: lines.toReversed().map(({ color, field, values }) => {
      const opacity = Number(field.custom?.fillOpacity ?? 0)
      const alpha = Math.round(opacity * 2.55)
        .toString(16)
        .padStart(2, '0')
      return {
        color,
        fill: opacity > 0 ? `${color}${alpha}` : undefined,
        bars: field.custom?.drawStyle === 'bars',
        values,
      }
    }),
    range,
    ticks,
    labels: ticks.map((tick) => inUnit(tick, defaults.unit, defaults.decimals)),
  }
  const isShown = legend.showLegend !== false && legend.displayMode !== 'hidden'
  return { chart, legend: isShown ? drawLegend(plain, calcs, displayMode === 'table') : '' }
}

/** What Grafana calls it in a legend. */
const wordOf = (calc = '') => (calc === 'lastNotNull' ? 'Last *' : calc)

function drawLegend(lines: readonly Line[], calcs: readonly string[], isTable: boolean): string {
  const mark = (color: string) => `<i style="background:${color}"></i>`
  if (!isTable) {
    const names = lines.map(({ name, color, calculated }) => {
      const numbers = calculated.map((text, at) => `${wordOf(calcs[at])}: ${text}`)
      return `<span>${mark(color)}${escaped([name, ...numbers].join('  '))}</span>`
    })
    return div('legend', names.join(''))
  }
  const head = `<tr><th></th>${calcs.map((calc) => `<th>${escaped(calc)}</th>`).join('')}</tr>`
  const rows = lines.map(({ name, color, calculated }) => {
    const cells = calculated.map((text) => `<td class="right">${escaped(text)}</td>`).join('')
    return `<tr><td>${mark(color)}${escaped(name)}</td>${cells}</tr>`
  })
  return div('legend table', `<table>${head}${rows.join('')}</table>`)
}
