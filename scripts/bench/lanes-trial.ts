// Mail for single people while a batch waits behind the same relay: how long each takes from `enqueue` to the relay.
// Both times are of this process: before `enqueue` is called, and when the sink has the whole message.

import { setTimeout as sleep } from 'node:timers/promises'
import { FluxMail, type RelayOptions } from '../../src/index.js'
import { Fleet } from './churn.js'
import { enqueueBacklog, sender } from './letters.js'
import { openStage, type Stage } from './stage.js'
import { percentile } from './window.js'

export interface LanesOptions {
  readonly processes: number
  /** Rows that wait in the lane `bulk`. */
  readonly bulk: number
  /** Of the relay, for the whole fleet. */
  readonly perSecond: number
  readonly burst: number
  /** Mails a second in the lane `transactional`. */
  readonly singles: number
  readonly seconds: number
  /** The lane of the single mails; another than `transactional` shows what the lane is good for. */
  readonly lane?: string | undefined
  readonly relay?: Partial<RelayOptions>
  readonly redis?: string | undefined
  readonly name?: string | undefined
}

export interface LanesResult {
  readonly singles: number
  /** That had not come ten seconds after the last was enqueued. */
  readonly missing: number
  /** Milliseconds from `enqueue` to the relay; what is missing counts as endless. */
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** What of the batch went out in a second meanwhile. */
  readonly bulkPerSecond: number
  /** How long a mail behind all of the batch would have waited: seconds, at the rate of the relay. */
  readonly behindBulkSeconds: number
}

const SETTLE_MS = 2_000
const LAST_MS = 10_000

export async function runLanesTrial(options: LanesOptions, signal?: AbortSignal): Promise<LanesResult> {
  const { perSecond, burst, bulk } = options
  const relay = options.relay ?? { ratePerSecond: perSecond, burst, selfTuning: false }
  await using stage = await openStage({ relay, redis: options.redis, name: options.name })
  await enqueueBacklog(stage.queue, bulk, { signal })
  const fleet = new Fleet(stage)
  for (let started = 0; started < options.processes; started += 1) await fleet.start()
  await stage.sink.waitForMessages(1, signal)
  await sleep(SETTLE_MS, undefined, { signal })
  const before = stage.sink.messages.length
  const startedAt = performance.now()
  const times = await sendSingles(stage, options, signal)
  const seconds = (performance.now() - startedAt) / 1_000
  const arrived = times.filter(Number.isFinite).length
  return {
    singles: times.length,
    missing: times.length - arrived,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    longest: percentile(times, 1),
    bulkPerSecond: (stage.sink.messages.length - before - arrived) / seconds,
    behindBulkSeconds: bulk / perSecond,
  }
}

async function sendSingles(
  { sink, queue }: Stage,
  { singles, seconds, lane = 'transactional' }: LanesOptions,
  signal?: AbortSignal,
): Promise<number[]> {
  await using mail = new FluxMail({ host: '127.0.0.1', port: sink.smtpPort, sender })
  const sentAt = new Map<string, number>()
  const cameAt = new Map<string, number>()
  const stopListening = sink.onMessage(({ to: [address = ''] }) => {
    if (sentAt.has(address) && !cameAt.has(address)) cameAt.set(address, performance.now())
  })
  const enqueued: Promise<unknown>[] = []
  const startedAt = performance.now()
  for (let index = 0; index < singles * seconds; index += 1) {
    await sleep(startedAt + (index * 1_000) / singles - performance.now(), undefined, { signal })
    const address = `single${index}@example.com`
    sentAt.set(address, performance.now())
    const email = mail.create({ subject: 'Your code', body: 'It is 1234.', recipients: [address] })
    const sent = queue.enqueue(email, { lane })
    sent.catch(() => undefined)
    enqueued.push(sent)
  }
  await Promise.all(enqueued)
  const until = performance.now() + LAST_MS
  while (cameAt.size < sentAt.size && performance.now() < until) await sleep(20, undefined, { signal })
  stopListening()
  return [...sentAt].map(([address, at]) => (cameAt.get(address) ?? Number.POSITIVE_INFINITY) - at)
}
