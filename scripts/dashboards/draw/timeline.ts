// A state timeline: for each series a line of coloured stretches.

import { colorOf } from './color.js'
import type { Panel } from './dashboard.js'
import type { Answer } from './data.js'
import { fieldOf, legendOf, shownOf } from './field.js'
import type { Span } from './fill.js'
import { div, escaped } from './html.js'

interface Stretch {
  readonly from: number
  to: number
  readonly text: string
  readonly color: string
}

export function drawTimeline(panel: Panel, answers: readonly Answer[], span: Span): string {
  const rows = answers.flatMap(({ target, series }) =>
    series.map((each) => {
      const name = legendOf(each, target)
      const field = fieldOf(panel, name, target.refId)
      const stretches: Stretch[] = []
      for (const { at, value } of each.samples) {
        const { text, color } = shownOf(value, field)
        const last = stretches.at(-1)
        if (last?.text === text && at - last.to <= span.stepSeconds * 1.5) last.to = at
        else stretches.push({ from: at, to: at, text, color: colorOf(color) })
      }
      const bars = stretches.map((stretch) => drawStretch(stretch, span)).join('')
      return div('line', div('name', escaped(name)) + div('lane', bars))
    }),
  )
  return div('timeline', rows.join(''))
}

function drawStretch({ from, to, text, color }: Stretch, { start, end, stepSeconds }: Span): string {
  const percent = (seconds: number) => `${((seconds / (end - start)) * 100).toFixed(2)}%`
  const style = `left:${percent(from - start)};width:${percent(to + stepSeconds - from)};background:${color}`
  return div('stretch', escaped(text), style)
}
