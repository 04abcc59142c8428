import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { expositionOf } from '../helpers/exposition.js'
import { openMailFlow, openRedis, quickLanes } from '../helpers/mail-flow.js'
import { startWorker } from '../helpers/worker-process.js'

const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const kinds = ['', '', '', '', '', '', 'reject-', 'defer-1-', 'lost-', 'full-'] as const
const domains = ['example.com', 'gmail.com']

/** Rows of every kind, half of them to a provider that is known. */
function mixedRows(count: number) {
  return Array.from({ length: count }, (_, index) => ({
    to: `${kinds[index % kinds.length]}r${index}@${domains[Math.floor(index / kinds.length) % 2]}`,
  }))
}

test('what a worker counts of a batch with faults is what the ledger and the relay have counted', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 60_000, maxAttempts: 2 }
  const worker = await flow.work({ lanes: { bulk: { retry, unknown: 'hold' } } })
  const startedAt = Date.now() / 1000
  const batch = await flow.queue.enqueueBatch(mixedRows(200), content)
  const counted = { sent: 140, failed: 40, unknown: 20, skipped: 0 }
  expect(await batch.wait({ intervalMs: 20 })).toMatchObject(counted)
  const shown = await eventually('all is counted here', async () => {
    const now = await expositionOf(worker)
    return now.sum('fluxmail_messages_total') === 200 ? now : undefined
  })
  const ours = { relay: 'main', lane: 'bulk' }
  expect(shown.by('outcome', 'fluxmail_deliveries_total', ours)).toEqual({
    sent: 140,
    failed: 40,
    unknown: 20,
  })
  expect(shown.by('provider', 'fluxmail_deliveries_total', ours)).toEqual({ other: 100, google: 100 })
  expect(shown.by('outcome', 'fluxmail_attempts_total', { ...ours, provider: 'google' })).toEqual({
    sent: 70,
    failed: 20,
    unknown: 10,
    deferred: 20,
  })
  expect(shown.sum('fluxmail_messages_sent_total')).toBe(140)
  expect(shown.sum('fluxmail_messages_failed_total')).toBe(40)
  const refused = { ...ours, reason: 'refused', code: '550', provider: 'other' }
  expect(shown.sum('fluxmail_failures_total', refused)).toBe(10)
  expect(shown.sum('fluxmail_failures_total', { ...ours, reason: 'expired', code: '452' })).toBe(20)
  expect(shown.sum('fluxmail_failures_total')).toBe(40)
  expect(shown.sum('fluxmail_render_seconds_count')).toBe(240)
  expect(shown.sum('fluxmail_deliveries_active')).toBe(0)
  const success = shown.sum('fluxmail_last_success_timestamp_seconds', { relay: 'main' })
  expect(success).toBeGreaterThanOrEqual(startedAt - 0.01)
  expect(shown.sum('fluxmail_last_progress_timestamp_seconds')).toBeGreaterThanOrEqual(success)
})

test('every reply of the relay is counted, and by its code the counts are those of the relay', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work()
  const batch = await flow.queue.enqueueBatch(
    mixedRows(200).filter(({ to }) => !/^(lost|full)/.test(to)),
    content,
  )
  await batch.wait({ intervalMs: 20 })
  const shown = await eventually('what is on the wire has ended', async () => {
    const now = await expositionOf(worker)
    return now.sum('fluxmail_smtp_connections', { state: 'busy' }) === 0 ? now : undefined
  })
  const given = Object.fromEntries([...flow.sink.replies].map(([code, count]) => [String(code), count]))
  expect(shown.by('code', 'fluxmail_smtp_replies_total')).toEqual(given)
  const attempts = 140 + 20 + 20
  const body = { stage: 'body', class: '2' }
  expect(shown.sum('fluxmail_smtp_replies_total', body)).toBe(140)
  expect(shown.sum('fluxmail_smtp_replies_total', { stage: 'mail', code: '250' })).toBe(attempts)
  expect(shown.by('code', 'fluxmail_smtp_replies_total', { stage: 'rcpt' })).toEqual({
    250: 140,
    550: 20,
    451: 20,
  })
  const opened = flow.sink.connections
  expect(shown.sum('fluxmail_smtp_replies_total', { stage: 'greeting' })).toBe(opened)
  expect(shown.sum('fluxmail_smtp_connections_opened_total')).toBe(opened)
  expect(shown.sum('fluxmail_smtp_connections')).toBe(opened)
  expect(shown.sum('fluxmail_smtp_phase_seconds_count', { phase: 'connect' })).toBe(opened)
  expect(shown.sum('fluxmail_smtp_phase_seconds_count', { phase: 'envelope' })).toBe(attempts)
  expect(shown.sum('fluxmail_smtp_phase_seconds_count', { phase: 'data' })).toBe(140)
  await worker.close()
  const after = await expositionOf(worker)
  expect(after.by('reason', 'fluxmail_smtp_connections_closed_total')).toEqual({ closing: opened })
  expect(after.sum('fluxmail_smtp_connection_messages_sum')).toBe(attempts)
  expect(after.sum('fluxmail_smtp_connection_messages_count')).toBe(opened)
})

