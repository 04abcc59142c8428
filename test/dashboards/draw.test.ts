import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Dashboard, type Panel, unfolded } from '../../scripts/dashboards/draw/dashboard.js'
import { drawPage } from '../../scripts/dashboards/draw/page.js'
import { tableOf } from '../../scripts/dashboards/draw/table.js'
import { inUnit } from '../../scripts/dashboards/draw/unit.js'

/** Says the same to every query: of two relays, one with a name that a page must not take for its own. */
const server = createServer((request, response) => {
  const series = [
    ['main', 3],
    ['<b>', 0],
  ].map(([relay, value]) => ({
    metric: { relay },
    ...(request.url === '/api/v1/query'
      ? { value: [60, `${value}`] }
      : {
          values: [
            [0, '1'],
            [60, `${value}`],
          ],
        }),
  }))
  response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: series } }))
})

let url = ''
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

function boardOf(panel: Partial<Panel>): Dashboard {
  const place = { x: 0, y: 0, w: 12, h: 8 }
  const targets = [{ refId: 'A', expr: 'x', legendFormat: '{{relay}}' }]
  const whole = { id: 1, title: 'Title', type: 'stat', gridPos: place, targets, ...panel }
  return { uid: 'x', title: 'Board', panels: [whole], templating: { list: [] }, time: { from: '', to: '' } }
}

const draw = (panel: Partial<Panel>) =>
  drawPage(boardOf(panel), { url, choice: {}, start: 0, end: 60, scrapeSeconds: 5 })

test.each(['stat', 'bargauge', 'table', 'timeseries', 'state-timeline'])(
  'a %s shows every series by its name',
  async (type) => {
    const page = await draw({ type })
    expect(page).toContain('main')
    expect(page).toContain('&lt;b&gt;')
    expect(page).not.toContain('<b>')
  },
)

test('a number has the colour of its threshold and the word of its mapping', async () => {
  const steps = [
    { color: 'green', value: null },
    { color: '#123456', value: 3 },
  ]
  const mappings = [{ type: 'value', options: { 0: { text: 'closed', color: 'red' } } }] as const
  const page = await draw({ fieldConfig: { defaults: { thresholds: { steps }, mappings } } })
  expect(page).toContain('color:#123456')
  expect(page).toContain('closed')
})

test('a panel that it cannot draw as it is meant is an error', async () => {
  await expect(draw({ type: 'heatmap' })).rejects.toThrow('heatmap')
  await expect(draw({ fieldConfig: { defaults: { unit: 'furlongs' } } })).rejects.toThrow('furlongs')
  await expect(draw({ type: 'table', transformations: [{ id: 'twist' }] })).rejects.toThrow('twist')
})

test('a folded row is drawn open, and what is below it moves down', async () => {
  const at = (y: number, panel: Partial<Panel> = {}): Panel => ({
    ...{ id: y, title: `at ${y}`, type: 'stat', gridPos: { x: 0, y, w: 24, h: y === 2 ? 4 : 1 } },
    ...panel,
  })
  const panels = [
    at(0),
    at(1, { type: 'row', panels: [at(2)] }),
    at(2, { gridPos: { x: 0, y: 2, w: 24, h: 1 } }),
  ]
  expect(unfolded({ panels }).map(({ gridPos: { y, h } }) => [y, h])).toEqual([
    [0, 1],
    [1, 1],
    [2, 4],
    [6, 1],
  ])
})

test('rows of several queries are one where they speak of the same', () => {
  const answer = (refId: string, values: Record<string, number>) => ({
    query: '',
    target: { refId, expr: '' },
    series: Object.entries(values).map(([relay, value]) => ({
      labels: { relay },
      samples: [{ at: 1, value }],
    })),
  })
  const organize = { excludeByName: { Time: true }, renameByName: { 'Value #A': 'sent', 'Value #B': 'open' } }
  const rows = tableOf(
    [answer('A', { a: 1, b: 2 }), answer('B', { b: 3 })],
    [{ id: 'merge' }, { id: 'organize', options: organize }],
  )
  expect(rows.map((row) => Object.fromEntries(row))).toEqual([
    { relay: 'a', sent: 1 },
    { relay: 'b', sent: 2, open: 3 },
  ])
})

test.each([
  [0.0042, 's', '4.20 ms'],
  [90, 's', '1.50 mins'],
  [0.995, 'percentunit', '99.5%'],
  [1536, 'bytes', '1.50 KiB'],
  [12_345, 'short', '12.3 K'],
  [3, 'suffix:/s', '3 /s'],
])('%d in %s is %s', (value, unit, text) => {
  expect(inUnit(value, unit)).toBe(text)
})
