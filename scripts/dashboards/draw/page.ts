// One page that shows a dashboard as Grafana lays it out, with everything in it that it needs.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Dashboard, type Panel, unfolded } from './dashboard.js'
import { type Answer, askPanel, type Question, spanOf } from './data.js'
import { div, escaped } from './html.js'
import { style } from './style.js'
import { drawTable } from './table.js'
import { type Chart, chartOf } from './time-series.js'
import { drawTimeline } from './timeline.js'
import { drawBars, drawStat } from './values.js'

const require = createRequire(import.meta.url)

const COLUMNS = 24
const ROW_PX = 38
const GAP_PX = 8

/** Draws the charts that the page holds as JSON. */
const script = `
for (const place of document.querySelectorAll('.chart')) {
  const { times, lines, range, ticks, labels } = JSON.parse(place.querySelector('script').textContent)
  const grid = { stroke: 'rgba(204,204,220,.07)', width: 1 }
  const axis = { stroke: 'rgba(204,204,220,.65)', font: '11px sans-serif', grid, ticks: { show: false } }
  const bars = uPlot.paths.bars({ size: [0.8, 60] })
  new uPlot({
    width: place.clientWidth, height: place.clientHeight, legend: { show: false }, cursor: { show: false },
    scales: { x: { range: [times[0], times.at(-1)] }, y: { range } },
    axes: [{ ...axis, size: 22 }, { ...axis, size: 62, splits: () => ticks, values: () => labels }],
    series: [{}, ...lines.map(({ color, fill, bars: isBars }) =>
      ({ stroke: color, fill, width: 1.3, points: { show: false }, ...(isBars ? { paths: bars } : {}) }))],
  }, [times, ...lines.map(({ values }) => values)], place)
}
`

function embedded(chart: Chart): string {
  return `<script type="application/json">${JSON.stringify(chart).replaceAll('<', '\\u003c')}</script>`
}

function bodyOf(panel: Panel, answers: readonly Answer[], question: Question): string {
  const span = spanOf(panel, question)
  if (panel.targets?.length && answers.every(({ series }) => series.length === 0) && panel.type !== 'stat')
    return div('empty', escaped(panel.fieldConfig?.defaults.noValue ?? 'No data'))
  switch (panel.type) {
    case 'timeseries': {
      const { chart, legend } = chartOf(panel, answers, span)
      const { placement } = (panel.options?.legend ?? {}) as { placement?: string }
      return div(
        `plot ${placement === 'right' ? 'right-legend' : ''}`,
        div('chart', embedded(chart)) + legend,
      )
    }
    case 'stat':
      return drawStat(panel, answers)
    case 'bargauge':
    case 'gauge':
      return drawBars(panel, answers)
    case 'table':
      return drawTable(panel, answers)
    case 'state-timeline':
      return drawTimeline(panel, answers, span)
    case 'text':
      return div('text', escaped(String(panel.options?.content ?? '')))
    default:
      throw new RangeError(`a panel of type ${panel.type} is not known to the drawing: ${panel.title}`)
  }
}

async function drawPanel(panel: Panel, question: Question): Promise<string> {
  const { x, y, w, h } = panel.gridPos
  const place =
    `left:${(x / COLUMNS) * 100}%;width:calc(${(w / COLUMNS) * 100}% - ${GAP_PX}px);` +
    `top:${y * ROW_PX}px;height:${h * ROW_PX - GAP_PX}px`
  if (panel.type === 'row')
    return div(panel.panels?.length ? 'row folded' : 'row', escaped(panel.title), place)
  const answers = await askPanel(panel, question)
  const title = `<h2 title="${escaped(panel.description ?? '')}">${escaped(panel.title)}</h2>`
  return div('panel', title + div('body', bodyOf(panel, answers, question)), place)
}

/** The whole page, as HTML that loads nothing. */
export async function drawPage(dashboard: Dashboard, question: Question): Promise<string> {
  const panels = unfolded(dashboard)
  const drawn = await Promise.all(panels.map((panel) => drawPanel(panel, question)))
  const rows = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h))
  const uplot = dirname(require.resolve('uplot/package.json'))
  const read = (file: string) => readFileSync(join(uplot, 'dist', file), 'utf8')
  const title = escaped(dashboard.title)
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${title}</title>
<style>${read('uPlot.min.css')}${style}</style>
<h1>${title}</h1>
<main style="height:${rows * ROW_PX}px">${drawn.join('\n')}</main>
<script>${read('uPlot.iife.min.js')}${script}</script>
</html>
`
}
