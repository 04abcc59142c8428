// What a job remembers of the attempts at its delivery: the first and the last twelve.
// It only reads; they are written where an attempt is settled.

import type { Payload } from './payload.js'

/** What one attempt came to. */
export interface AttemptNote {
  readonly at: Date
  readonly durationMs: number
  /** Missing where none was chosen. */
  readonly relay?: string
  readonly outcome: string
  readonly code: string
  /** Of the reply, up to 200 characters. */
  readonly reply?: string
}

/** Oldest first. */
export function attemptsIn(payload: Payload): AttemptNote[] {
  return (payload.l ?? []).map(([at, durationMs, relay, outcome, code, reply]) => ({
    at: new Date(at),
    durationMs,
    ...(relay ? { relay } : {}),
    outcome,
    code,
    ...(reply ? { reply } : {}),
  }))
}
