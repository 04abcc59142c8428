// The time that a reply names for the next try: "try again in 5 minutes", "greylisted for 300 seconds".
// A number without a word of waiting before it is no such time: "too many messages in 5 minutes" is a limit.

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** English, German and French, as relays write them. */
const units: readonly (readonly [RegExp, number])[] = [
  [/^(?:ms|msec|millisec)/, 1],
  [/^(?:d|j)/, DAY_MS],
  [/^(?:h|std|stunde)/, HOUR_MS],
  [/^m/, MINUTE_MS],
  [/^s/, SECOND_MS],
]
const unit =
  '(?:milliseconds?|ms|seconds?|secondes?|sekunden?|secs?|sek|s|minutes?|minuten?|mins?|m|hours?|heures?|stunden?|hrs?|std|h|days?|tage?n?|jours?|d|j)'
const amount = `(\\d{1,9}(?:[.,]\\d{1,3})?)\\s*(${unit})(?![a-z])`
const clock = '(\\d{1,3}):([0-5]\\d)(?::([0-5]\\d))?(?!\\d)'

const waiting =
  '(?:again|reset\\w*|retry\\w*|retries|resend\\w*|re-?transmit\\w*|come back|wait\\w*|delay\\w*|gr[ea]y-?list\\w*|defer\\w*|blocked|blacklisted' +
  '|later|erneut\\w*|nochmals?|wiederhol\\w*|warten|r[eé]essay\\w*|patient\\w*|attend\\w*|nouveau)'
/** What may stand between the word and its time; a full stop or a bracket ends the thought. */
const between = '[^.;()\\d]{0,40}?'

const named = new RegExp(
  `\\b${waiting}${between}(?:${clock}|${amount}(?:\\s*(?:and|und|et|,)?\\s*${amount})?)`,
  'iu',
)
/** `Retry-After: 60`, `retry in 300`: without a unit it is seconds. */
const bare = /\bretry(?:[- ]after|[- ]in)?\s*[:=]?\s*(\d{1,6})(?![\w.:])/iu

const LONGEST_TEXT = 2_000

/** A relay that names more is asked once a day all the same. */
export const longestRetryAfterMs = DAY_MS

/** Milliseconds to wait, more than 0 and at most a day; undefined where the text names no time. */
export function retryAfterMsOf(text: string): number | undefined {
  const read = text.slice(0, LONGEST_TEXT)
  const ms = namedMs(read) ?? bareMs(read)
  return ms === undefined || !(ms > 0) ? undefined : Math.min(Math.ceil(ms), longestRetryAfterMs)
}

function namedMs(text: string): number | undefined {
  const found = named.exec(text)
  if (found === null) return undefined
  const [, hours, minutes, seconds, ...amounts] = found
  if (hours !== undefined) return clockMs(hours, minutes, seconds)
  const [first, firstUnit, second, secondUnit] = amounts
  return amountMs(first, firstUnit) + amountMs(second, secondUnit)
}

/** `00:05:00` has hours; what has but two parts is minutes and seconds. */
function clockMs(first: string, second = '0', third?: string): number {
  return third === undefined
    ? Number(first) * MINUTE_MS + Number(second) * SECOND_MS
    : Number(first) * HOUR_MS + Number(second) * MINUTE_MS + Number(third) * SECOND_MS
}

function amountMs(number: string | undefined, word: string | undefined): number {
  if (number === undefined || word === undefined) return 0
  const lower = word.toLowerCase()
  const each = units.find(([pattern]) => pattern.test(lower))?.[1] ?? 0
  return Number(number.replace(',', '.')) * each
}

function bareMs(text: string): number | undefined {
  const seconds = bare.exec(text)?.[1]
  return seconds === undefined ? undefined : Number(seconds) * SECOND_MS
}
