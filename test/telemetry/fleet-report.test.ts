import { expect, test } from 'vitest'
import { metricDeclarations } from '../../src/telemetry/metric-table.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, rowsTo } from '../helpers/mail-flow.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }

/** Value of each series of the fleet, which every worker shows. */
async function sharedGauges(worker: { readonly metrics: { expose(): Promise<string> } }) {
  const lines = (await worker.metrics.expose()).split('\n')
  const shared = Object.entries(metricDeclarations).filter(([, { help }]) => help.includes('never sum'))
  const isShared = (line: string) => shared.some(([name]) => line.match(/^\w+/)?.[0] === name)
  return new Map(
    lines.filter(isShared).map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))] as const
    }),
  )
}

function jobsOf(gauges: ReadonlyMap<string, number>): number {
  const states = ['waiting', 'packed', 'active', 'delayed']
  return states.reduce(
    (sum, state) => sum + (gauges.get(`fluxmail_jobs{lane="bulk",state="${state}"}`) ?? 0),
    0,
  )
}

test('what is of the whole fleet is the same from every worker, and its help says that it is not to be summed', async () => {
  await using flow = await openMailFlow()
  const limits = { ratePerSecond: 0.001, burst: 1, maxConnections: 6, perDay: 500 }
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ...limits } }
  const workers = [await flow.work({ relays }), await flow.work({ relays })]
  await flow.queue.enqueueBatch(rowsTo(5), content)
  await eventually('one was sent, and the others wait', () => flow.sink.messages.length === 1)
  const all = await eventually('both workers are known, and what was sent is counted', async () => {
    const found = await Promise.all(workers.map(sharedGauges))
    return found.every((gauges) => gauges.get('fluxmail_workers') === 2 && jobsOf(gauges) === 4)
      ? found
      : undefined
  })
  for (const gauges of all) {
    expect(gauges.get('fluxmail_limit_rate{relay="main",provider="all"}')).toBe(0.001)
    expect(gauges.get('fluxmail_limit_connections{relay="main"}')).toBe(6)
    expect(gauges.get('fluxmail_limit_day{relay="main"}')).toBe(500)
    expect(gauges.get('fluxmail_day_messages{relay="main"}')).toBe(1)
  }
})

test('a limit that was taken away has no value any more', async () => {
  await using flow = await openMailFlow()
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ratePerSecond: 7 } }
  const worker = await flow.work({ relays })
  const series = 'fluxmail_limit_rate{relay="main",provider="all"}'
  expect((await sharedGauges(worker)).get(series)).toBe(7)
  await flow.queue.limits.set('main', { ratePerSecond: null })
  expect((await sharedGauges(worker)).has(series)).toBe(false)
})

test('a delivery that waits for its permit is counted with relay, provider and lane', async () => {
  await using flow = await openMailFlow()
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ratePerSecond: 10, burst: 2.5 } }
  const worker = await flow.work({ relays })
  await flow.queue.enqueueBatch(rowsTo(20), content)
  await eventually('all were sent', () => flow.sink.messages.length === 20)
  const text = await worker.metrics.expose()
  const counted = /^fluxmail_throttled_seconds_total\{relay="main",provider="other",lane="bulk"\} (\S+)$/m
  expect(Number(counted.exec(text)?.[1])).toBeGreaterThan(1)
  expect(text).toMatch(/^fluxmail_permit_wait_seconds_count\{.*relay="main",lane="bulk".*\} [1-9]/m)
  expect(text).toMatch(/^fluxmail_permits\{relay="main"\} /m)
})