test('what fails without a relay is counted with the code of ours that says why', async () => {
  await using flow = await openMailFlow()
  await using redis = openRedis(flow)
  const { deliveries } = await flow.queue.enqueue(
    flow.mail.create({ subject: 'Hi', body: 'Hi', recipients: ['a@example.com'] }),
  )
  await redis.hset(`{${flow.name}}:transactional:${deliveries[0]?.id}`, 'data', '{"v":99}')
  const text = 'ok {{ range(0, length) }}'
  await flow.queue.enqueueBatch([{ to: 'b@gmail.com', length: 1e9 }], { ...content, text })
  const worker = await flow.work({ logLevel: 'silent' })
  const shown = await eventually('both have failed', async () => {
    const now = await expositionOf(worker)
    return now.sum('fluxmail_messages_failed_total') === 2 ? now : undefined
  })
  const nowhere = { relay: 'none', code: '' }
  const unread = { ...nowhere, provider: 'other', lane: 'transactional', reason: 'invalid_payload' }
  const unmade = { ...nowhere, provider: 'google', lane: 'bulk', reason: 'template_error' }
  expect(shown.sum('fluxmail_failures_total', unread)).toBe(1)
  expect(shown.sum('fluxmail_failures_total', unmade)).toBe(1)
  expect(shown.sum('fluxmail_failures_total')).toBe(2)
  expect(shown.by('lane', 'fluxmail_deliveries_total', { relay: 'none', outcome: 'failed' })).toEqual({
    transactional: 1,
    bulk: 1,
  })
  // What cannot be read was never tried.
  expect(shown.by('lane', 'fluxmail_attempts_total')).toEqual({ bulk: 1 })
})

test('a delivery that is replayed is counted once for each time that it was, however often it is tried then', async () => {
  await using flow = await openMailFlow()
  const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 60_000, maxAttempts: 2 }
  const worker = await flow.work({ lanes: { bulk: { retry, unknown: 'hold', suppressOnBounce: false } } })
  const rows = [{ to: 'defer-3-a@example.com' }, { to: 'reject-b@example.com' }, { to: 'c@example.com' }]
  const batch = await flow.queue.enqueueBatch(rows, content)
  await batch.wait({ intervalMs: 20 })
  const replay = (id: number) =>
    eventually('it has failed, and is replayed', async () => {
      const { replayed } = await flow.queue.replay({ id: `${batch.id}.${id}` }).catch(() => ({ replayed: 0 }))
      return replayed === 1
    })
  for (const id of [0, 1]) await replay(id)
  const result = await batch.wait({ intervalMs: 20 })
  expect(result).toMatchObject({ sent: 2, failed: 1, pending: 0 })
  await replay(1)
  await batch.wait({ intervalMs: 20 })
  const shown = await eventually('all has been counted', async () => {
    const now = await expositionOf(worker)
    return now.sum('fluxmail_messages_total') === 6 ? now : undefined
  })
  expect(shown.by('outcome', 'fluxmail_attempts_total')).toEqual({ sent: 2, failed: 4, deferred: 2 })
  expect(shown.by('lane', 'fluxmail_replayed_total')).toEqual({ bulk: 3 })
})

test('a delivery that lost its worker is counted once, by whoever finds it', async () => {
  await using flow = await openMailFlow({ latencyMs: 60_000 })
  await using redis = openRedis(flow)
  const options = { lockMs: 1_000, concurrency: 4 }
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const config = join(folder, 'worker.json')
  const relays = { main: { host: '127.0.0.1', port: flow.sink.smtpPort } }
  await writeFile(config, JSON.stringify({ ...options, relays, lanes: quickLanes }))
  await using lost = await startWorker({ env: { FLUXMAIL_NAME: flow.name, FLUXMAIL_CONFIG: config } })
  await flow.queue.enqueueBatch(
    Array.from({ length: 4 }, (_, index) => ({ to: `r${index}@example.com` })),
    content,
  )
  await flow.sink.waitForMessages(4)
  await lost.kill()
  await rm(folder, { recursive: true })
  const active = await redis.llen(`{${flow.name}}:bulk:active`)
  const finders = await Promise.all([flow.work(options), flow.work(options)])
  const stalled = async () => {
    const shown = await Promise.all(finders.map(expositionOf))
    return shown.map((each) => each.sum('fluxmail_stalled_total', { lane: 'bulk' }))
  }
  await eventually('all were found', async () => {
    const counts = await stalled()
    return counts.reduce((sum, count) => sum + count, 0) === active
  })
  expect(active).toBe(4)
  await eventually('they are unknown', async () => (await redis.llen(`{${flow.name}}:bulk:active`)) === 0)
  expect((await stalled()).reduce((sum, count) => sum + count, 0)).toBe(4)
})

test('what a worker has in hand is shown while it has it', async () => {
  await using flow = await openMailFlow({ latencyMs: 60_000 })
  const worker = await flow.work({ concurrency: 3 })
  const rows = Array.from({ length: 10 }, (_, index) => ({ to: `r${index}@example.com` }))
  await flow.queue.enqueueBatch(rows, content)
  await flow.sink.waitForMessages(3)
  const shown = await expositionOf(worker)
  expect(shown.by('lane', 'fluxmail_deliveries_active')).toEqual({ transactional: 0, bulk: 3 })
  expect(shown.by('state', 'fluxmail_smtp_connections')).toEqual({ opening: 0, busy: 3, idle: 0, leaving: 0 })
  await worker.close({ deadlineMs: 0 })
  const after = await expositionOf(worker)
  expect(after.by('lane', 'fluxmail_deliveries_active')).toEqual({ transactional: 0, bulk: 0 })
  expect(after.by('reason', 'fluxmail_smtp_connections_closed_total')).toEqual({ cut_off: 3 })
})
