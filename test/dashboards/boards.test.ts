import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'
import { readRules } from '../../scripts/alerts-table.js'
import { dashboardFiles } from '../../scripts/dashboards/boards.js'
import { type Place, panelsOf, readDashboard, unfolded } from '../../scripts/dashboards/draw/dashboard.js'
import { limits } from '../../scripts/dashboards/limits.js'
import { provisioned } from '../../scripts/dashboards/source.js'
import { metricDeclarations } from '../../src/telemetry/metric-table.js'
import { labelsOf, metricsOf, sumsOfShared, variablesOf } from './promql-reading.js'

const root = join(import.meta.dirname, '..', '..')
const grafana = join(root, 'deploy', 'grafana')
const files = ['overview', 'batches', 'runbook'].map((name) => `deploy/grafana/dashboards/${name}.json`)
const boards = files.map((file) => readDashboard(join(root, file)))
const names = new Set(Object.keys(metricDeclarations))

const queriesOf = (board: (typeof boards)[number]) => [
  ...panelsOf(board).flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
  ...(board.annotations?.list ?? []).map(({ name, expr = '' }) => ({ title: name, expr })),
]

test('the files are what `npm run docs` writes', () => {
  const fresh = dashboardFiles()
  expect(Object.keys(fresh)).toEqual(files)
  expect(readdirSync(join(grafana, 'dashboards')).sort()).toEqual([
    'batches.json',
    'overview.json',
    'runbook.json',
  ])
  for (const [file, text] of Object.entries(fresh)) expect(readFileSync(join(root, file), 'utf8')).toBe(text)
})

describe.each(boards)('the dashboard $title', (board) => {
  const queries = queriesOf(board)

  it('asks only for metrics that are declared, by labels that they have', () => {
    for (const { title, expr } of queries) {
      const metrics = metricsOf(expr)
      expect(metrics.length, title).toBeGreaterThan(0)
      for (const metric of metrics) expect(names, `${title}: ${metric}`).toContain(metric)
      const labels = new Set(metrics.flatMap((metric) => labelsOf(metric)))
      for (const label of usedLabels(expr)) expect(labels, `${title}: ${label}`).toContain(label)
    }
  })

  it('sums up nothing that is the same from every worker', () => {
    expect(
      queries.flatMap(({ title, expr }) => sumsOfShared(expr).map((part) => `${title}: ${part}`)),
    ).toEqual([])
  })

  it('uses only variables that it has, in queries of their labels', () => {
    const known = new Set(board.templating.list.map(({ name }) => name))
    for (const { title, expr } of queries) {
      for (const name of variablesOf(expr)) {
        expect(known.has(name) || ['__rate_interval', '__range'].includes(name), `${title}: ${name}`).toBe(
          true,
        )
      }
    }
    for (const { query, name, type } of board.templating.list) {
      if (type !== 'query') continue
      const text = typeof query === 'string' ? query : (query?.query ?? '')
      const [, metric = '', label] = /^label_values\((\w+), (\w+)\)$/.exec(text) ?? []
      expect(label).toBe(name)
      expect(labelsOf(metric)).toContain(label)
    }
  })

  it('says of every panel what it shows and what to do, with an id of its own', () => {
    const panels = panelsOf(board)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const { title, description = '', type } of panels)
      if (type !== 'row') expect(description.length, title).toBeGreaterThan(40)
  })

  it('has every panel on the grid, wide enough to read, over no other', () => {
    const [taken, overlaps] = [new Set<string>(), [] as string[]]
    for (const { title, gridPos } of unfolded(board)) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      expect(gridPos.w, title).toBeGreaterThanOrEqual(4)
      for (const cell of cellsOf(gridPos)) {
        if (taken.has(cell)) overlaps.push(`${title} at ${cell}`)
        taken.add(cell)
      }
    }
    expect(overlaps).toEqual([])
  })

  it('has below a folded row nothing of that row, and what is in it under it', () => {
    for (const [at, { panels = [], gridPos, title }] of board.panels.entries()) {
      const next = board.panels[at + 1]
      if (panels.length === 0) continue
      if (next) expect(next.gridPos.y, title).toBe(gridPos.y + 1)
      for (const inside of panels) expect(inside.gridPos.y, inside.title).toBeGreaterThan(gridPos.y)
    }
  })

  it('has a name for every column of its tables', () => {
    for (const { title, type, targets = [], transformations = [] } of panelsOf(board)) {
      if (type !== 'table') continue
      const { options } = transformations.find(({ id }) => id === 'organize') ?? {}
      const names = Object.keys((options as { renameByName: object }).renameByName)
      for (const { expr } of targets) {
        // What a query is grouped by first are the labels that it gives.
        const [, by = ''] = /\bby \(([\w, ]+)\)/.exec(expr) ?? []
        const labels = by.split(', ').filter((label) => label !== 'le')
        expect(names, `${title}: ${expr}`).toEqual(expect.arrayContaining(labels))
      }
    }
  })

  it('links to alerts that there are, and to dashboards that there are', () => {
    const alerts = new Set(readRules().alerts.map(({ alert }) => alert))
    const text = JSON.stringify(board)
    for (const [, alert = ''] of text.matchAll(/What to do: (\w+)/g)) expect(alerts).toContain(alert)
    const uids = new Set(boards.map(({ uid }) => uid))
    for (const [, uid = ''] of text.matchAll(/"\/d\/([\w-]+)"/g)) expect(uids).toContain(uid)
  })

  it('asks the data source that is provisioned', () => {
    const variable = board.templating.list.find(({ type }) => type === 'datasource')
    for (const { targets = [] } of panelsOf(board))
      for (const target of targets)
        expect(target).toMatchObject({ datasource: { uid: `$${variable?.name}` } })
    if (variable) expect(variable).toMatchObject({ current: { value: provisioned.uid } })
  })
})

