import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, quickLanes, rowsTo } from '../helpers/mail-flow.js'
import { startWorker, type WorkerProcess } from '../helpers/worker-process.js'

const content = { subject: 'Hello {{ name }}', text: 'Dear {{ name }}', sender: 'news@example.com' }
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function startFor(flow: MailFlow, env: Record<string, string | number> = {}): Promise<WorkerProcess> {
  const config = join(folder, `${flow.name}.json`)
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort } }
  await writeFile(config, JSON.stringify({ relays, lanes: quickLanes }))
  return startWorker({ env: { FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config, ...env } })
}

function expectOneCopyEach(flow: MailFlow, count: number): void {
  const copies = [...flow.sink.copies().values()]
  expect(copies).toHaveLength(count)
  expect(copies.filter((number) => number !== 1)).toEqual([])
}

async function metrics(worker: WorkerProcess): Promise<string> {
  return (await fetch(`http://127.0.0.1:${worker.httpPort}/metrics`)).text()
}

function metric(text: string, name: string, labels = ''): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('two worker processes share a batch of 5 000, and every recipient gets exactly one copy', async () => {
  await using flow = await openMailFlow()
  await using first = await startFor(flow)
  await using second = await startFor(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(5000), content)
  const result = await batch.wait({ intervalMs: 50 })
  expect(result).toMatchObject({ total: 5000, sent: 5000, failed: 0, unknown: 0, pending: 0 })
  expectOneCopyEach(flow, 5000)
  const counts = await Promise.all(
    [first, second].map(async (worker) =>
      metric(await metrics(worker), 'fluxmail_messages_sent_total', 'lane="bulk"'),
    ),
  )
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5000)
  expect(Math.min(...counts)).toBeGreaterThan(500)
}, 60_000)

test('a worker stopped in the middle of a batch loses nothing and sends nothing twice', async () => {
  await using flow = await openMailFlow({ latencyMs: 5 })
  const first = await startFor(flow)
  const batch = await flow.queue.enqueueBatch(rowsTo(1500), content)
  await flow.sink.waitForMessages(300)
  const stopped = await first.stop()
  expect(stopped).toEqual({ code: 0, signal: null })
  const atStop = await batch.status()
  expect(atStop.sent).toBe(flow.sink.messages.length)
  expect(atStop.pending).toBe(1500 - atStop.sent)
  expect(atStop.pending).toBeGreaterThan(0)
  await using _second = await startFor(flow)
  expect(await batch.wait({ intervalMs: 50 })).toMatchObject({ sent: 1500, unknown: 0, pending: 0 })
  expectOneCopyEach(flow, 1500)
}, 60_000)

test('a worker killed in the middle of a batch loses nothing; only what was in the window may be unknown', async () => {
  await using flow = await openMailFlow({ latencyMs: 5 })
  const config = join(folder, `${flow.name}.json`)
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort } }
  await writeFile(config, JSON.stringify({ relays, lanes: quickLanes, lockMs: 1000 }))
  const env = { FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config }
  const first = await startWorker({ env })
  const batch = await flow.queue.enqueueBatch(rowsTo(1000), content)
  await flow.sink.waitForMessages(200)
  await first.kill()
  await using _second = await startWorker({ env })
  const result = await batch.wait({ intervalMs: 50 })
  expect(result.sent + result.unknown).toBe(1000)
  expect(result.unknown).toBeLessThanOrEqual(20)
  const copies = [...flow.sink.copies().values()]
  expect(copies.filter((number) => number > 1)).toEqual([])
  expect(copies.length).toBeGreaterThanOrEqual(result.sent)
}, 60_000)

test('a rate of 50 a second is kept within 10 %, as the sink saw it', async () => {
  await using flow = await openMailFlow()
  await using _worker = await startFor(flow, { FLUXMAIL_MAX_PER_WORKER_PER_SECOND: 50 })
  // Never more; less only where others keep the machine busy, and then not each time.
  let perSecond = 0
  for (let round = 1; round <= 3 && perSecond < 45; round += 1) {
    await flow.sink.clear()
    await flow.queue.enqueueBatch(rowsTo(400), content)
    await flow.sink.waitForMessages(400)
    const times = flow.sink.messages.map((message) => message.receivedAt)
    // From the fiftieth on, so that starting up does not count.
    const [first = 0, last = 0] = [times[49], times.at(-1)]
    perSecond = 350 / ((last - first) / 1000)
    expect(perSecond).toBeLessThan(55)
    const busiest = Math.max(
      ...times.map((start) => times.filter((time) => time >= start && time < start + 1000).length),
    )
    expect(busiest).toBeLessThanOrEqual(58)
  }
  expect(perSecond).toBeGreaterThan(45)
}, 90_000)

