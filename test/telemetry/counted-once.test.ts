import { expect, test } from 'vitest'
import type { Attempt } from '../../src/delivery/delivery.js'
import type { Outcome } from '../../src/delivery/outcome.js'
import { createDeliveryReport } from '../../src/telemetry/delivery-report.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { expositionOf } from '../helpers/exposition.js'

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
const unknown: Outcome = { kind: 'unknown', reason: { code: 'unknown', message: 'no answer' } }
const failedWith = (code: string, reply?: number): Outcome => ({
  kind: 'failed',
  reason: {
    code,
    message: 'a@example.com',
    ...(reply === undefined ? {} : { reply: { code: reply, text: 'a' } }),
  },
})

/** What is counted of attempts that ended like this, at one relay. */
async function counted(...ends: (Partial<Attempt> & { readonly outcome: Outcome })[]) {
  const metrics = createMetrics()
  const clock = { now: () => 5_000 }
  const providerOf = () => 'google'
  const report = createDeliveryReport({
    ...{ clock, logger: silent, logAddresses: false, providerOf },
    metrics: () => metrics,
  })
  for (const end of ends) {
    const recipient = { address: 'a@gmail.com' }
    const delivery = { id: 'e1', lane: 'bulk', recipient, createdAt: 2_000 }
    report.attempt({ relay: 'main', delivery, ...end } as Attempt & { readonly outcome: Outcome }, 3)
  }
  return expositionOf({ metrics })
}

test('a delivery that was unknown until its answer came late is one delivery, and one late verdict', async () => {
  const shown = await counted({ outcome: unknown }, { outcome: { kind: 'sent' }, late: true })
  expect(shown.sum('fluxmail_messages_total')).toBe(1)
  expect(shown.by('outcome', 'fluxmail_deliveries_total')).toEqual({ unknown: 1 })
  expect(shown.by('outcome', 'fluxmail_late_verdicts_total')).toEqual({ sent: 1 })
  expect(shown.sum('fluxmail_messages_sent_total')).toBe(1)
})

test('a job that comes back after it was sent is a duplicate prevented, and no attempt', async () => {
  const sent: Outcome = { kind: 'sent', prevented: true }
  const shown = await counted(
    { outcome: sent, alreadySettled: true },
    { outcome: unknown, alreadySettled: true },
  )
  expect(shown.sum('fluxmail_duplicates_prevented_total', { lane: 'bulk' })).toBe(1)
  expect(shown.sum('fluxmail_attempts_total') + shown.sum('fluxmail_deliveries_total')).toBe(0)
})

test('copies that may have been delivered are counted with the verdict that tells of them', async () => {
  const shown = await counted({ outcome: { kind: 'sent' }, resent: 2 })
  expect(shown.sum('fluxmail_resent_total', { lane: 'bulk' })).toBe(2)
  expect(shown.sum('fluxmail_messages_total')).toBe(1)
})

test('what waits is an attempt and no delivery', async () => {
  const reason = { code: 'throttled', message: 'later' }
  const shown = await counted(
    { outcome: { kind: 'held', reason, holdMs: 1 } },
    { outcome: { kind: 'deferred', reason } },
  )
  expect(shown.by('outcome', 'fluxmail_attempts_total')).toEqual({ held: 1, deferred: 1 })
  expect(shown.sum('fluxmail_messages_total')).toBe(0)
  expect(shown.sum('fluxmail_queue_seconds_count')).toBe(0)
})

const reasons: [string, Outcome, reason: string, code: string][] = [
  ['a refusal', failedWith('550 5.1.1', 550), 'refused', '550'],
  ['a reply of a code that SMTP does not have', failedWith('199', 199), 'refused', 'other'],
  ['an age that ended after a deferral', failedWith('expired', 451), 'expired', '451'],
  ['an age that ended before any reply', failedWith('expired'), 'expired', ''],
  ['a template', failedWith('template_error'), 'template_error', ''],
  ['anything else', failedWith('a@example.com said so'), 'other', ''],
]

test.each(reasons)(
  'a failure by %s is counted under a word of a closed set',
  async (_what, outcome, reason, code) => {
    const shown = await counted({ outcome })
    const labels = { relay: 'main', lane: 'bulk', provider: 'google', reason, code }
    expect(shown.series.filter(({ name }) => name === 'fluxmail_failures_total')).toEqual([
      { name: 'fluxmail_failures_total', labels, value: 1 },
    ])
  },
)

test('when a relay last took a message, and when anything last came to an end, are told in seconds', async () => {
  const shown = await counted({ outcome: { kind: 'sent' } })
  expect(shown.sum('fluxmail_last_success_timestamp_seconds', { relay: 'main' })).toBe(5)
  expect(shown.sum('fluxmail_queue_seconds_sum', { lane: 'bulk' })).toBe(3)
})
