// First step: can a permit be had? Looked at before anything is asked of Redis or rendered, so that what cannot go out
// costs little. The permit is kept for this delivery; it is spent right before the wire, by `permit`.

import { isPast } from './backoff.js'
import { claim } from './claim.js'
import type { Attempt, Throttled } from './delivery.js'
import { because, type Outcome } from './outcome.js'

export async function look(attempt: Attempt): Promise<Attempt> {
  const { ports, delivery, signal } = attempt
  // It needs no permit for failing.
  if (isPast(delivery, ports.now())) return attempt
  const passage = await ports.look(delivery, signal)
  switch (passage.kind) {
    case 'open':
      return passage.pass ? { ...attempt, pass: passage.pass } : attempt
    case 'throttled': {
      // What has ended, or was stopped, is done with now: it needs no permit for that, and may wait for one for days.
      const claimed = await claim(attempt)
      return claimed.outcome ? claimed : { ...attempt, relay: passage.relay, outcome: throttled(passage) }
    }
    case 'closing':
      return { ...attempt, outcome: closing }
  }
}

export const closing: Outcome = {
  kind: 'held',
  reason: because('closing', 'the worker is closing'),
  holdMs: 0,
}

/** Held by a limit, with all that wait for the same. */
export function throttled({ relay, short, gate, perSecond, waitMs }: Throttled): Outcome {
  const words: Record<Throttled['short'], string> = {
    relay: `the relay ${relay} is used as fast as it may be`,
    provider: `mail to ${gate.provider} goes through the relay ${relay} as fast as it may`,
    day: `the relay ${relay} has had its messages of a day`,
    connections: `all connections that the relay ${relay} may have are in use`,
  }
  const held = { kind: 'held', reason: because('throttled', words[short]), holdMs: waitMs } as const
  // Where this worker has no place, another may have one: nobody else is to wait for it.
  return short === 'connections' ? held : { ...held, gate, perSecond }
}
