// What a person wants to know of the relays: their circuits and the senders held, as all workers share them.
// It only reads.

import type { Fault } from '../delivery/outcome.js'
import type { Keys, Redis } from '../redis.js'
import { atTime, type Circuit, heldSenders, parseCircuit } from '../smtp/circuit.js'

export interface RelayStatus {
  readonly relay: string
  /** `half-open`: the last probe was good, and one more fault is enough to open it again. */
  readonly circuit: 'closed' | 'half-open' | 'open'
  /** What it was opened for: no answer, a refused login, trouble, refused senders, or policy about us. */
  readonly fault?: Fault
  /** What the relay said then, without addresses. */
  readonly reply?: string
  readonly openedAt?: Date
  /** When one message finds out whether it is well again; in the past while it does, or while there is none. */
  readonly nextProbeAt?: Date
  /** Senders that it refused; their mail waits, and nobody else's. */
  readonly senders: readonly SenderStatus[]
}

export interface SenderStatus {
  readonly sender: string
  readonly since: Date
  /** When one message of it tries again. */
  readonly nextTryAt: Date
  readonly refusals: number
  /** What the relay said of it last, without addresses. */
  readonly reply?: string
}

/** Every relay that a worker had within the last day. */
export async function readRelayStatus(redis: Redis, keys: Keys): Promise<RelayStatus[]> {
  const relays = await redis.zrange(keys.relays, 0, '-1')
  const [[seconds = 0, microseconds = 0], circuits] = await Promise.all([
    redis.time(),
    Promise.all(relays.map((relay) => redis.hget(keys.circuit(relay), 'circuit'))),
  ])
  const now = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  return relays
    .map((relay, index) => statusOf(relay, atTime(parseCircuit(circuits[index] ?? ''), now), now))
    .toSorted((a, b) => (a.relay < b.relay ? -1 : 1))
}

function statusOf(relay: string, circuit: Circuit, now: number): RelayStatus {
  const { state, fault, reply, openedAt, until } = circuit
  return {
    relay,
    circuit: state === 'half' ? 'half-open' : state,
    ...(fault === undefined ? {} : { fault, openedAt: new Date(openedAt) }),
    ...(reply === undefined ? {} : { reply }),
    ...(state === 'open' ? { nextProbeAt: new Date(until) } : {}),
    senders: heldSenders(circuit, now).map(([sender, held]) => ({
      sender,
      since: new Date(held.since),
      nextTryAt: new Date(held.until),
      refusals: held.refusals,
      ...(held.reply === undefined ? {} : { reply: held.reply }),
    })),
  }
}
