// Places on connections. A message has one for itself, and when its end is near another one may be lent behind it, if the
// relay takes the next envelope ahead (RFC 2920, 3.1). Where that may have cost a connection nothing goes ahead for a while.

import type { Clock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Wire } from './wire.js'

/** A place on a connection, for one message. */
export interface Seat {
  readonly wire: Wire
}

/** How long a relay is sent nothing ahead that may have taken it amiss. */
const IN_TURN_MS = 600_000

type Rules = Pick<RelayConfig, 'pipelineMessages' | 'maxMessagesPerConnection'>

export class Seats {
  readonly #rules: Rules
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #lost: (problem: string) => void
  /** How many messages each connection is lent to. */
  readonly #taken = new Map<Wire, number>()
  /** Connections whose message is about to end, and behind which nothing waits yet. */
  readonly #ending = new Set<Wire>()
  #inTurnUntil = Number.NEGATIVE_INFINITY

  /** `lost` hears when a connection was lost with an envelope ahead. */
  constructor(rules: Rules, clock: Pick<Clock, 'monotonicMs'>, lost: (problem: string) => void) {
    this.#rules = rules
    this.#clock = clock
    this.#lost = lost
  }

  take(wire: Wire): Seat {
    this.#ending.delete(wire)
    this.#taken.set(wire, (this.#taken.get(wire) ?? 0) + 1)
    return { wire }
  }

  /** Whether nobody is on its connection any more. */
  leave({ wire }: Seat): boolean {
    const others = (this.#taken.get(wire) ?? 1) - 1
    if (others > 0) {
      this.#taken.set(wire, others)
      return false
    }
    this.#taken.delete(wire)
    this.#ending.delete(wire)
    return true
  }

  /** Whether there is a seat behind this one from now on. */
  openBehind({ wire }: Seat): boolean {
    const { pipelineMessages, maxMessagesPerConnection: most } = this.#rules
    if (!pipelineMessages || !wire.pipelines || wire.messages >= most) return false
    if (this.#taken.get(wire) !== 1 || this.#clock.monotonicMs() < this.#inTurnUntil) return false
    this.#ending.add(wire)
    return true
  }

  /** A seat behind a message that is about to end. */
  takeBehind(): Seat | undefined {
    for (const wire of this.#ending) {
      if (wire.alive) return this.take(wire)
      this.#ending.delete(wire)
    }
    return undefined
  }

  /** A connection has ended. */
  end(wire: Wire): void {
    this.#ending.delete(wire)
    if (!wire.lostAhead) return
    this.#inTurnUntil = this.#clock.monotonicMs() + IN_TURN_MS
    this.#ending.clear()
    const minutes = IN_TURN_MS / 60_000
    this.#lost(
      `what was sent ahead (pipelineMessages) was not answered, or not in time: nothing goes ahead for ${minutes} minutes`,
    )
  }
}
