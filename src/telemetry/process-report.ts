// What every process says of itself, whatever its role: version, event loop, processor, memory.

import type { Clock } from '../clock.js'
import { packageVersion } from '../package-root.js'
import { openLoopLag } from './loop-lag.js'
import type { Metrics } from './metrics.js'

export interface ProcessReport {
  /** Sets its metrics, at each scrape. */
  measure(metrics: Metrics): void
  stop(): void
}

export function openProcessReport(
  role: 'worker' | 'ingress',
  clock: Pick<Clock, 'now' | 'every'>,
): ProcessReport {
  const build = { version: packageVersion(), node: process.version, role }
  const startedAt = clock.now() / 1000 - process.uptime()
  const lag = openLoopLag(clock)
  let countedSeconds = 0
  return {
    measure(metrics) {
      metrics.set('fluxmail_build_info', build, 1)
      metrics.set('process_start_time_seconds', {}, startedAt)
      metrics.set('process_resident_memory_bytes', {}, process.memoryUsage.rss())
      const used = processorSeconds()
      metrics.count('process_cpu_seconds_total', {}, used - countedSeconds)
      countedSeconds = used
      const late = Object.entries(lag.read() ?? {})
      for (const [stat, seconds] of late) metrics.set('fluxmail_event_loop_lag_seconds', { stat }, seconds)
    },
    stop: () => lag.stop(),
  }
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
