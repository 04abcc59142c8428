import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { alertsPath } from '../../scripts/alerts-table.js'
import { freePort } from '../../src/cli/free-port.js'
import { eventually } from '../helpers/eventually.js'
import { openMailFlow, quickLanes, rowsTo } from '../helpers/mail-flow.js'
import { requireProgram } from '../helpers/programs.js'
import { openPrometheus, type Prometheus } from '../helpers/prometheus.js'
import { startWorker } from '../helpers/worker-process.js'

const content = { subject: 'Hello', text: 'Hello {{ name }}', sender: 'news@example.com' }
const login = { username: 'shop', password: 'right' }

/** A folder of its own with the rules, whose alerts need to hold for a second only. */
async function hastyRules() {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-alerts-'))
  const path = join(folder, 'alerts.yml')
  const rules = await readFile(alertsPath, 'utf8')
  await writeFile(path, rules.replaceAll(/^( +for:) .*$/gm, '$1 1s'))
  return { folder, path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

interface Alert {
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

async function firing(prometheus: Prometheus): Promise<Alert[]> {
  const { alerts } = (await prometheus.ask('/api/v1/alerts')) as { alerts: Alert[] }
  return alerts.filter(({ state }) => state === 'firing')
}

/** Resolves to what the alert with these labels says, once it fires. */
async function fires(prometheus: Prometheus, alert: string, labels: Record<string, string>): Promise<string> {
  const wanted = Object.entries({ alertname: `FluxMail${alert}`, ...labels })
  const found = await eventually(
    `${alert} fires`,
    async () =>
      (await firing(prometheus)).find((each) => wanted.every(([name, value]) => each.labels[name] === value)),
    { withinMs: 40_000, everyMs: 250 },
  )
  return found.annotations.description ?? ''
}

it('fires by what a real worker measures: relays down, logins refused, outcomes unknown, and no worker left', async (context) => {
  requireProgram(context, 'prometheus')
  await using rules = await hastyRules()
  await using flow = await openMailFlow({ auth: login })
  const here = { host: '127.0.0.1', port: flow.sink.smtpPort, finalReplyTimeoutMs: 5_000 }
  const relays = {
    main: { ...here, ...login },
    away: { ...here, port: await freePort() },
    locked: { ...here, ...login, password: 'wrong' },
  }
  const routes = { default: ['main'], away: ['away'], locked: ['locked'] }
  const config = join(rules.folder, 'config.json')
  await writeFile(config, JSON.stringify({ relays, routes, lanes: quickLanes }))
  const env = { FLUXMAIL_REDIS_URL: flow.redisUrl, FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config }
  await using worker = await startWorker({ env })
  await using prometheus = await openPrometheus({
    ruleFiles: [rules.path],
    targets: { 'fluxmail-worker': [`127.0.0.1:${worker.httpPort}`] },
  })
  await prometheus.scraped()
  await eventually(
    'both rounds are over',
    async () =>
      (await prometheus.query('fluxmail_build_info')).length === 1 && (await firing(prometheus)).length === 0,
    { withinMs: 20_000, everyMs: 250 },
  )

  await flow.queue.enqueueBatch(rowsTo(20), content, { route: 'away' })
  const down = await fires(prometheus, 'RelayCircuitOpen', { relay: 'away', severity: 'page' })
  expect(down).toBe('Relay away: its circuit is open.')

  await flow.queue.enqueueBatch(rowsTo(20), content, { route: 'locked' })
  const refused = await fires(prometheus, 'AuthenticationFailing', { relay: 'locked' })
  expect(refused).toMatch(/^Relay locked refused the login [\d.]+ times in 10 minutes\.$/)

  const rows = [...rowsTo(10), { to: 'lost-1@example.com', name: 'Lost' }]
  await flow.queue.enqueueBatch(rows, content)
  const unknown = await fires(prometheus, 'UnknownOutcomes', { lane: 'bulk', severity: 'ticket' })
  expect(unknown).toBe('Lane bulk: 1 deliveries.')
  await fires(prometheus, 'RelayCircuitOpen', { relay: 'away', severity: 'ticket' })
  const pages = (await firing(prometheus)).filter(({ labels }) => labels.severity === 'page')
  expect(pages.map(({ labels }) => labels.alertname)).toEqual([])

  await worker.kill()
  expect(await fires(prometheus, 'NoWorkers', { severity: 'page' })).toBe('Prometheus scrapes no worker.')
}, 180_000)
