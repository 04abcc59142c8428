// What an attempt came to: one value of a closed union, and the reason behind it.
// Nothing else decides what becomes of a delivery; the queue only carries out what stands here.

import type { Gate } from '../limits/gate.js'

/** A reply of a relay, as it was given (RFC 5321, 4.2). */
export interface Reply {
  readonly code: number
  /** Enhanced status code (RFC 3463), such as `5.1.1`. */
  readonly enhanced?: string
  /** The text of the reply without code and enhanced code, lines joined by a space. */
  readonly text: string
}

export interface Reason {
  /** A short word or reply such as `550 5.1.1`, `expired`, `template_error`: what failures are grouped by. */
  readonly code: string
  readonly message: string
  readonly reply?: Reply
}

/**
 * Whose fault it is that mail is held: the relay gave no answer (`connect`), refuses our login (`auth`), is in
 * trouble or does not serve us (`relay`), refuses this sender (`sender`), or thinks ill of us (`policy`).
 */
export type Fault = 'connect' | 'auth' | 'relay' | 'sender' | 'policy'

export type Outcome =
  | { readonly kind: 'sent'; readonly reply?: Reply; readonly prevented?: boolean }
  | {
      readonly kind: 'deferred'
      readonly reason: Reason
      /** The time that the reply names; the next attempt comes no sooner. */
      readonly retryAfterMs?: number
      /** The relay asks for less: fewer connections or fewer messages in the same time. */
      readonly slower?: true
      /** It speaks of the sender, and may be the word of this recipient's own server. */
      readonly fault?: 'sender'
    }
  | {
      readonly kind: 'held'
      readonly reason: Reason
      readonly holdMs: number
      /** Missing where it is nobody's: paused, closing, no permit. */
      readonly fault?: Fault
      readonly slower?: true
      /** No permit can be had at this gate, which lets so many through in a second: others wait there as well. */
      readonly gate?: Gate
      readonly perSecond?: number
    }
  | { readonly kind: 'failed'; readonly reason: Reason }
  | { readonly kind: 'skipped'; readonly reason: Reason }
  | { readonly kind: 'unknown'; readonly reason: Reason }

export type OutcomeKind = Outcome['kind']

export const outcomeKinds = [
  'sent',
  'deferred',
  'held',
  'failed',
  'skipped',
  'unknown',
] as const satisfies OutcomeKind[]

/** Builds a reason. */
export function because(code: string, message: string, reply?: Reply): Reason {
  return reply ? { code, message, reply } : { code, message }
}
