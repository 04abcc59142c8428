// What the flags of `fluxmail enqueue` say of when a batch is sent, and of its share of the lane.

import { type SendWindow, type Weekday, weekdayNames } from '../delivery/send-window.js'
import { UsageError } from './failure.js'

export interface ScheduleOptions {
  readonly sendAt?: Date
  readonly expiresAt?: Date
  readonly sendWindow?: SendWindow
  readonly priority?: number
}

/** An instant by its day, its time and how far that is from UTC. Without the last, machines would read it differently. */
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/

/** @throws UsageError */
export function instantOf(flag: string): (text: string) => Date {
  return (text) => {
    const date = new Date(text)
    if (instant.test(text) && !Number.isNaN(date.getTime())) return date
    throw new UsageError(`${flag} takes a time such as 2030-05-01T09:00+02:00, not "${text}"`)
  }
}

const days: readonly string[] = weekdayNames
const window = /^(?:([a-z,-]+) )?(\d\d:\d\d)-(\d\d:\d\d) (\S+)$/i

/** `mon-fri 09:00-17:00 Europe/Berlin`; without days it is every day. Throws UsageError. */
export function parseSendWindow(text: string): SendWindow {
  const [, daysText, from, to, timeZone] = window.exec(text.trim()) ?? []
  const named = daysIn(daysText?.toLowerCase() ?? 'mon-sun')
  if (from && to && timeZone && named) return { days: named, from, to, timeZone }
  throw new UsageError(`--send-window takes hours as in 'mon-fri 09:00-17:00 Europe/Berlin', not "${text}"`)
}

/** Days and ranges of them, parted by commas; a range may go over Sunday. */
function daysIn(text: string): Weekday[] | undefined {
  const found = new Set<string>()
  for (const part of text.split(',')) {
    const [first = '', last = first, ...others] = part.split('-')
    const [from, to] = [days.indexOf(first), days.indexOf(last)]
    if (from < 0 || to < 0 || others.length > 0) return undefined
    const length = ((to - from + days.length) % days.length) + 1
    for (const day of [...days, ...days].slice(from, from + length)) found.add(day)
  }
  return weekdayNames.filter((day) => found.has(day))
}

/** What the library takes of them. */
export function scheduleOf({ sendAt, expiresAt, sendWindow, priority }: ScheduleOptions): ScheduleOptions {
  return {
    ...(sendAt && { sendAt }),
    ...(expiresAt && { expiresAt }),
    ...(sendWindow && { sendWindow }),
    ...(priority !== undefined && { priority }),
  }
}
