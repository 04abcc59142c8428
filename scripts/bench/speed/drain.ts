// One measurement: how fast one sending process gets its messages to the sink, by the sink's count.
// The first of them are warm-up and not timed. A message too few or too many fails it.

import { setTimeout as sleep } from 'node:timers/promises'
import { WrongResult } from '../command.js'
import { difference } from './process-cpu.js'
import { openRedisUsage, type RedisUsage } from './redis-usage.js'
import type { Reading } from './row.js'
import type { Sender, Usage } from './sender.js'
import type { Size } from './sizes.js'
import type { CountingSink } from './smtp-sink.js'

export interface DrainOptions extends Size {
  /** Whose messages they are, for what is said. */
  readonly who: string
  readonly signal: AbortSignal
  /** Whose CPU time is of interest too. */
  readonly redis?: string | undefined
  /** When it is clear that no more will come. */
  readonly stallMs?: number
  say?(text: string): void
}

/** What comes after the last one is one too many. */
const AFTERWARDS_MS = 150
const STALL_MS = 60_000
const LOOK_MS = 250
const SAY_MS = 15_000
const MEGABYTE = 1_000_000

/** @throws WrongResult where another number of messages arrives */
export async function drain(
  sink: CountingSink,
  start: () => Promise<Sender>,
  options: DrainOptions,
): Promise<Reading> {
  const { who, warmUp, timed, redis } = options
  const count = warmUp + timed
  await using sender = await start()
  await using usage = redis === undefined ? undefined : openRedisUsage(redis)
  const all = { ...options, signal: AbortSignal.any([options.signal, sender.lost]) }
  const from = await arrived(sink, warmUp, all)
  // What came while we were told counts from here on.
  const first = sink.count
  const before = await usageOf(sender, usage)
  const to = await arrived(sink, count, all)
  const after = await usageOf(sender, usage)
  await sleep(AFTERWARDS_MS)
  requireCount(who, sink.count, count)
  return { perSecond: (1_000 * (count - first)) / (to - from), ...costs(count - first, before, after) }
}

export function requireCount(who: string, came: number, count: number): void {
  if (came !== count) throw new WrongResult(`${who}: ${came} messages arrived, and ${count} were to be sent`)
}

/** The time of message number `wanted`. Says how far it is now and then, and gives up where nothing comes any more. */
export async function arrived(sink: CountingSink, wanted: number, options: DrainOptions): Promise<number> {
  const { who, warmUp, timed, signal, stallMs = STALL_MS, say } = options
  const stalled = new AbortController()
  let [last, since, said] = [sink.count, performance.now(), performance.now()]
  const look = () => {
    const now = performance.now()
    if (sink.count !== last) [last, since] = [sink.count, now]
    const far = `${who}: ${last} of ${warmUp + timed} messages arrived`
    if (now - since > stallMs) stalled.abort(new WrongResult(`${far}, then none for ${stallMs / 1_000} s`))
    if (now - said < SAY_MS) return
    said = now
    say?.(`  ${far}`)
  }
  const timer = setInterval(look, LOOK_MS)
  try {
    return await sink.reached(wanted, AbortSignal.any([signal, stalled.signal, sink.lost]))
  } finally {
    clearInterval(timer)
  }
}

interface BothUsages extends Usage {
  readonly redisMs: number | undefined
}

async function usageOf(sender: Sender, redis: RedisUsage | undefined): Promise<BothUsages> {
  const [usage, redisMs] = await Promise.all([sender.usage(), redis?.cpuMs()])
  return { ...usage, redisMs }
}

function costs(messages: number, before: BothUsages, after: BothUsages) {
  const each = (name: 'cpuMs' | 'mainMs' | 'redisMs') => {
    const ms = difference(after[name], before[name])
    return ms === undefined ? undefined : ms / messages
  }
  const residentMb = after.rssBytes / MEGABYTE
  return { cpuMs: each('cpuMs'), mainMs: each('mainMs'), redisMs: each('redisMs'), residentMb }
}
