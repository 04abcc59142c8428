// One connection, held for one message: it is used once or given back.
// Here alone a message goes to another connection: when a kept one failed before its final dot.

import type { Exchange, Transmission } from '../delivery/delivery.js'
import { messageOf } from '../errors.js'
import type { Signer } from './dkim.js'
import type { Outgoing } from './exchange.js'
import type { Seat } from './seats.js'
import type { Sent } from './wire.js'

export interface Lease {
  readonly relay: string
  /**
   * Carries the message and gives the connection back. `transmission.signal` ends only the waiting for another
   * connection, should this one be gone; `abort` hangs up on the wire itself.
   */
  transmit(transmission: Transmission, options?: { readonly abort?: AbortSignal }): Promise<Exchange>
  /** Gives the connection back unused; without effect after `transmit`. */
  release(): void
}

export interface Refused {
  readonly refusal: Exchange
}

export type Given = Seat | Refused

/** Who lends connections. */
export interface Lender {
  /** The message that has this seat is about to end: another one may be sent behind it. */
  lendBehind(seat: Seat): void
  giveBack(seat: Seat): void
  /** Another connection for a message whose first one was gone: a new one, if one can be had. */
  replace(signal: AbortSignal): Promise<Given>
}

/** With a signer every message is signed, before the relay hears of it. */
export function createLease(relay: string, seat: Seat, lender: Lender, signer?: Signer): Lease {
  let used = false
  return {
    relay,
    async transmit(transmission, { abort } = {}) {
      if (used) throw new TypeError('a lease carries one message')
      used = true
      const signed = signer ? await signedBy(signer, transmission) : transmission
      if ('refusal' in signed) {
        lender.giveBack(seat)
        return signed.refusal
      }
      let given: Given = seat
      for (;;) {
        if ('refusal' in given) return given.refusal
        const taken: Seat = given
        const ending = () => lender.lendBehind(taken)
        // Ends with a new connection at the latest: only one that has carried a message can be stale.
        const sent: Sent | undefined = taken.wire.alive
          ? await taken.wire.send(signed, { abort, ending })
          : undefined
        lender.giveBack(taken)
        if (sent && !sent.stale) return sent.exchange
        given = await lender.replace(transmission.signal)
      }
    },
    release() {
      if (used) return
      used = true
      lender.giveBack(seat)
    },
  }
}

/** The fault is ours or the key's: it holds the message and fails nobody. */
async function signedBy(signer: Signer, transmission: Transmission): Promise<Outgoing | Refused> {
  const { bytes, fixed } = transmission
  try {
    return { ...transmission, head: await signer.sign(bytes, fixed) }
  } catch (error) {
    const message = `the message could not be signed with the key under dkim: ${messageOf(error)}`
    return { refusal: { kind: 'broken', phase: 'connect', code: 'EDKIM', message } }
  }
}
