// Panels that show one number for each series: stat, gauge and bar gauge.

import { colorOf } from './color.js'
import type { Panel } from './dashboard.js'
import type { Answer } from './data.js'
import { fieldOf, legendOf, shownOf } from './field.js'
import { div, escaped } from './html.js'
import { reduce } from './reduce.js'

interface Value {
  readonly name: string
  readonly value: number | undefined
  readonly text: string
  readonly color: string
}

function valuesOf(panel: Panel, answers: readonly Answer[]): Value[] {
  const { calcs } = (panel.options?.reduceOptions ?? {}) as { calcs?: readonly string[] }
  return answers.flatMap(({ target, series }) =>
    series.map((each) => {
      const name = legendOf(each, target)
      const value = reduce(each, calcs?.[0])
      const field = fieldOf(panel, name, target.refId)
      const { text, color } = shownOf(value, field)
      return { name: field.displayName ?? name, value, text, color: colorOf(color) }
    }),
  )
}

export function drawStat(panel: Panel, answers: readonly Answer[]): string {
  const values = valuesOf(panel, answers)
  const none = { name: '', ...shownOf(undefined, panel.fieldConfig?.defaults ?? {}) }
  const isBackground = String(panel.options?.colorMode).startsWith('background')
  const textMode = String(panel.options?.textMode ?? 'auto')
  const cells = (values.length > 0 ? values : [none]).map(({ name, text, color }) => {
    const isNamed = textMode.includes('name') || (textMode === 'auto' && values.length > 1)
    const shown = textMode === 'name' ? '' : div('number', escaped(text))
    const paint = isBackground ? `background:${color};color:#fff` : `color:${color}`
    return div('stat', (isNamed ? div('name', escaped(name)) : '') + shown, paint)
  })
  const wide = panel.gridPos.w > panel.gridPos.h * 1.5
  return div(`stats ${wide ? 'across' : 'down'}`, cells.join(''))
}

export function drawBars(panel: Panel, answers: readonly Answer[]): string {
  const values = valuesOf(panel, answers)
  const { min = 0, max } = panel.fieldConfig?.defaults ?? {}
  const most = max ?? Math.max(...values.map(({ value }) => value ?? 0), min)
  const rows = values.map(({ name, value, text, color }) => {
    const share = most > min ? Math.min(1, Math.max(0, ((value ?? min) - min) / (most - min))) : 0
    const bar = div('track', div('bar', '', `width:${(share * 100).toFixed(1)}%;background:${color}`))
    return div('gauge', div('name', escaped(name)) + bar + div('number', escaped(text), `color:${color}`))
  })
  return div('gauges', rows.join(''))
}
