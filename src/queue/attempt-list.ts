// The attempts at a delivery as its job keeps them: the first one and the last twelve, each in a few words.

import type { Attempt } from '../delivery/delivery.js'
import type { Outcome } from '../delivery/outcome.js'
import type { Payload } from './payload.js'

const LAST_KEPT = 12
const MAX_REPLY = 200

/** The data of a job with one attempt more; data of the version before this one has no place for it. */
export function withAttempt(
  payload: Payload,
  { outcome, relay = '', wire }: Pick<Attempt, 'relay' | 'wire'> & { readonly outcome: Outcome },
  now: number,
): Payload {
  if (payload.v === 1) return payload
  const { at, ms } = wire ?? { at: now, ms: 0 }
  const [code, reply] = wordsOf(outcome)
  const [first, ...others] = [
    ...(payload.l ?? []),
    [at, ms, relay, outcome.kind, code, reply] satisfies Entry,
  ]
  const last = others.slice(-LAST_KEPT)
  return { ...payload, l: first ? [first, ...last] : last }
}

type Entry = NonNullable<Payload['l']>[number]

/** The reply as it was given, or why there is none. */
function wordsOf(outcome: Outcome): [code: string, reply: string] {
  if (!('reason' in outcome)) return ['', '']
  const { code, message, reply } = outcome.reason
  const words = reply
    ? [reply.code, reply.enhanced, reply.text].filter((word) => word !== undefined)
    : [message]
  return [code, words.join(' ').slice(0, MAX_REPLY)]
}
