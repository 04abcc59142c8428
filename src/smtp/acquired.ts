// What comes of asking the relays of a route for a connection, and what may be asked for.
// Types and nothing else.

import type { Exchange, Unsigned } from '../delivery/delivery.js'
import type { Lease } from './lease.js'

export type Acquired =
  | { readonly kind: 'lease'; readonly lease: Lease }
  /** No connection can be had (`broken` in `connect`), or nobody waits any longer (`stopped`). */
  | { readonly kind: 'refused'; readonly relay: string; readonly exchange: Exchange }
  | { readonly kind: 'missing'; readonly route: string }

/** Every relay of the route is passed over: their circuits are open, or hold this sender. */
export interface Shut {
  readonly kind: 'shut'
  readonly relay: string
  readonly why: 'circuit' | 'sender'
  /** When it is worth trying again; each message is told a time of its own. */
  readonly waitMs: number
  /** What the relay said when it was shut. */
  readonly said?: string
}

/** The relays of a route that a message may be sent through now, in the order of the route. */
export interface Choice {
  readonly relays: readonly string[]
  readonly isByWeight: boolean
  /** Which of these goes next; what it chose is to be asked for. */
  choose(of: readonly string[]): string | undefined
}

export interface Asking {
  /** The relay that was chosen for this message; another one is only for when it cannot be used. */
  readonly chosen?: string | undefined
  readonly lane?: string
  /** Signed while it waits for its connection. */
  readonly message?: Unsigned | undefined
}

export interface SharedConnections {
  /** How many this worker may have to a relay. */
  allowed(relay: string): number
  /** How many it has and would have, and how many of these are idle. */
  want(relay: string, have: number, want: number, idle: number): void
}
