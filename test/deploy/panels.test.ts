import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { askInstant, type Series } from '../../scripts/dashboards/draw/ask.js'
import { choose } from '../../scripts/dashboards/draw/choose.js'
import {
  type Dashboard,
  type Panel,
  panelsOf,
  readDashboard,
} from '../../scripts/dashboards/draw/dashboard.js'
import { askPanel, type Question, spanOf } from '../../scripts/dashboards/draw/data.js'
import { fill } from '../../scripts/dashboards/draw/fill.js'
import { eventually } from '../helpers/eventually.js'
import { findProgram, requireProgram } from '../helpers/programs.js'
import { openStage, SCRAPE_SECONDS, type Stage } from './panels/stage.js'

const root = join(import.meta.dirname, '..', '..')
const alerts = join(root, 'deploy', 'prometheus', 'alerts.yml')
const boards = ['overview', 'batches'].map((name) =>
  readDashboard(join(root, 'deploy', 'grafana', 'dashboards', `${name}.json`)),
)

interface Rule {
  readonly name: string
  readonly health: string
  readonly lastError?: string
}

let stage: Stage
beforeAll(async () => {
  if (findProgram('prometheus')) stage = await openStage([alerts])
}, 120_000)
afterAll(() => stage?.[Symbol.asyncDispose]())
beforeEach((context) => void requireProgram(context, 'prometheus'))

/** As a dashboard asks that shows the time since `start`. */
async function question(
  board: Dashboard,
  how: 'all' | 'each',
  { start, end }: { start: number; end: number } = stage,
): Promise<Question> {
  const url = stage.prometheus.url
  const place = { w: 24, h: 8, x: 0, y: 0 }
  const times = { url, start, end, scrapeSeconds: SCRAPE_SECONDS }
  const span = spanOf({ gridPos: place }, { ...times, choice: {} })
  return { ...times, choice: await choose(url, board, how, span) }
}

const hasData = (series: readonly Series[]) =>
  series.some(({ samples }) => samples.some(({ value }) => Number.isFinite(value)))

const panelsWithQueries = (board: Dashboard): Panel[] =>
  panelsOf(board).filter(({ targets = [] }) => targets.length > 0)

describe.each(boards)('the dashboard $title', (board) => {
  describe.each(panelsWithQueries(board))('has data for the panel $title', (panel) => {
    it.each(['all', 'each'] as const)('in every query, its variables at %s', async (how) => {
      const answers = await askPanel(panel, await question(board, how))
      const empty = answers.filter(({ series }) => !hasData(series)).map(({ query }) => query)
      expect(empty).toEqual([])
    })
  })

  it('has values for every variable', async () => {
    const { choice } = await question(board, 'each')
    const names = board.templating.list.filter(({ type }) => type !== 'datasource').map(({ name }) => name)
    for (const name of names) expect(choice[name], name).not.toHaveLength(0)
  })

  it('has something to mark by every annotation', async () => {
    const asked = await question(board, 'all')
    const span = spanOf({ gridPos: { w: 24, h: 8, x: 0, y: 0 } }, asked)
    for (const { name, expr } of board.annotations?.list ?? []) {
      if (expr === undefined) continue
      const series = await stage.prometheus.queryRange(fill(expr, asked.choice, span), span)
      expect(hasData(series), name).toBe(true)
    }
  })
})

it('the file of the alerts is loaded whole, and every rule of it can be evaluated', async () => {
  const rules = await eventually('all rules were evaluated', async () => {
    const { groups } = (await stage.prometheus.ask('/api/v1/rules')) as { groups: { rules: Rule[] }[] }
    const all = groups.flatMap((group) => group.rules)
    return all.every(({ health }) => health !== 'unknown') ? all : undefined
  })
  expect(rules.length).toBeGreaterThan(10)
  expect(rules.filter(({ health }) => health !== 'ok')).toEqual([])
  expect(stage.prometheus.log).not.toMatch(/level=(warn|error)/)
})

it('the series of a batch end with it', async () => {
  const ids = stage.batches.map(({ id }) => id)
  const seriesOf = (at?: number) =>
    askInstant(stage.prometheus.url, `{__name__=~"fluxmail_batch_.*", batch=~"${ids.join('|')}"}`, at)
  expect(await seriesOf(stage.end)).not.toEqual([])
  await stage.finish()
  await eventually('no series of them', async () => (await seriesOf()).length === 0, {
    withinMs: 15_000,
    everyMs: 250,
  })
}, 90_000)
