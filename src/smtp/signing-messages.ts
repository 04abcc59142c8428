// What goes to the thread that signs and what comes back: one message for all that is asked in a turn, in plain numbers
// and text, since copying objects between threads is what costs.

import type { DkimConfig } from './dkim-options.js'

/** From now on this number means that signer. */
export interface Introduction {
  readonly kind: 'introduction'
  readonly signer: number
  readonly dkim: DkimConfig
}

export interface Dismissal {
  readonly kind: 'dismissal'
  readonly signer: number
}

export interface SharedPiece {
  /** Less than 0. */
  readonly piece: number
  readonly bytes: SharedArrayBuffer
}

export interface Work {
  readonly kind: 'work'
  /** The pieces that are no shared ones, one after another. */
  readonly bytes: ArrayBuffer
  /**
   * For each message its number, its signer, how many pieces it has, and for each of them its length in `bytes`, or
   * the number of a shared one, less than 0.
   */
  readonly plan: readonly number[]
  /** Pieces that many messages may have, before the first one that has them. */
  readonly shared: readonly SharedPiece[]
  /** Shared pieces that no message will have any more. */
  readonly forgotten: readonly number[]
}

export type ToThread = Introduction | Dismissal | Work

export type FromThread =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'signed'
      /** The numbers of messages, and for each its signature's header or what is wrong with it. */
      readonly numbers: readonly number[]
      readonly texts: readonly string[]
      readonly failed: readonly boolean[]
    }
