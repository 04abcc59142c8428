// How one series or column of a panel is shown: its name, unit and colour, by the panel's rules and their exceptions.

import type { Series } from './ask.js'
import type { FieldConfig, Mapping, Override, Panel, Shown, Target, Threshold } from './dashboard.js'
import { inUnit } from './unit.js'

/** `{{lane}}` of a legend is the label of the series. */
export function legendOf(series: Series, target: Target): string {
  const legend = target.legendFormat
  if (legend && legend !== '__auto')
    return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_all, label: string) => series.labels[label] ?? '')
  const labels = Object.entries(series.labels).filter(([label]) => label !== '__name__')
  return labels.length === 1
    ? `${labels[0]?.[1]}`
    : labels.map(([label, value]) => `${label}="${value}"`).join(', ')
}

function matches({ matcher }: Override, name: string, refId: string): boolean {
  const wanted = String(matcher.options ?? '')
  if (matcher.id === 'byName') return wanted === name
  if (matcher.id === 'byFrameRefID') return wanted === refId
  if (matcher.id !== 'byRegexp') return false
  const [, body = wanted, flags = ''] = /^\/(.*)\/(\w*)$/.exec(wanted) ?? []
  return new RegExp(body, flags).test(name)
}

/** The rules for the field of that name; `custom.x` of an exception is `x` of `custom`. */
export function fieldOf(panel: Panel, name: string, refId = ''): FieldConfig {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {}
  const field: Record<string, unknown> = { ...defaults, custom: { ...defaults.custom } }
  for (const override of overrides.filter((each) => matches(each, name, refId))) {
    for (const { id, value } of override.properties) {
      if (id.startsWith('custom.'))
        (field.custom as Record<string, unknown>)[id.slice('custom.'.length)] = value
      else field[id] = value
    }
  }
  return field as FieldConfig
}

function mapped(value: number, mappings: readonly Mapping[] = []): Shown | undefined {
  for (const mapping of mappings) {
    if (mapping.type === 'value') {
      const shown = mapping.options[`${value}`]
      if (shown) return shown
    } else if (mapping.type === 'range') {
      const { from, to, result } = mapping.options
      if (value >= (from ?? Number.NEGATIVE_INFINITY) && value <= (to ?? Number.POSITIVE_INFINITY))
        return result
    } else if (Number.isNaN(value) && /nan/.test(mapping.options.match)) return mapping.options.result
  }
  return undefined
}

function stepColor(value: number, steps: readonly Threshold[]): string | undefined {
  return steps.filter((step) => value >= (step.value ?? Number.NEGATIVE_INFINITY)).at(-1)?.color
}

/** A value as text, with the colour that it has by mappings and thresholds. */
export function shownOf(value: number | undefined, field: FieldConfig): { text: string; color: string } {
  if (value === undefined) return { text: field.noValue ?? 'No data', color: 'text' }
  const mapping = mapped(value, field.mappings)
  const byStep = stepColor(value, field.thresholds?.steps ?? [{ color: 'green' }]) ?? 'green'
  const fixed = field.color?.mode === 'fixed' ? field.color.fixedColor : undefined
  return {
    text: mapping?.text ?? inUnit(value, field.unit, field.decimals),
    color: mapping?.color ?? fixed ?? byStep,
  }
}
