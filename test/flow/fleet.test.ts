import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { type MailFlow, openMailFlow, quickLanes, rowsTo } from '../helpers/mail-flow.js'
import { startWorker, type WorkerProcess } from '../helpers/worker-process.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function startFor(flow: MailFlow, limits: object): Promise<WorkerProcess> {
  const config = join(folder, `${flow.name}.json`)
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort, ...limits } }
  await writeFile(config, JSON.stringify({ relays, lanes: quickLanes }))
  return startWorker({ env: { FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config } })
}

async function sentBy(worker: WorkerProcess): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${worker.httpPort}/metrics`)).text()
  const counts = [...text.matchAll(/^fluxmail_messages_sent_total\{.*\} (\d+)$/gm)]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}

test('a limit that is set is kept to by all worker processes within a second, and outlives them', async () => {
  await using flow = await openMailFlow()
  const workers = [await startFor(flow, { ratePerSecond: 1 }), await startFor(flow, { ratePerSecond: 1 })]
  await flow.queue.enqueueBatch(rowsTo(2_000), content)
  await eventually('the first has arrived', () => flow.sink.messages.length > 0)
  await flow.queue.limits.set('main', { ratePerSecond: 300 })
  const setAt = performance.now()
  const before = flow.sink.messages.length
  await eventually('far more than one a second arrive', () => flow.sink.messages.length >= before + 20)
  expect(performance.now() - setAt).toBeLessThan(1_000)
  await eventually('both send', async () => Math.min(...(await Promise.all(workers.map(sentBy)))) >= 20)
  await Promise.all(workers.map((worker) => worker.stop()))
  await using _third = await startFor(flow, { ratePerSecond: 1 })
  const [status] = await flow.queue.limits.list('main')
  expect(status?.buckets[0]?.ratePerSecond).toEqual({ configured: 1, set: 300, now: 300 })
}, 60_000)

test('a worker that was killed is in no list after six seconds, and one that was stopped at once', async () => {
  await using flow = await openMailFlow()
  const [killed, stopped] = [await startFor(flow, {}), await startFor(flow, {})]
  const pids = async () => (await flow.queue.workers()).map(({ pid }) => pid)
  expect((await pids()).toSorted()).toEqual([killed.pid, stopped.pid].toSorted())
  await killed.kill()
  const killedAt = performance.now()
  await stopped.stop()
  expect(await pids()).not.toContain(stopped.pid)
  await eventually('nobody is there', async () => (await pids()).length === 0)
  expect(performance.now() - killedAt).toBeLessThan(7_000)
}, 60_000)
