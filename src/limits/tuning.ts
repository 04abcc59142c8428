// How a relay's rate follows what it says: halved when it asks for less, and raised again step by step while it is quiet.
// Pure functions of the last cut and of Redis' time, so that nothing is written while a rate is raised.

/** What is remembered of the last time that less was asked for. */
export interface Tuned {
  /** Redis' time, in milliseconds. */
  readonly at: number
  /** Messages a second that were too many. */
  readonly perSecond: number
  /** Connections that were open, of the whole fleet. */
  readonly connections?: number
  /** What the relay said, without addresses. */
  readonly reply?: string
}

/** A cut as it is seen when it is made. */
export interface CutFacts {
  /** What may pass in a second; `Infinity` without a limit. */
  readonly limit: number
  /** The same without tuning. */
  readonly ceiling: number
  /** What the fleet got through in a second of late; 0 where it is not known. */
  readonly rate: number
  /** Connections of the fleet; undefined where they are not known. */
  readonly connections?: number | undefined
  readonly reply?: string | undefined
}

// Chosen by simulation (test/limits/fleet-model.ts): flatter finds a relay's limit later, steeper breaks it more often.
/** Of what was too much, where a cut leads to, and where the curve is flat: so little below that noise seldom breaks it. */
const CUT = 0.5
const FLAT = 0.96
const SPAN_SECONDS = 9
const POWER = 9
const FLAT_SECONDS = SPAN_SECONDS * (1 - CUT / FLAT) ** (1 / POWER)
/** From where the curve is as steep as this on, it goes on so: of itself, in a second. */
const GROWTH = 0.08
const GROWING_SECONDS = FLAT_SECONDS + SPAN_SECONDS * steepAt()
/** Above it nobody can tell a limit from none. */
const FORGOTTEN_PER_SECOND = 100_000
/** Relays count by the second, so that what is said for so long after a cut is said of the time before it. */
const ECHO_MS = 1_000
/** What is known of a rate lags behind, so that at most so much more was too much. A guess too high is cut again soon. */
const LAG = 2.5
const LOWEST_PER_SECOND = 1
const LOWEST_SHARE = 0.1

/** What may pass in a second at `now` after a cut; `Infinity` once it is forgotten. */
export function tunedPerSecond({ at, perSecond }: Tuned, now: number): number {
  const tuned = perSecond * shareAfter(Math.max(0, now - at) / 1000)
  return tuned < FORGOTTEN_PER_SECOND ? tuned : Number.POSITIVE_INFINITY
}

/** How many connections the fleet may have at `now`; `Infinity` where none were known. */
export function tunedConnections({ at, connections }: Tuned, now: number): number {
  if (connections === undefined) return Number.POSITIVE_INFINITY
  const share = shareAfter(Math.max(0, now - at) / 1000)
  return share >= 1 ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(connections * share))
}

/** Of what was too much, what may pass so long after. */
function shareAfter(seconds: number): number {
  const fromFlat = (Math.min(seconds, GROWING_SECONDS) - FLAT_SECONDS) / SPAN_SECONDS
  return FLAT * (1 + fromFlat ** POWER) * Math.exp(GROWTH * Math.max(0, seconds - GROWING_SECONDS))
}

/** Where on the curve the share grows by `GROWTH` of itself in a second. */
function steepAt(): number {
  let [low, high] = [0, 1]
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2
    const growth = (POWER * middle ** (POWER - 1)) / SPAN_SECONDS / (1 + middle ** POWER)
    if (growth < GROWTH) low = middle
    else high = middle
  }
  return low
}

/** Whether a reply to an attempt that began at `startedAt` says anything of the rate since the last cut. */
export function isTelling(tuned: Tuned | undefined, startedAt: number): boolean {
  return tuned === undefined || startedAt >= tuned.at + ECHO_MS
}

/** No cut leads below this. */
export function lowestPerSecond(ceiling: number): number {
  return Math.min(LOWEST_PER_SECOND, LOWEST_SHARE * ceiling)
}

/** Whether a cut at this limit would still lead to less. */
export function canGoLower(limit: number, ceiling: number): boolean {
  return CUT * limit > lowestPerSecond(ceiling)
}

/** What is remembered of a cut at `now`. */
export function cutAt(facts: CutFacts, now: number): Tuned {
  const { connections, reply } = facts
  return {
    at: now,
    perSecond: Math.max(tooMuch(facts), lowestPerSecond(facts.ceiling) / CUT),
    ...(connections ? { connections } : {}),
    ...(reply === undefined ? {} : { reply }),
  }
}

function tooMuch({ limit, rate }: CutFacts): number {
  return rate > 0 ? Math.min(limit, rate * LAG) : Number.isFinite(limit) ? limit : 0
}
