// What the steps of an attempt share: the delivery, the record that they pass on, and what they need of the world.
// Small types and nothing else, so that this room does no I/O of its own.

import type { RenderedMessage } from '../content/compile.js'
import type { FileRef } from '../content/content.js'
import type { Gate } from '../limits/gate.js'
import type { Mailbox } from '../message/email-parts.js'
import type {
  Entry,
  MarkAnswer,
  Recorded,
  ReleaseAnswer,
  SettledOutcome,
  Standing,
  Verdict,
} from '../store/ledger.js'
import type { Outcome } from './outcome.js'
import type { Stage } from './replies.js'
import type { SendWindow } from './send-window.js'

/** One delivery as its job describes it. */
export interface Delivery extends Entry {
  readonly recipient: Mailbox
  readonly variables: Readonly<Record<string, unknown>>
  readonly route?: string
  /** What its row brings, beside the attachments of the content. */
  readonly attachments?: readonly FileRef[]
  /** Wall clock, in milliseconds; past it the delivery fails as `expired`. */
  readonly expiresAt?: number
  /** The hours in which it may be sent; any unless given. */
  readonly sendWindow?: SendWindow
  readonly createdAt: number
  /** When an attempt first reached MAIL FROM. */
  readonly firstAttemptAt?: number
  /** Time spent held since then, in milliseconds; it does not count as age. */
  readonly heldMs: number
  /** Attempts before this one that reached MAIL FROM. */
  readonly attemptsMade: number
  /** How often a worker died while it had this delivery. */
  readonly crashes: number
  /** How often it was made pending again after it had ended. */
  readonly replays?: number
  /** The code and the message that it was held for last, if its last attempt was. */
  readonly heldFor?: string
}

/** What a relay was asked for last; `body` is the final dot. */
export type Asked = 'connection' | 'greeting' | 'hello' | 'tls' | 'login' | Stage

/** What came back from the wire. `phase` says how far a broken exchange had come. */
export type Exchange =
  | { readonly kind: 'accepted'; readonly response: string }
  | { readonly kind: 'refused'; readonly stage: Stage; readonly response: string }
  | {
      readonly kind: 'broken'
      readonly phase: 'connect' | 'envelope' | 'window'
      readonly code: string
      readonly message: string
      readonly response?: string
      readonly stage?: Asked
      /** What was thrown; never where the relay said something, which it might quote. */
      readonly cause?: unknown
    }
  | { readonly kind: 'stopped'; readonly answer: LeaveAnswer | 'closing' }

/**
 * What an attempt is told that asks leave to send. `too_late`: leave was given, and by the time that it was heard another
 * attempt may have been made.
 */
export type LeaveAnswer = MarkAnswer | 'ledger_unreachable' | 'too_late' | 'expired' | 'outside_window'

/** Lines that stand in many messages, and where they do in this one: at the beginning of a line. */
export interface FixedLines {
  readonly at: number
  /** The same object in each message. Nobody may write to it. */
  readonly bytes: Buffer
}

export interface Transmission {
  readonly from: string
  readonly to: string
  /** The message, whole or in pieces, of which others may share some: nobody may write to them. */
  readonly bytes: Buffer | readonly Buffer[]
  /** Whether every CR and LF in it is known to be part of a CRLF; otherwise that is looked for, and mended. */
  readonly hasLines?: boolean
  /** Lines in it, or in its first piece, in their order. */
  readonly fixed?: readonly FixedLines[]
  /** Whether the body has bytes over 127: then the relay must announce 8BITMIME (RFC 6152). */
  readonly eightBit?: boolean
  /** Whether the header has them: then the relay must announce SMTPUTF8 (RFC 6531). */
  readonly smtpUtf8?: boolean
  readonly signal: AbortSignal
  /** Called once, right before the bytes that the final dot follows; anything but `ok` means that they may not go out. */
  readonly beforeBody: () => Promise<LeaveAnswer>
}

export interface LaneRule {
  readonly unknown: 'hold' | 'resend'
  readonly maxAgeMs: number
  readonly maxAttempts?: number
  /** Whether a recipient that a relay says is gone for good is suppressed. */
  readonly suppressOnBounce?: boolean
}

/** What is signed of a message. */
export type Unsigned = Pick<Transmission, 'bytes' | 'fixed'>

