// The last thing before the wire: a connection, and a permit that is spent on it. A permit that grew old while its
// delivery waited for the connection is not spent; another one is waited for, so that nothing ever leaves in a burst.

import type { Clock } from '../clock.js'
import type { Delivery, Grant, Pass, Permission, Ports } from '../delivery/delivery.js'
import type { Pace } from '../delivery/permit.js'
import type { Heard } from '../limits/tuner.js'
import { linkSignals } from '../linked-signal.js'
import type { Asking, Choice, GuardedRelays, Lease } from '../smtp/relays.js'
import type { LimitStore } from '../store/limits.js'
import type { Desk } from './desk.js'

export interface SpendingOptions {
  readonly clock: Clock
  readonly relays: Pick<GuardedRelays, 'acquire' | 'choice'>
  readonly relayNames: readonly string[]
  readonly limits: Pick<LimitStore, 'connections' | 'now'>
  readonly desk: Pick<Desk, 'wait' | 'throttled' | 'providerOf'>
  /** What this one process may send. */
  readonly pace: Pace
  /** What came of an exchange, and of asking for a connection where none could be had. */
  heard(heard: Heard): void
  /** There is no such route here. */
  missing(route: string): void
  /** How long an exchange took. */
  timed(relay: string, seconds: number): void
}

export interface Spending {
  permit: Ports['permit']
}

/** How long a delivery waits here for a permit and a connection at the same time. */
const PATIENCE_MS = 15_000
/** How long a connection is kept for a delivery whose permit is yet to come. */
const KEEP_MS = 1_000
/** How long a delivery waits where other workers have all the connections. */
const NO_PLACE_MS = 2_000

export function createSpending(options: SpendingOptions): Spending {
  const { clock, desk, limits, pace } = options
  return {
    async permit(delivery, signal, sender, pass, message) {
      const until = clock.monotonicMs() + PATIENCE_MS
      let kept = pass
      for (let isPaced = false; ; isPaced = true) {
        const startedAt = limits.now()
        const asking = { lane: delivery.lane, chosen: kept?.relay, message }
        const acquired = await acquire(options, delivery, signal, sender, asking)
        if (acquired.kind !== 'lease') {
          kept?.release()
          if (acquired.kind === 'missing') options.missing(acquired.route)
          if (acquired.kind !== 'refused') return acquired
          const { relay, exchange } = acquired
          options.heard({ ...whoseOf(options, delivery), relay, exchange, startedAt })
          return acquired
        }
        const { lease } = acquired
        const taken = isPaced || pace.take(signal)
        // A permit that is there is spent at once: then nothing is left to wait for.
        if (taken === true && kept?.relay === lease.relay && kept.spend())
          return granted(options, lease, delivery)
        const permission = await spend(options, lease, delivery, signal, await taken, kept)
        if (permission) return permission
        const leftMs = until - clock.monotonicMs()
        kept = await desk.wait(lease.relay, delivery, leftMs, signal)
        if (signal.aborted) {
          kept?.release()
          return { kind: 'closing' }
        }
        if (kept === undefined) return desk.throttled(lease.relay, delivery)
      }
    },
  }
}

/** Undefined when there was no permit to be spent: then the connection is somebody else's. */
async function spend(
  options: SpendingOptions,
  lease: Lease,
  delivery: Delivery,
  signal: AbortSignal,
  isPaced: boolean,
  kept: Pass | undefined,
): Promise<Permission | undefined> {
  if (isPaced && kept?.relay === lease.relay && kept.spend()) return granted(options, lease, delivery)
  kept?.release()
  const pass = isPaced ? await options.desk.wait(lease.relay, delivery, KEEP_MS, signal) : undefined
  if (pass?.spend()) return granted(options, lease, delivery)
  pass?.release()
  lease.release()
  return isPaced && !signal.aborted ? undefined : { kind: 'closing' }
}

function granted(options: SpendingOptions, lease: Lease, to: Delivery): Permission {
  const { clock, limits, heard, timed } = options
  const { relay } = lease
  const grant: Grant = {
    relay,
    async transmit(transmission) {
      const startedAt = limits.now()
      const before = clock.monotonicMs()
      const exchange = await lease.transmit(transmission)
      if (exchange.kind !== 'stopped') timed(relay, (clock.monotonicMs() - before) / 1000)
      heard({ ...whoseOf(options, to), relay, exchange, startedAt })
      return exchange
    },
  }
  return { kind: 'granted', grant }
}

/** A connection; not for ever where this worker may have none. */
async function acquire(
  { clock, relays, relayNames, limits, desk }: SpendingOptions,
  delivery: Delivery,
  signal: AbortSignal,
  sender: string,
  asking: Asking,
) {
  const { route } = delivery
  if (relayNames.every((relay) => limits.connections(relay) === Number.POSITIVE_INFINITY)) {
    return relays.acquire(route, signal, sender, asking)
  }
  const noPlace = new AbortController()
  using linked = linkSignals(signal, noPlace.signal)
  const hasPlace = () => {
    const among = askedOf(relays.choice(route), asking.chosen)
    // Without any it is no connection that it waits for.
    return among.length === 0 || among.some((relay) => limits.connections(relay) > 0)
  }
  const stopLooking = clock.every(NO_PLACE_MS, () => hasPlace() || noPlace.abort())
  try {
    const acquired = await relays.acquire(route, linked.signal, sender, asking)
    const isGivenUp = acquired.kind === 'refused' && noPlace.signal.aborted && !signal.aborted
    return isGivenUp ? desk.throttled(acquired.relay, delivery, 'connections') : acquired
  } finally {
    stopLooking()
  }
}

/** The relays that a connection may be waited for at. */
function askedOf(choice: Choice | undefined, chosen: string | undefined): readonly string[] {
  const { relays = [], isByWeight } = choice ?? {}
  if (chosen !== undefined && relays.includes(chosen)) return [chosen]
  return isByWeight ? relays : relays.slice(0, 1)
}

function whoseOf({ desk }: Pick<SpendingOptions, 'desk'>, delivery: Delivery) {
  return { provider: desk.providerOf(delivery), recipient: delivery.recipient.address }
}
