// What the script is asked for a set of wants, and what its answer means for each of them.
// Pure. Wants that meet no limit are not asked for, they are granted as they are.

import { type LimitState, limitNow, relayBucket } from '../limits/limit.js'

/** Permits for one lane and one provider. */
export interface Want {
  readonly provider: string
  readonly lane: string
  readonly count: number
}

/** Permits that were not spent. */
export interface Return extends Want {
  /** `at` of the answer that granted them; what the bucket would have lost since by being full is not given back. */
  readonly at: number
}

/** What is short: nothing, the relay's own bucket, that of the provider, or the quota of 24 hours. */
export type Short = 'none' | 'relay' | 'provider' | 'day'

export interface Taken {
  /** Redis' time at which they were granted; `returns` name it. */
  readonly at: number
  /** For each want, in order: how many permits were granted. */
  readonly grants: readonly number[]
  /** For each want: when to ask again for the rest, 0 when all was granted. At most 1500, but for a day's quota. */
  readonly waitMs: readonly number[]
  /** For each want: what the rest waits for. */
  readonly short: readonly Short[]
}

/** What may be taken in a call: of the relay's bucket and the provider's, by their numbers, 0 for none. */
type Asked = readonly [lane: string, count: number, relay: number, provider: number]

export interface LimitAsk {
  /** For the script. */
  readonly buckets: readonly (readonly [name: string, perSecond: number, capacity: number])[]
  readonly shares: Readonly<Record<string, number>>
  readonly perDay: number
  readonly wants: readonly Asked[]
  readonly returns: readonly (readonly [...Asked, at: number])[]
}

export interface Plan {
  readonly ask: LimitAsk
  /** For each want, whether it is asked for. */
  readonly isAsked: readonly boolean[]
}

/** What the script answers after `taken`. */
export type Granted = readonly [at: number, grants: number[], waitMs: number[], short: Short[]]

export function planOf(
  state: LimitState,
  now: number,
  wants: readonly Want[],
  returns: readonly Return[],
): Plan {
  const buckets: [string, number, number][] = []
  const numbers = new Map<string, number>()
  const numberOf = (name: string) => {
    const number = numbers.get(name) ?? addBucket(buckets, state, name, now)
    numbers.set(name, number)
    return number
  }
  const { perDay } = limitNow(state, relayBucket, now)
  const asked = ({ lane, provider, count }: Want): Asked => [
    lane,
    count,
    numberOf(relayBucket),
    numberOf(provider),
  ]
  const isAsked = wants.map((want) => perDay < Number.POSITIVE_INFINITY || meetsBucket(asked(want)))
  return {
    isAsked,
    ask: {
      wants: wants.filter((_, index) => isAsked[index]).map(asked),
      returns: returns.map((back) => [...asked(back), back.at] as const),
      buckets,
      shares: state.shares,
      perDay: perDay === Number.POSITIVE_INFINITY ? -1 : Math.floor(perDay),
    },
  }
}

function meetsBucket([, , relay, provider]: Asked): boolean {
  return relay > 0 || provider > 0
}

function addBucket(
  buckets: [string, number, number][],
  state: LimitState,
  name: string,
  now: number,
): number {
  const { perSecond, capacity } = limitNow(state, name, now)
  return perSecond === Number.POSITIVE_INFINITY ? 0 : buckets.push([name, perSecond, capacity])
}

/** The answer to all wants, of that to those that were asked for. */
export function takenOf({ isAsked }: Plan, wants: readonly Want[], granted: Granted): Taken {
  const [at, grants, waitMs, short] = granted
  let next = 0
  const places = isAsked.map((asked) => (asked ? next++ : undefined))
  const each = <T>(values: readonly T[], otherwise: (want: Want) => T) =>
    wants.map((want, index) => values[places[index] ?? -1] ?? otherwise(want))
  return {
    at,
    grants: each(grants, ({ count }) => count),
    waitMs: each(waitMs, () => 0),
    short: each(short, () => 'none'),
  }
}

/** Whether there is nothing to ask. */
export function isFree({ ask }: Plan): boolean {
  return ask.buckets.length === 0 && ask.perDay < 0
}

/** What was granted by an answer that nobody waits for any more, to be given back. */
export function returnsOf(plan: Plan, wants: readonly Want[], granted: Granted): Return[] {
  const { at, grants } = takenOf(plan, wants, granted)
  return wants.flatMap((want, index) => {
    const count = grants[index] ?? 0
    return plan.isAsked[index] && count > 0 ? [{ ...want, count, at }] : []
  })
}
