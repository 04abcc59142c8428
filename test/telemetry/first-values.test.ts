import { expect, test } from 'vitest'
import { beginCounters } from '../../src/telemetry/first-values.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { openMailFlow } from '../helpers/mail-flow.js'

test('counters whose labels are all known begin at 0, and no others', async () => {
  const metrics = createMetrics()
  beginCounters(metrics, { lane: ['bulk'], relay: ['main', 'spare'] })
  const text = await metrics.expose()
  expect(text).toContain('fluxmail_messages_total{lane="bulk",relay="main"} 0\n')
  expect(text).toContain('fluxmail_messages_failed_total{lane="bulk",relay="spare"} 0\n')
  expect(text).toContain('fluxmail_stalled_total{lane="bulk"} 0\n')
  expect(text).not.toMatch(/^fluxmail_deliveries_total\{/m)
  expect(text).not.toMatch(/^fluxmail_jobs\{/m)
})

test('a worker has them from its start, before it has taken anything', async () => {
  await using flow = await openMailFlow()
  const worker = await flow.work()
  expect(await worker.metrics.expose()).toContain(
    'fluxmail_messages_sent_total{lane="transactional",relay="main"} 0\n',
  )
})
