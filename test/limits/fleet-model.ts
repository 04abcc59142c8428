// A fleet and a relay in simulated time: workers that lease permits from one bucket and hear late, a relay that takes
// so many within a second and asks for less above. What it goes by is the curve itself; only time and noise are made up.

import { createRandom } from '../../scripts/chaos/random.js'
import { type LimitState, limitNow, relayBucket } from '../../src/limits/limit.js'
import { cutAt, isTelling } from '../../src/limits/tuning.js'

export interface FleetOptions {
  readonly workers: number
  /** `fixed`: it counts anew with each second. `sliding`: within any second. */
  readonly counts: 'fixed' | 'sliding'
  /** For how long a worker may not know of the cut that another one made. */
  readonly seenLateMs: number
  /** Within how long what was leased together leaves. */
  readonly spreadMs: number
  readonly seed: number
  /** What the relay takes in a second, one after the other, and how long each. */
  readonly takes: readonly number[]
  readonly seconds: number
  /** What the fleet is told. */
  readonly perSecond: number
}

export interface FleetRun {
  /** By second. */
  readonly taken: readonly number[]
  readonly refused: readonly number[]
  readonly cuts: number
}

const CALL_APART_MS = 100
const BLOCK_SECONDS = 0.2
const NOISE_MS = 15
/** A second is known to the fleet when all have told of it, and then as the mean of two. */
const RATE_KNOWN_MS = 850

interface Refusal {
  readonly worker: number
  readonly startedAt: number
}

interface Fleet {
  readonly options: FleetOptions
  readonly random: () => number
  /** All that held, oldest first. */
  readonly states: { readonly at: number; readonly by: number; readonly state: LimitState }[]
  readonly callsAt: number[]
  /** By the millisecond at which they leave: the worker of each. */
  readonly leaving: Map<number, number[]>
  /** By the millisecond at which they are heard of. */
  readonly refusals: Map<number, Refusal[]>
  readonly spent: number[]
  readonly taken: number[]
  tokens: number
  filledAt: number
  cuts: number
}

export function runFleet(options: FleetOptions): FleetRun {
  const { next: random } = createRandom(options.seed, 'fleet')
  const endMs = options.takes.length * options.seconds * 1_000
  const fleet: Fleet = {
    options,
    random,
    states: [{ at: 0, by: 0, state: stateOf(options.perSecond) }],
    callsAt: Array.from({ length: options.workers }, () => random() * CALL_APART_MS),
    leaving: new Map(),
    refusals: new Map(),
    spent: [],
    taken: [],
    tokens: 1,
    filledAt: 0,
    cuts: 0,
  }
  const refusedAt: number[] = []
  for (let now = 0; now < endMs; now += 1) {
    for (const refusal of fleet.refusals.get(now) ?? []) hear(fleet, refusal, now)
    for (const worker of fleet.leaving.get(now) ?? []) {
      if (isTaken(fleet, now)) continue
      refusedAt.push(now)
      addTo(fleet.refusals, now + 1 + Math.floor(random() * NOISE_MS), { worker, startedAt: now })
    }
    lease(fleet, now)
  }
  return { taken: bySecond(fleet.taken, endMs), refused: bySecond(refusedAt, endMs), cuts: fleet.cuts }
}

function stateOf(ratePerSecond: number): LimitState {
  return {
    configured: { ratePerSecond, selfTuning: true, providers: {} },
    shares: {},
    set: {},
    tuned: {},
  }
}

function newest({ states }: Fleet): LimitState {
  const last = states.at(-1)
  if (last === undefined) throw new TypeError('there is a first state')
  return last.state
}

function hear(fleet: Fleet, { worker, startedAt }: Refusal, now: number): void {
  const state = newest(fleet)
  if (!isTelling(state.tuned[relayBucket], startedAt)) return
  const { perSecond: limit } = limitNow(state, relayBucket, now)
  const known = Math.floor((now - RATE_KNOWN_MS) / 1_000)
  const rate = ((fleet.spent[known - 1] ?? 0) + (fleet.spent[known - 2] ?? 0)) / 2
  const cut = cutAt({ limit, ceiling: fleet.options.perSecond, rate }, now)
  fleet.states.push({ at: now, by: worker, state: { ...state, tuned: { [relayBucket]: cut } } })
  fleet.cuts += 1
}

function isTaken({ taken, options }: Fleet, now: number): boolean {
  const { takes, seconds, counts } = options
  const most = takes[Math.floor(now / 1_000 / seconds)] ?? 0
  const since = counts === 'sliding' ? now - 999 : Math.floor(now / 1_000) * 1_000
  const isRoom = taken.length < most || (taken[taken.length - most] ?? 0) < since
  if (isRoom) taken.push(now)
  return isRoom
}

/** What this worker knows of by now. */
function seen({ states, options, random }: Fleet, worker: number, now: number): LimitState {
  const { seenLateMs } = options
  const until = now - random() * seenLateMs
  return (
    (states.findLast(({ at, by }) => by === worker || at <= until) ?? states[0])?.state ??
    stateOf(options.perSecond)
  )
}

function lease(fleet: Fleet, now: number): void {
  const { callsAt, random, options, leaving } = fleet
  for (const [worker, callAt] of callsAt.entries()) {
    if (now < callAt) continue
    callsAt[worker] = now + CALL_APART_MS + random() * NOISE_MS
    const { perSecond, capacity } = limitNow(seen(fleet, worker, now), relayBucket, now)
    fleet.tokens = Math.min(capacity, fleet.tokens + ((now - fleet.filledAt) * perSecond) / 1_000)
    fleet.filledAt = now
    const fair = Math.ceil(Math.floor(fleet.tokens) / options.workers)
    const count = Math.min(fair, Math.max(1, Math.floor(perSecond * BLOCK_SECONDS)))
    fleet.tokens -= count
    for (let left = count; left > 0; left -= 1) {
      const at = now + 1 + Math.floor(random() * options.spreadMs)
      addTo(leaving, at, worker)
      const second = Math.floor(at / 1_000)
      fleet.spent[second] = (fleet.spent[second] ?? 0) + 1
    }
  }
}

function addTo<T>(by: Map<number, T[]>, key: number, value: T): void {
  const values = by.get(key)
  if (values) values.push(value)
  else by.set(key, [value])
}

function bySecond(times: readonly number[], endMs: number): number[] {
  const counts = Array.from({ length: endMs / 1_000 }, () => 0)
  for (const time of times) {
    const second = Math.floor(time / 1_000)
    counts[second] = (counts[second] ?? 0) + 1
  }
  return counts
}
