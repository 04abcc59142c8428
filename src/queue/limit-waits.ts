// What waits for a limit: which one, how fast it lets mail pass, why it is as it is, and when it is one's turn. Pure.
// A limit is named only while it holds mail back: one that nobody reaches keeps nobody waiting.

import { relaysOfRoute } from '../store/workers.js'
import type { BucketStatus, DayLimitStatus, FigureStatus, RelayLimitStatus } from './limit-status.js'
import { clockText, countText, type Surroundings, type Wait } from './waits.js'

/** Who waits. */
export interface Waiting {
  readonly route: string | undefined
  /** Where a whole batch waits there is none. */
  readonly provider?: string | undefined
  /** How many go before it, or of a batch how many there are in all. */
  readonly ahead?: number | undefined
  readonly comes: 'its turn comes' | 'it is done'
}

/** Of the limit, this much is used where it is what keeps mail waiting. */
const AT_LIMIT = 0.85

/** The limits that hold it back, of every relay of its route; none as long as one of them has no such limit. */
export function limitWaits(around: Surroundings, waiting: Waiting): Wait[] {
  const own = relaysOfRoute(around.workers, waiting.route)
  const meant = around.limits.filter(({ relay }) => own === undefined || own.has(relay))
  const found = meant.map((relay) => holdBacks(relay, waiting, around.now))
  return found.some((waits) => waits.length === 0) ? [] : found.flat()
}

const DAY_SECONDS = 86_400

/** Whether so many do not all go at that speed, because the relays of the route may not have so many within a day. */
export function isBeyondDay(
  { workers, limits }: Pick<Surroundings, 'workers' | 'limits'>,
  route: string | undefined,
  { count, perSecond }: { readonly count: number; readonly perSecond: number },
): boolean {
  const own = relaysOfRoute(workers, route)
  const days = limits.filter(({ relay }) => own === undefined || own.has(relay)).map(({ day }) => day)
  const sumOf = (figure: (day: DayLimitStatus) => number) => days.reduce((sum, day) => sum + figure(day), 0)
  const whole = sumOf(({ now = Number.POSITIVE_INFINITY }) => now)
  const left = sumOf(({ now = Number.POSITIVE_INFINITY, used }) => Math.max(0, now - used))
  // Slowly enough, as many become free again as are sent.
  return days.length > 0 && left < count && (left === 0 || perSecond * DAY_SECONDS > whole)
}

/** What the words of a delivery that was put back leave out: how fast, and why no faster. */
export function limitBehind(words: string, limits: readonly RelayLimitStatus[]): string {
  const [, relay] = /\brelay (\S+)/.exec(words) ?? []
  const [, provider] = /^mail to (\S+) goes/.exec(words) ?? []
  const status = limits.find((each) => each.relay === relay)
  if (status === undefined) return ''
  if (/ messages of a day$/.test(words)) return dayText(status)
  const bucket = status.buckets.find((each) => each.provider === provider)
  return bucket?.ratePerSecond.now === undefined ? '' : `, ${rateText(bucket, bucket.ratePerSecond.now)}`
}

function holdBacks(status: RelayLimitStatus, waiting: Waiting, now: number): Wait[] {
  const { relay, day, buckets } = status
  if (day.now !== undefined && day.used >= day.now) {
    const text = `the relay ${relay} has had its messages of a day${dayText(status)}`
    return [{ kind: 'limit', text, ...(day.freesAt ? { until: day.freesAt } : {}) }]
  }
  const short = buckets.filter((bucket) => isShort(bucket) && concerns(bucket, waiting))
  const { ahead, ...who } = waiting
  const left = (day.now ?? Number.POSITIVE_INFINITY) - day.used
  // Beyond what is left of the day its rate says nothing of the end.
  const told = ahead !== undefined && ahead > left ? who : waiting
  return short.map((bucket) => bucketWait(relay, bucket, told, now))
}

function concerns({ provider }: BucketStatus, waiting: Waiting): boolean {
  return provider === undefined || waiting.provider === undefined || provider === waiting.provider
}

function isShort({ ratePerSecond, sending, tokens }: BucketStatus): boolean {
  const { now } = ratePerSecond
  return now !== undefined && (sending >= AT_LIMIT * now || (tokens !== undefined && tokens < 1))
}

function bucketWait(
  relay: string,
  bucket: BucketStatus,
  { ahead, comes, ...waiting }: Waiting,
  now: number,
): Wait {
  const { provider, ratePerSecond, tokens = 0 } = bucket
  const perSecond = ratePerSecond.now ?? Number.POSITIVE_INFINITY
  const words = provider
    ? `mail to ${provider} goes through the relay ${relay} as fast as it may`
    : `the relay ${relay} is used as fast as it may be`
  // Of those before it nobody knows how many go to this provider.
  const count = provider && ahead !== undefined ? Math.min(ahead, 1) : ahead
  const until = now + (Math.max(0, Math.max(1, count ?? 1) - tokens) / perSecond) * 1000
  const isNext = count === undefined || (provider !== undefined && waiting.provider === undefined)
  const when = isNext ? 'the next may go' : comes
  const text = `${words}, ${rateText(bucket, perSecond)}; ${when} at ${clockText(until)} at the earliest`
  return { kind: 'limit', text, until: new Date(until) }
}

function rateText({ ratePerSecond, tuned }: BucketStatus, now: number): string {
  const speed = `${now >= 100 ? countText(Math.round(now)) : Number(now.toPrecision(3))} a second`
  if (tuned === undefined) return `${speed} (${sourceOf(ratePerSecond)})`
  const said = tuned.reply ? `: ${tuned.reply}` : ''
  return `${speed} (slowed down since ${clockText(tuned.since.getTime())}, because it asked for less${said})`
}

function dayText({ day, warmup }: RelayLimitStatus): string {
  if (day.now === undefined) return ''
  const isRamp = warmup?.perDay !== undefined && warmup.perDay === day.now
  const source = isRamp ? `step ${warmup.step} of ${warmup.days} of its warm-up` : sourceOf(day)
  const frees = day.freesAt ? `; the oldest of them are over at ${clockText(day.freesAt.getTime())}` : ''
  return `, ${countText(day.now)} (${source})${frees}`
}

function sourceOf({ set }: FigureStatus): string {
  return typeof set === 'number' ? 'set by `fluxmail limits`' : 'as configured'
}
