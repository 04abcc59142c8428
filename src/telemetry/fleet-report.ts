// Gauges that are the same from every worker, since all of them read the same Redis. To sum them up would count
// everything once for each worker; their help says so.

import { allProviders } from '../limits/provider-table.js'
import type { Fleet } from '../queue/fleet.js'
import type { RelayLimitStatus } from '../queue/limit-status.js'
import { type ActiveBatch, type BatchCensus, batchStates } from '../store/batch-census.js'
import type { MetricName, Metrics } from './metrics.js'
import { measureRedisFacts } from './redis-report.js'

const gauges = [
  'fluxmail_workers',
  'fluxmail_jobs',
  'fluxmail_oldest_waiting_seconds',
  'fluxmail_unknown',
  'fluxmail_batches',
  'fluxmail_batch_deliveries',
  'fluxmail_batch_eta_seconds',
  'fluxmail_batch_paused',
  'fluxmail_limit_rate',
  'fluxmail_limit_tokens',
  'fluxmail_limit_slowed',
  'fluxmail_limit_connections',
  'fluxmail_limit_day',
  'fluxmail_fleet_rate',
  'fluxmail_fleet_connections',
  'fluxmail_day_messages',
  'fluxmail_warmup_step',
] as const satisfies readonly MetricName[]

/** Undefined while nobody knows: then they have no value, rather than that of a while ago. */
export function measureFleet(fleet: Fleet | undefined, metrics: Metrics): void {
  for (const name of gauges) metrics.clear(name)
  measureRedisFacts(fleet?.redis ?? [], metrics)
  if (fleet === undefined) return
  metrics.set('fluxmail_workers', {}, fleet.workers)
  for (const { lane, jobs, oldestSeconds, unknown } of fleet.lanes) {
    for (const [state, count] of Object.entries(jobs)) metrics.set('fluxmail_jobs', { lane, state }, count)
    metrics.set('fluxmail_oldest_waiting_seconds', { lane }, oldestSeconds)
    metrics.set('fluxmail_unknown', { lane }, unknown)
    for (const state of batchStates) metrics.set('fluxmail_batches', { lane, state }, 0)
  }
  measureBatches(fleet.batches, metrics)
  for (const relay of fleet.relays) measureRelay(relay, metrics)
}

function measureBatches({ counts, newest }: BatchCensus, metrics: Metrics): void {
  for (const { lane, state, count } of counts) metrics.set('fluxmail_batches', { lane, state }, count)
  for (const batch of newest) measureBatch(batch, metrics)
}

function measureBatch(
  { id: batch, lane, state, etaSeconds, ...counts }: ActiveBatch,
  metrics: Metrics,
): void {
  const { sent, failed, skipped, unknown, pending } = counts
  for (const [each, count] of Object.entries({ sent, failed, skipped, unknown, pending }))
    metrics.set('fluxmail_batch_deliveries', { batch, lane, state: each }, count)
  metrics.set('fluxmail_batch_paused', { batch, lane }, state === 'paused' ? 1 : 0)
  setKnown('fluxmail_batch_eta_seconds', { batch, lane }, etaSeconds, metrics)
}

function measureRelay(
  { relay, buckets, connections, day, warmup }: RelayLimitStatus,
  metrics: Metrics,
): void {
  for (const { provider = allProviders, ratePerSecond, tokens, sending, tuned } of buckets) {
    const labels = { relay, provider }
    metrics.set('fluxmail_fleet_rate', labels, sending)
    metrics.set('fluxmail_limit_slowed', labels, tuned ? 1 : 0)
    setKnown('fluxmail_limit_rate', labels, ratePerSecond.now, metrics)
    setKnown('fluxmail_limit_tokens', labels, tokens, metrics)
  }
  metrics.set('fluxmail_fleet_connections', { relay }, connections.open)
  metrics.set('fluxmail_day_messages', { relay }, day.used)
  setKnown('fluxmail_limit_connections', { relay }, connections.now, metrics)
  setKnown('fluxmail_limit_day', { relay }, day.now, metrics)
  setKnown('fluxmail_warmup_step', { relay }, warmup?.step, metrics)
}

function setKnown(
  name: MetricName,
  labels: Readonly<Record<string, string>>,
  value: number | undefined,
  metrics: Metrics,
): void {
  if (value !== undefined) metrics.set(name, labels, value)
}