/** A connection to a relay with the permit to use it now, for one message. */
export interface Grant {
  readonly relay: string
  transmit(transmission: Transmission): Promise<Exchange>
}

/** A permit that is kept for one delivery. It is not for ever: one that has grown old is waited for again. */
export interface Pass {
  readonly relay: string
  /** Leave to send one message now; false when it has grown old, and gone back by that. */
  spend(): boolean
  /** Gives the permit back, for somebody else; without effect once it was spent, and a second time. */
  release(): void
}

/** Why no permit can be had now, and for whom. */
export interface Throttled {
  readonly kind: 'throttled'
  readonly relay: string
  /** What is short: the relay's rate, that of the provider, the messages of a day, or leave to connect. */
  readonly short: 'relay' | 'provider' | 'day' | 'connections'
  /** Who else waits for it. */
  readonly gate: Gate
  /** What passes this gate in a second, more than 0. */
  readonly perSecond: number
  /** When to come back; each message is told a time of its own. */
  readonly waitMs: number
}

/** What comes of looking whether a permit can be had; without a pass there is nothing to be kept. */
export type Passage =
  | { readonly kind: 'open'; readonly pass?: Pass }
  | Throttled
  | { readonly kind: 'closing' }

/** What comes of asking for a grant. */
export type Permission =
  | Throttled
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'refused'; readonly relay: string; readonly exchange: Exchange }
  | { readonly kind: 'missing'; readonly route: string }
  /** No relay of the route may be used now, in general or by this sender. */
  | {
      readonly kind: 'shut'
      readonly relay: string
      readonly why: 'circuit' | 'sender'
      readonly waitMs: number
      /** What the relay said when it was shut, without addresses. */
      readonly said?: string
    }
  | { readonly kind: 'closing' }

/** What an attempt needs of the world; the worker fills it. */
export interface Ports {
  now(): number
  /** 0 up to, not including, 1. */
  chance(): number
  laneRule(lane: string): LaneRule
  claim(delivery: Delivery): Promise<Standing>
  mark(entry: Entry, token: string, takeOver: boolean): Promise<MarkAnswer>
  /** For how long after a mark was asked for it is leave to send: no longer than the lock of its job. */
  readonly leaveMs: number
  release(entry: Entry, token: string, mayBeAccepted: boolean): Promise<ReleaseAnswer>
  record(entry: Entry, verdict: Verdict): Promise<Recorded>
  /** Waits before the ledger is written to once more; false when the worker is gone and nobody can. */
  beforeRepeat(error: unknown): Promise<boolean>
  render(delivery: Delivery): Promise<{ message: RenderedMessage; sender: string }>
  /** Keeps a permit for the delivery, as soon as one can be had and unless others wait in its place. */
  look(delivery: Delivery, signal: AbortSignal): Promise<Passage>
  /**
   * Waits for a connection to a relay of the route, and spends the permit on it: that of `pass`, or another. `message` is
   * signed meanwhile.
   */
  permit(
    delivery: Delivery,
    signal: AbortSignal,
    sender: string,
    pass?: Pass,
    message?: Unsigned,
  ): Promise<Permission>
  /** Replies by which this relay asks for less, beside those that all are known by. */
  slowerReplies?(relay: string): readonly string[] | undefined
  /** Aborted when what has not reached the wire in time was cut off. */
  readonly cutOff: AbortSignal
}

export interface Attempt {
  readonly delivery: Delivery
  /** The token of the job's lock, `#` and a number: it names this attempt. */
  readonly token: string
  readonly ports: Ports
  readonly signal: AbortSignal
  readonly takeOver?: boolean
  readonly message?: RenderedMessage
  readonly sender?: string
  readonly pass?: Pass
  readonly relay?: string
  readonly grant?: Grant
  readonly exchange?: Exchange
  /** When the relay was first spoken to in this attempt, and for how long. */
  readonly wire?: { readonly at: number; readonly ms: number }
  readonly outcome?: Outcome
  /** Set when the ledger already knew how this delivery ended. */
  readonly alreadySettled?: boolean
  /** Whether it had been counted as unknown before the answer of the relay came. */
  readonly late?: boolean
  /** Further copies that may have been delivered. */
  readonly resent?: number
}

export type Step = (attempt: Attempt) => Promise<Attempt> | Attempt

export function isSettled(kind: Outcome['kind']): kind is SettledOutcome {
  return kind !== 'deferred' && kind !== 'held'
}
