// A relay that nobody knows yet is given more mail each day: a step every 24 hours, each as many times the one before.
// One step back instead of forward where too many of its replies asked for less. Pure functions of Redis' time.

export interface Warmup {
  /** Messages on the first day. */
  readonly from: number
  /** Messages on the last day; after it there is no such limit. */
  readonly to: number
  readonly days: number
}

export interface WarmupState {
  /** The first step is 0; with as many as there are days it is over. */
  readonly step: number
  /** When this step began, Redis' time in milliseconds. */
  readonly startedAt: number
  /** Messages that were taken in this step, and replies that asked for less; 0 unless given. */
  readonly attempts?: number
  /** How many of them were answered by asking for less; 0 unless given. */
  readonly slowed?: number
}

const DAY_MS = 86_400_000
/** Finding out how much a relay takes costs up to 2 %; more than this is a relay that takes less than it is given. */
const MOST_SLOWED = 0.05
/** One reply is no sign, however few messages there were. */
const LEAST_SLOWED = 2

/** Messages within 24 hours at `now`; `Infinity` once it is over. */
export function warmupPerDay(warmup: Warmup, state: WarmupState | undefined, now: number): number {
  const step = state === undefined ? 0 : warmupAt(warmup, state, now).step
  return step >= warmup.days ? Number.POSITIVE_INFINITY : stepPerDay(warmup, step)
}

/** Messages of one step, from `from` at the first to `to` at the last. */
export function stepPerDay({ from, to, days }: Warmup, step: number): number {
  return Math.round(from * (to / from) ** (step / Math.max(1, days - 1)))
}

/** The state at `now`: a day on which nothing was taken is no step. */
export function warmupAt({ days }: Warmup, state: WarmupState, now: number): WarmupState {
  const passed = Math.floor((now - state.startedAt) / DAY_MS)
  if (passed < 1 || state.step >= days) return state
  return { step: followingStep(state), startedAt: state.startedAt + passed * DAY_MS }
}

function followingStep({ step, attempts = 0, slowed = 0 }: WarmupState): number {
  if (slowed >= LEAST_SLOWED && slowed / attempts > MOST_SLOWED) return Math.max(0, step - 1)
  return attempts > slowed ? step + 1 : step
}

/** The state once so many attempts more are known of, which began it where there was none. */
export function warmedUp(
  warmup: Warmup,
  state: WarmupState | undefined,
  { attempts, slowed }: { readonly attempts: number; readonly slowed: number },
  now: number,
): WarmupState {
  const present = warmupAt(warmup, state ?? { step: 0, startedAt: now }, now)
  if (present.step >= warmup.days) return present
  return {
    ...present,
    attempts: (present.attempts ?? 0) + attempts,
    slowed: (present.slowed ?? 0) + slowed,
  }
}
