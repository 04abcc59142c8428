// One trial of a rate: so many worker processes that come and go, a backlog that never ends, and what the sink saw.
// Times are those of MAIL FROM at the sink, which is the first thing that a relay sees of a message.

import { setTimeout as sleep } from 'node:timers/promises'
import { type ChurnOptions, churn, type Deed, Fleet } from './churn.js'
import { enqueueBacklog } from './letters.js'
import { openStage, type StageOptions } from './stage.js'
import { Standstills } from './standstill.js'
import { busiestSecond, shareUsed, surelyBusiestSecond } from './window.js'

export interface RateOptions {
  readonly processes: number
  /** Of the whole fleet. */
  readonly perSecond: number
  readonly burst: number
  /** How long is measured. */
  readonly seconds: number
  /** Without it nobody comes or goes. */
  readonly churn?: Omit<ChurnOptions, 'processes'> | undefined
  /** What the workers are told: the rate and the burst, unless a test wants them to be told something else. */
  readonly relay?: StageOptions['relay']
  readonly redis?: string | undefined
  readonly name?: string | undefined
}

export interface RateResult {
  readonly processes: number
  /** Rate and burst: what no second may exceed. */
  readonly limit: number
  /** As seen. */
  readonly busiest: number
  /** With what this process saw late counted for no second that it may not belong to. */
  readonly surelyBusiest: number
  /** Of the rate, over the whole time, 0 to 1. */
  readonly used: number
  readonly arrived: number
  readonly deeds: readonly Deed[]
  /** How long the sink stood still at the most. */
  readonly standstillMs: number
}

/** What starting takes out of the measure: the bucket begins with one permit. */
const SETTLE_MS = 2_000

export function isWithin({ surelyBusiest, limit }: RateResult): boolean {
  return surelyBusiest <= limit
}

export async function runRateTrial(options: RateOptions, signal?: AbortSignal): Promise<RateResult> {
  const { processes, perSecond, burst, seconds } = options
  const relay = options.relay ?? { ratePerSecond: perSecond, burst, selfTuning: false }
  await using stage = await openStage({ relay, redis: options.redis, name: options.name })
  const backlog = Math.ceil((perSecond * (seconds + SETTLE_MS / 1_000) + burst) * 1.5) + 100
  await enqueueBacklog(stage.queue, backlog, { signal })
  using standstills = new Standstills()
  const fleet = new Fleet(stage)
  for (let started = 0; started < processes; started += 1) await fleet.start()
  await stage.sink.waitForMessages(1, signal)
  const start = performance.now() + SETTLE_MS
  const end = start + seconds * 1_000
  await goOn({ fleet, options, untilMs: end, signal })
  signal?.throwIfAborted()
  const { offered } = stage.sink.arrivals
  return {
    processes,
    limit: perSecond + burst,
    busiest: busiestSecond(offered),
    surelyBusiest: surelyBusiestSecond(standstills.sightings(offered)),
    used: shareUsed(offered, start, end, perSecond),
    arrived: offered.length,
    deeds: fleet.deeds,
    standstillMs: standstills.longestMs,
  }
}

interface Going {
  readonly fleet: Fleet
  readonly options: RateOptions
  readonly untilMs: number
  readonly signal: AbortSignal | undefined
}

async function goOn({ fleet, options, untilMs, signal }: Going): Promise<void> {
  const over = new AbortController()
  const all = signal ? AbortSignal.any([signal, over.signal]) : over.signal
  const going = options.churn
    ? churn(fleet, { ...options.churn, processes: options.processes }, all)
    : undefined
  await sleep(untilMs - performance.now(), undefined, { signal: all }).catch(() => undefined)
  over.abort()
  await going
}