function cellsOf({ x, y, w, h }: Place): string[] {
  return Array.from({ length: w * h }, (_none, at) => `${x + (at % w)},${y + Math.floor(at / w)}`)
}

/** In selectors, and in `by` and `on`. */
function usedLabels(expr: string): string[] {
  const selectors = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = '']) =>
    [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  )
  const groups = [...expr.matchAll(/\b(?:by|on|group_left) \(([\w, ]*)\)/g)].flatMap(([, inside = '']) =>
    inside.split(',').map((label) => label.trim()),
  )
  return [...selectors, ...groups].filter((label) => label !== '')
}

test('the threshold of a panel is that of its alert', () => {
  const { alerts, records } = readRules()
  for (const [name, limit] of Object.entries(limits)) {
    const rules = alerts.filter(({ alert }) => alert === name).map(({ expr }) => expr)
    const text = [...rules, ...records.map(({ expr }) => expr)].join('\n').replace('6 * 3600', '21600')
    for (const each of [limit].flat()) expect(text, name).toMatch(new RegExp(`> ${each}(?![\\d.])`))
  }
})

test('the data source and the provider of dashboards are what the dashboards count on', () => {
  const read = (...path: string[]) => parse(readFileSync(join(grafana, 'provisioning', ...path), 'utf8'))
  const [source] = read('datasources', 'prometheus.yml').datasources
  expect(source).toMatchObject({ ...provisioned, type: 'prometheus', isDefault: true })
  const prometheus = parse(readFileSync(join(root, 'deploy', 'prometheus', 'prometheus.yml'), 'utf8'))
  expect(source.jsonData.timeInterval).toBe(prometheus.global.scrape_interval)
  const [provider] = read('dashboards', 'fluxmail.yml').providers
  expect(provider).toMatchObject({ type: 'file', allowUiUpdates: false })
  expect(existsSync(join(grafana, 'dashboards'))).toBe(true)
})
