// What goes wrong many times at once, such as Redis being away, said at most once a second, with how often it came.
// Of several kinds each has its turn, so that none is hidden behind another.

import type { Clock } from '../clock.js'
import { messageOf } from '../errors.js'
import { errorFields, type Logger } from './log.js'

interface Complaint {
  readonly error: unknown
  readonly what: string
  readonly count: number
}

const QUIET_MS = 1_000
/** Kinds that wait to be said; there are a handful, and no error may make it more. */
const MAX_KINDS = 20

/** Logs `error` under the message `what`, now or in place of a later one of its kind. */
export type Complain = (error: unknown, what: string) => void

export function createComplaints(logger: Logger, clock: Pick<Clock, 'monotonicMs'>): Complain {
  // A Map keeps its order: the kind that has waited longest is first.
  const waiting = new Map<string, Complaint>()
  let quietUntil = Number.NEGATIVE_INFINITY

  return (error, what) => {
    const kind = `${what} ${messageOf(error).split(' ', 1)}`
    const count = (waiting.get(kind)?.count ?? 0) + 1
    if (count > 1 || waiting.size < MAX_KINDS) waiting.set(kind, { error, what, count })
    const now = clock.monotonicMs()
    if (now < quietUntil) return
    quietUntil = now + QUIET_MS
    for (const [next, said] of waiting) {
      waiting.delete(next)
      logger.error(
        { ...errorFields(said.error), ...(said.count > 1 ? { count: said.count } : {}) },
        said.what,
      )
      return
    }
  }
}
