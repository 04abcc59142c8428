// What a connection tells of itself: how long each phase took, what the relay replied to what, and why it ended.
// Small types and nothing else; who measures is no business of this room.

import type { Asked } from '../delivery/delivery.js'
import type { Closing } from './closing.js'

/**
 * `connect` until the greeting, without the handshake of TLS from the beginning; `tls` that handshake, or STARTTLS and its
 * own; `auth` a login until it is taken or refused; `envelope` from MAIL, or for one that went out ahead from the reply
 * before it, to the go-ahead for DATA or to the first refusal; `data` from there to the reply to the final dot, without
 * the time in which leave to send was asked for.
 */
export type Phase = 'connect' | 'tls' | 'auth' | 'envelope' | 'data'

/** What a reply answers; `other`: RSET, QUIT, or nothing that was asked. */
export type Answered = Exclude<Asked, 'connection'> | 'other'

export interface WireEvents {
  /** A phase has come to its end. One that was broken off has none. */
  timed(phase: Phase, seconds: number): void
  /** A whole reply has come; `code` is NaN where it does not begin with three digits. */
  replied(to: Answered, code: number): void
}

export interface RelayEvents {
  opened(relay: string): void
  /** `messages` were begun on it. */
  closed(relay: string, why: Closing, messages: number): void
  /** Something is gone without which it goes on more slowly; `problem` says what, and for how long. */
  warned?(relay: string, problem: string): void
  /** Asked once for each relay: who hears of its connections while they live. */
  wire?(relay: string): WireEvents
}
