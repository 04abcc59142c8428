// How work is shared: so many worker processes against one sink that takes its time to answer, so that what limits is
// how many mails are under way and not how many cores there are. Messages are counted by their final dots at the sink.

import { setTimeout as sleep } from 'node:timers/promises'
import { Fleet } from './churn.js'
import { type Bucket, boundAt, histogramOf, since } from './histogram.js'
import { enqueueBacklog } from './letters.js'
import { cpuMsOf, difference } from './speed/process-cpu.js'
import { openStage, type Worker } from './stage.js'

export interface ScaleOptions {
  readonly processes: number
  /** How late the sink answers: once for the envelope and once for the message. */
  readonly answerMs: number
  /** A limit that permits are leased under, so high that nobody waits for it. */
  readonly perSecond: number
  readonly seconds: number
  readonly redis?: string | undefined
}

export interface ScaleResult {
  readonly processes: number
  readonly perSecond: number
  /** How long a permit was waited for: seconds, the upper bound of a bucket of the metric; 0 when there was one. */
  readonly permitP50: number
  readonly permitP99: number
  /** CPU of all processes for each message, where the system tells it. */
  readonly cpuMs: number | undefined
  /** Messages that came more than once. */
  readonly twice: number
}

/** Of one process; above it there is no room for more mails under way. */
const MOST_PER_PROCESS = 1_000
const SETTLE_MS = 2_000
const permitWait = 'fluxmail_permit_wait_seconds'

export async function runScaleTrial(options: ScaleOptions, signal?: AbortSignal): Promise<ScaleResult> {
  const { processes, answerMs, perSecond, seconds, redis } = options
  const relay = { ratePerSecond: perSecond, selfTuning: false }
  await using stage = await openStage({ relay, sink: { answerMs }, redis })
  const backlog = processes * MOST_PER_PROCESS * (seconds + SETTLE_MS / 1_000 + 2)
  await enqueueBacklog(stage.queue, backlog, { signal })
  const fleet = new Fleet(stage)
  await Promise.all(Array.from({ length: processes }, () => fleet.start()))
  await stage.sink.waitForMessages(1, signal)
  await sleep(SETTLE_MS, undefined, { signal })
  const cpuBefore = cpuOf(fleet.workers)
  const [before, waitsBefore] = [stage.sink.messages.length, await permitWaits(fleet.workers)]
  const startedAt = performance.now()
  await sleep(seconds * 1_000, undefined, { signal })
  const count = stage.sink.messages.length - before
  const measured = (performance.now() - startedAt) / 1_000
  const cpu = difference(cpuOf(fleet.workers), cpuBefore)
  const waits = withoutWait(count, since(waitsBefore, await permitWaits(fleet.workers)))
  return {
    processes,
    perSecond: count / measured,
    permitP50: boundAt(waits, 0.5),
    permitP99: boundAt(waits, 0.99),
    cpuMs: cpu === undefined ? undefined : cpu / count,
    twice: [...stage.sink.copies().values()].filter((copies) => copies > 1).length,
  }
}

function cpuOf(workers: readonly Worker[]): number | undefined {
  const each = workers.map(({ child }) => cpuMsOf(child.pid))
  return each.some((ms) => ms === undefined)
    ? undefined
    : each.reduce<number>((sum, ms) => sum + (ms ?? 0), 0)
}

async function permitWaits(workers: readonly Worker[]): Promise<Bucket[]> {
  const read = async ({ httpPort }: Worker) => (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text()
  return histogramOf(await Promise.all(workers.map(read)), permitWait)
}

/** The metric has only those that waited; all others had a permit at once. */
function withoutWait(count: number, waits: readonly Bucket[]): Bucket[] {
  const waited = waits.at(-1)?.count ?? 0
  const atOnce = Math.max(0, count - waited)
  return [{ le: 0, count: atOnce }, ...waits.map((bucket) => ({ ...bucket, count: bucket.count + atOnce }))]
}
