// One trial of self-tuning: so many worker processes that are told a rate which the relay does not take, a relay that
// takes less and is moved, a backlog that never ends, and what the sink took and refused.

import { setTimeout as sleep } from 'node:timers/promises'
import { enqueueBacklog } from './letters.js'
import { openStage } from './stage.js'

export interface TuningOptions {
  readonly processes: number
  /** What the fleet is told. */
  readonly perSecond: number
  /** What the relay takes in a second, one after the other. */
  readonly takes: readonly number[]
  /** How long it takes each. */
  readonly seconds: number
  /** How long the fleet has to find out. */
  readonly settleSeconds: number
  readonly redis?: string | undefined
  readonly name?: string | undefined
}

export interface TuningPhase {
  readonly takes: number
  /** Of what the relay takes, how much it got once the fleet had found out, 0 to 1. */
  readonly used: number
  /** The same in the ten seconds in which it was the least. */
  readonly leastUsed: number
  readonly offered: number
  readonly refused: number
}

export interface TuningResult {
  readonly processes: number
  readonly phases: readonly TuningPhase[]
  /** Of all attempts, how many were refused, 0 to 1. */
  readonly refused: number
  /** What was taken in each second. */
  readonly bySecond: readonly number[]
}

const LEAST_USED = 0.85
const MOST_REFUSED = 0.02
const WINDOW_MS = 10_000

export function isSettled({ phases, refused }: TuningResult): boolean {
  return refused < MOST_REFUSED && phases.every(({ used }) => used >= LEAST_USED && used <= 1)
}

export async function runTuningTrial(options: TuningOptions, signal?: AbortSignal): Promise<TuningResult> {
  const { processes, perSecond, takes, seconds, redis, name } = options
  await using stage = await openStage({ relay: { ratePerSecond: perSecond }, redis, name })
  const backlog = takes.reduce((sum, each) => sum + each * seconds, 2 * perSecond) + 1_000
  stage.sink.order({ slower: { above: takes[0] ?? perSecond } })
  await enqueueBacklog(stage.queue, backlog, { signal })
  await Promise.all(Array.from({ length: processes }, () => stage.startWorker()))
  await stage.sink.waitForMessages(1, signal)
  const startedAt = performance.now()
  const starts: number[] = []
  for (const above of takes) {
    starts.push(performance.now())
    stage.sink.order({ slower: { above } })
    await sleep(startedAt + starts.length * seconds * 1_000 - performance.now(), undefined, { signal })
  }
  const { offered, slowed } = stage.sink.arrivals
  const sightings: Sightings = { offered: [...offered], slowed: [...slowed] }
  const phases = takes.map((each, index) => phaseOf(each, starts[index] ?? 0, options, sightings))
  const total = phases.reduce((sum, phase) => sum + phase.offered, 0)
  const refused = phases.reduce((sum, phase) => sum + phase.refused, 0) / total
  const bySecond = Array.from({ length: takes.length * seconds }, (_, second) =>
    taken(sightings, startedAt + second * 1_000, startedAt + (second + 1) * 1_000),
  )
  return { processes, phases, refused, bySecond }
}

interface Sightings {
  readonly offered: readonly number[]
  readonly slowed: readonly number[]
}

function phaseOf(
  takes: number,
  startsAt: number,
  { seconds, settleSeconds }: TuningOptions,
  sightings: Sightings,
): TuningPhase {
  const endsAt = startsAt + seconds * 1_000
  const from = startsAt + settleSeconds * 1_000
  const perSecond = (start: number, end: number) => (1_000 * taken(sightings, start, end)) / (end - start)
  const windows = Array.from(
    { length: Math.max(1, seconds - settleSeconds - WINDOW_MS / 1_000 + 1) },
    (_, at) => perSecond(from + at * 1_000, Math.min(endsAt, from + at * 1_000 + WINDOW_MS)),
  )
  return {
    takes,
    used: perSecond(from, endsAt) / takes,
    leastUsed: Math.min(...windows) / takes,
    offered: within(sightings.offered, startsAt, endsAt),
    refused: within(sightings.slowed, startsAt, endsAt),
  }
}

function taken({ offered, slowed }: Sightings, from: number, to: number): number {
  return within(offered, from, to) - within(slowed, from, to)
}

function within(times: readonly number[], from: number, to: number): number {
  return times.filter((at) => at >= from && at < to).length
}
