// What the nemesis is going to do and when, all of it drawn from the seed before the run begins.
// Pure, so that a seed says the same in every run.

import { createRandom, type Random } from './random.js'
import { attemptLifeMs, lockMs } from './settings.js'

export const actionKinds = [
  'kill-worker',
  'stop-worker',
  'freeze-worker',
  'kill-redis',
  'pause-redis',
  'fill-redis',
  'cut-after-dot',
  'swallow-reply',
  'stall-line',
  'refuse-line',
  'wrong-password',
  'pause-batch',
  'cancel-batch',
] as const

export type ActionKind = (typeof actionKinds)[number]

export interface Action {
  readonly kind: ActionKind
  /** From the beginning of the run. */
  readonly atMs: number
  readonly forMs: number
  /** Which of the two workers. */
  readonly worker: 0 | 1
  /** Of 100 final dots, how many are hit while it lasts; of the memory that a full Redis leaves, how much. */
  readonly share: number
}

/** How long each may last, from and to, in milliseconds. */
const durations: Readonly<Record<ActionKind, readonly [number, number]>> = {
  'kill-worker': [100, 1_500],
  'stop-worker': [100, 1_000],
  'freeze-worker': [lockMs + 500, attemptLifeMs + lockMs],
  'kill-redis': [100, 2_500],
  'pause-redis': [500, lockMs + 2_000],
  'fill-redis': [1_000, 4_000],
  'cut-after-dot': [300, 2_000],
  'swallow-reply': [300, 1_500],
  'stall-line': [500, 3_000],
  'refuse-line': [500, 3_000],
  'wrong-password': [1_000, 4_000],
  'pause-batch': [500, 4_000],
  // What is on its way meanwhile is watched for so long at least.
  'cancel-batch': [100, 500],
}

const SHORTEST_GAP_MS = 500
const LONGEST_GAP_MS = 2_500
/** Of the run's end, so much is left without new actions. */
const QUIET_END_MS = 2_000

/** The actions of a run, by time. They may overlap: what happens together finds more than what happens in turn. */
export function planOf(seed: number, runMs: number, only: readonly ActionKind[] = actionKinds): Action[] {
  const random = createRandom(seed, 'nemesis')
  const plan: Action[] = []
  let bag: ActionKind[] = []
  for (let atMs = gap(random); atMs < runMs - QUIET_END_MS; atMs += gap(random)) {
    // Each kind once before any of them comes again, so that a short run has them all.
    if (bag.length === 0) bag = [...only]
    const [kind] = bag.splice(random.whole(0, bag.length - 1), 1)
    if (kind !== undefined) plan.push(draw(random, kind, atMs))
  }
  return plan
}

function gap(random: Random): number {
  return random.whole(SHORTEST_GAP_MS, LONGEST_GAP_MS)
}

function draw(random: Random, kind: ActionKind, atMs: number): Action {
  const [shortest, longest] = durations[kind]
  return {
    kind,
    atMs,
    forMs: random.whole(shortest, longest),
    worker: random.pick([0, 1]),
    share: random.whole(10, 100),
  }
}
