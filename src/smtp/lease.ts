// One connection, held for one message: it is used once or given back.
// Here alone a message goes out over a second connection: when the first had been closed before it heard of it.

import type { Exchange, Transmission } from '../delivery/delivery.js'
import type { Wire } from './wire.js'

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

export type Given = { readonly wire: Wire } | Refused

/** Who lends connections. */
export interface Lender {
  giveBack(wire: Wire): void
  /** Another connection for a message whose first one was gone: a new one, if one can be had. */
  replace(signal: AbortSignal): Promise<Given>
}

export function createLease(relay: string, wire: Wire, lender: Lender): Lease {
  let used = false
  return {
    relay,
    async transmit(transmission, { abort } = {}) {
      if (used) throw new TypeError('a lease carries one message')
      used = true
      const carry = async (carrier: Wire) => {
        const sent = await carrier.send(transmission, abort)
        lender.giveBack(carrier)
        return sent
      }
      const first = wire.alive ? await carry(wire) : undefined
      if (first && !first.stale) return first.exchange
      const given = await lender.replace(transmission.signal)
      return 'wire' in given ? (await carry(given.wire)).exchange : given.refusal
    },
    release() {
      if (used) return
      used = true
      lender.giveBack(wire)
    },
  }
}
