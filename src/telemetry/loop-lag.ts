// How late this process came to its work in the last minute, whoever asks and however often.
// Monitors that take turns: each looks for a minute, and the one that has looked longest is asked.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '../clock.js'

export interface LoopLag {
  /** In seconds. Undefined before anything was measured. */
  read(): Readonly<Record<'p50' | 'p99' | 'max', number>> | undefined
  stop(): void
}

const SAMPLE_MS = 20
const TURN_MS = 15_000
const TURNS = 4

export function openLoopLag(clock: Pick<Clock, 'every'>): LoopLag {
  const monitors = [startMonitor()]
  const stopTurns = clock.every(TURN_MS, () => {
    monitors.push(startMonitor())
    if (monitors.length > TURNS) monitors.shift()?.disable()
  })
  return {
    read() {
      const [oldest] = monitors
      if (oldest === undefined || oldest.count === 0) return undefined
      const [p50, p99] = [50, 99].map((percentile) => late(oldest.percentile(percentile)))
      return { p50: p50 ?? 0, p99: p99 ?? 0, max: late(oldest.max) }
    },
    stop() {
      stopTurns()
      for (const monitor of monitors.splice(0)) monitor.disable()
    },
  }
}

function startMonitor(): IntervalHistogram {
  const monitor = monitorEventLoopDelay({ resolution: SAMPLE_MS })
  monitor.enable()
  return monitor
}

/** It tells the time from sample to sample, of which the waiting itself is no lag. */
function late(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - SAMPLE_MS / 1e3)
}
