// An instant that is still to come, as a person writes it.

import { UsageError } from './failure.js'

/** ISO 8601, a day or a time of a day; local time unless it names a zone. Throws UsageError. */
export function instantAhead(flag: string): (text: string) => Date {
  return (text) => {
    // A day alone would be taken for UTC.
    const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text)
    if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date
    throw new UsageError(`${flag} takes a time such as 2027-03-01 or 2027-03-01T12:00, not "${text}"`)
  }
}
