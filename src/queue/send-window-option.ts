// The option `sendWindow`, checked before anything is stored.

import { z } from 'zod'
import { type SendWindow, type Weekday, weekdayNames } from '../delivery/send-window.js'

const time = (pattern: RegExp, most: string) =>
  z.string().regex(pattern, `must be a time as HH:MM, 00:00 to ${most}`)

/** Makes days a plain list in the order of a week, all of them where none are named. */
export const sendWindowSchema = z
  .strictObject({
    days: z
      .array(z.enum(weekdayNames, `must be of ${weekdayNames.join(' ')}`))
      .min(1, 'must name at least one day; leave it out for all of them')
      .optional(),
    from: time(/^([01]\d|2[0-3]):[0-5]\d$/, '23:59'),
    to: time(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, '24:00'),
    timeZone: z.string().refine(isTimeZone, 'must be a time zone such as Europe/Berlin'),
  })
  .refine(({ from, to }) => from !== to, {
    path: ['to'],
    message: "is the same time as from; for whole days say from: '00:00', to: '24:00'",
  })
  .transform(({ days, ...window }): SendWindow => ({ ...window, days: inOrder(days) }))

function inOrder(days: readonly Weekday[] = weekdayNames): Weekday[] {
  return weekdayNames.filter((day) => days.includes(day))
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