test('connections are kept across messages, and the metrics say so', async () => {
  await using flow = await openMailFlow()
  await using worker = await startFor(flow)
  const batch = await flow.queue.enqueueBatch(
    rowsTo(500, (index) => `${index % 50 ? 'r' : 'reject-'}${index}@example.com`),
    content,
  )
  await batch.wait({ intervalMs: 20 })
  const text = await metrics(worker)
  const of = (name: string, labels?: string) => metric(text, name, labels)
  expect(of('fluxmail_messages_total', 'relay="main"')).toBe(500)
  expect(of('fluxmail_messages_sent_total')).toBe(490)
  expect(of('fluxmail_messages_failed_total')).toBe(10)
  expect(of('fluxmail_attempts_total', 'outcome="failed"')).toBe(10)
  expect(of('fluxmail_smtp_duration_seconds_count')).toBe(500)
  expect(of('fluxmail_queue_seconds_count', 'lane="bulk"')).toBe(500)
  expect(of('fluxmail_smtp_connections_opened_total')).toBeLessThanOrEqual(10)
  expect(of('fluxmail_smtp_connections_opened_total')).toBe(flow.sink.connections)
})

test('health and readiness are told apart', async () => {
  await using flow = await openMailFlow()
  await using worker = await startFor(flow)
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${worker.httpPort}${path}`)).status
  expect(await get('/healthz')).toBe(200)
  await eventually('it is ready', async () => (await get('/readyz')) === 200)
})

test('each delivery is one log line with ids, relay, outcome, reply code and duration, and no address or subject', async () => {
  await using flow = await openMailFlow()
  await using worker = await startFor(flow)
  const rows = [{ to: 'ada.lovelace@example.com', name: 'Topsecret' }, { to: 'reject-babbage@example.com' }]
  const batch = await flow.queue.enqueueBatch(rows, content)
  await batch.wait({ intervalMs: 20 })
  await worker.stop()
  const lines = worker.stdout.filter((line) => (line as { msg?: string }).msg === 'delivery')
  expect(lines).toHaveLength(2)
  const sent = {
    delivery: `${batch.id}.0`,
    lane: 'bulk',
    batch: batch.id,
    relay: 'main',
    outcome: 'sent',
    code: 250,
  }
  expect(lines).toContainEqual(expect.objectContaining({ ...sent, durationMs: expect.any(Number) }))
  expect(lines).toContainEqual(
    expect.objectContaining({ delivery: `${batch.id}.1`, outcome: 'failed', code: 550 }),
  )
  const all = JSON.stringify(worker.stdout) + worker.stderr
  for (const secret of ['ada.lovelace', 'babbage', 'Topsecret']) expect(all).not.toContain(secret)
})

test('a wrong environment is refused with a list of what is wrong', async () => {
  const env = { FLUXMAIL_HOST: '127.0.0.1', FLUXMAIL_PORT: 'many', FLUXMAIL_TLS: 'maybe' }
  await expect(startWorker({ env })).rejects.toThrow(
    /FLUXMAIL_PORT must be a whole number[\s\S]*FLUXMAIL_TLS must be true/,
  )
  await expect(startWorker({})).rejects.toThrow(/no relay is configured: set FLUXMAIL_HOST/)
  await expect(startWorker({ env: { FLUXMAIL_CONFIG: '/nosuch.json' } })).rejects.toThrow(/nosuch.json/)
})

test('a second signal ends a worker at once that waits for a slow relay', async () => {
  await using flow = await openMailFlow()
  const worker = await startFor(flow)
  await flow.queue.enqueueBatch([{ to: 'slow-20-x@example.com' }], content)
  await flow.sink.waitForMessages(1)
  worker.signal('SIGTERM')
  await eventually('it is draining', async () => {
    const answer = await fetch(`http://127.0.0.1:${worker.httpPort}/readyz`)
    return answer.status === 503
  })
  worker.signal('SIGTERM')
  expect(await worker.exited).toEqual({ code: 1, signal: null })
})
