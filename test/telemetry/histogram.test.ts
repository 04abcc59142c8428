import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { CountedHistogram } from '../../src/telemetry/histogram.js'
import { createMetrics } from '../../src/telemetry/metrics.js'

const shape = { name: 'h_seconds', help: 'a \\ help', labels: ['lane', 'relay'], buckets: [0.1, 1, 2.5] }
const words = fc.constantFrom('a', 'b', 'a"b', 'b\\n', '')
const observed = fc.record({
  labels: fc.record({ lane: words, relay: words }),
  // Quarters add up to the same in any order.
  value: fc.oneof(
    fc.constantFrom(0.1, 1, 2.5),
    fc.integer({ min: -8, max: 40 }).map((quarters) => quarters / 4),
  ),
})

async function shown(open: (registry: Registry) => unknown): Promise<string> {
  const registry = new Registry()
  open(registry)
  return registry.metrics()
}

test('a histogram shows, whatever was observed, what that of the library shows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(observed), async (all) => {
      const ours = await shown((registry) => {
        const histogram = new CountedHistogram(shape)
        registry.registerMetric(histogram)
        for (const { labels, value } of all) histogram.series(labels).observe(value)
      })
      const theirs = await shown((registry) => {
        const { labels: labelNames, ...rest } = shape
        const histogram = new Histogram({ ...rest, labelNames, registers: [registry] })
        for (const { labels, value } of all) histogram.observe(labels, value)
      })
      expect(ours).toBe(theirs)
    }),
  )
})

test('a histogram without labels is there from the beginning, and what is no number changes nothing', async () => {
  const text = await shown((registry) => {
    const histogram = new CountedHistogram({ ...shape, labels: [] })
    registry.registerMetric(histogram)
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) histogram.series({}).observe(value)
  })
  expect(text).toContain('h_seconds_count 0\n')
  expect(text).toContain('h_seconds_bucket{le="+Inf"} 0\n')
})

test('what is written to a kept series and by its labels is one series, at each scrape the whole of it', async () => {
  const metrics = createMetrics()
  const labels = { lane: 'bulk', relay: 'main' }
  const sent = metrics.series('fluxmail_messages_sent_total', labels)
  expect(await metrics.expose()).not.toContain('fluxmail_messages_sent_total{')
  sent(1)
  metrics.count('fluxmail_messages_sent_total', labels)
  expect(await metrics.expose()).toContain('fluxmail_messages_sent_total{lane="bulk",relay="main"} 2\n')
  metrics.series('fluxmail_messages_sent_total', labels)(3)
  sent(1)
  expect(await metrics.expose()).toContain('fluxmail_messages_sent_total{lane="bulk",relay="main"} 6\n')
})

test('of a gauge that several keep the value counts that was written last', async () => {
  const metrics = createMetrics()
  const [one, other] = [0, 1].map(() =>
    metrics.series('fluxmail_last_success_timestamp_seconds', { relay: 'main' }),
  )
  other?.(5)
  one?.(7)
  other?.(8)
  one?.(9)
  expect(await metrics.expose()).toContain('fluxmail_last_success_timestamp_seconds{relay="main"} 9\n')
  expect(await metrics.expose()).toContain('fluxmail_last_success_timestamp_seconds{relay="main"} 9\n')
})
