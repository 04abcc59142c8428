// The hours in which a delivery may be sent, in a time zone, and when they next begin. Pure.
// A time of day that a change of the clocks leaves out is not waited for on that day; one that comes twice counts twice.

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

/** In the order of a week. */
export const weekdayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdayNames)[number]

export interface SendWindow {
  /** Days on which it opens; every day unless given. */
  days?: readonly Weekday[] | undefined
  /** When it opens: `HH:MM`, 00:00 to 23:59. */
  from: string
  /** When it closes: `HH:MM`, up to 24:00. Before `from`, it is that time of the next day. */
  to: string
  /** A name of the IANA database, such as `Europe/Berlin`. */
  timeZone: string
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** No time zone changes its clocks twice within so long. */
const STEP_MS = 6 * 60 * MINUTE_MS
/** A week, and one more where a change of the clocks left the only hours of the first one out. */
const LOOK_MS = 16 * DAY_MS

/** `now` where the window is open, else the instant at which it next opens. Milliseconds since 1970. */
export function nextOpening(window: SendWindow, now: number): number {
  const hours = hoursOf(window)
  const until = now + LOOK_MS
  for (let start = now; start < until; ) {
    const { offsetMs, endsAt } = stretchFrom(window.timeZone, start)
    const opening = nextLocal(hours, start + offsetMs) - offsetMs
    if (opening < endsAt) return opening
    start = endsAt
  }
  return until
}

interface Hours {
  /** Milliseconds after midnight. */
  readonly from: number
  readonly lengthMs: number
  opensOn(day: number): boolean
}

function hoursOf({ days = weekdayNames, from, to }: SendWindow): Hours {
  const opening = timeOfDay(from)
  const length = timeOfDay(to) - opening
  return {
    from: opening,
    lengthMs: length > 0 ? length : length + DAY_MS,
    // 1 January 1970 was a Thursday.
    opensOn: (day) => days.includes(weekdays[(((day + 4) % 7) + 7) % 7] ?? 'sun'),
  }
}

function timeOfDay(text: string): number {
  return (Number(text.slice(0, 2)) * 60 + Number(text.slice(3))) * MINUTE_MS
}

/** Of a clock that nobody changes: it shows `local`, and the window opens when it shows this. */
function nextLocal({ from, lengthMs, opensOn }: Hours, local: number): number {
  const today = Math.floor(local / DAY_MS)
  for (let day = today - 1; ; day += 1) {
    if (!opensOn(day)) continue
    const opens = day * DAY_MS + from
    if (local < opens + lengthMs) return Math.max(local, opens)
  }
}

/** What is to be added to universal time from `start` on, and until when at the most. */
function stretchFrom(timeZone: string, start: number): { offsetMs: number; endsAt: number } {
  const offsetMs = offsetAt(timeZone, start)
  let same = start
  let other = start + STEP_MS
  if (offsetAt(timeZone, other) === offsetMs) return { offsetMs, endsAt: other }
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2)
    if (offsetAt(timeZone, middle) === offsetMs) same = middle
    else other = middle
  }
  return { offsetMs, endsAt: other }
}

const formats = new Map<string, Intl.DateTimeFormat>()

function offsetAt(timeZone: string, at: number): number {
  const shown = new Map(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (type: string) => shown.get(type as Intl.DateTimeFormatPartTypes) ?? 0
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  )
  return local - Math.floor(at / 1000) * 1000
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone)
  if (known) return known
  const numeric = 'numeric'
  const date = { year: numeric, month: numeric, day: numeric } as const
  const time = { hour: numeric, minute: numeric, second: numeric, hourCycle: 'h23' } as const
  const format = new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', ...date, ...time })
  formats.set(timeZone, format)
  return format
}

/** A window in a few characters, as jobs carry it: `12345 09:00 17:00 Europe/Berlin`. */
export function windowText({ days = weekdayNames, from, to, timeZone }: SendWindow): string {
  const numbers = weekdayNames.flatMap((day, index) => (days.includes(day) ? [index + 1] : []))
  return `${numbers.join('')} ${from} ${to} ${timeZone}`
}

/** Reads what `windowText` wrote. */
export function windowOf(text: string): SendWindow {
  const [numbers = '', from = '', to = '', timeZone = ''] = text.split(' ', 4)
  return { days: weekdayNames.filter((_, index) => numbers.includes(String(index + 1))), from, to, timeZone }
}
