// The circuit of one relay, and the senders that it holds: what is known, what a report makes of it, who may go.
// Pure functions of the circuit and of Redis' clock; where it is kept and how it is shared is store/circuits.ts.

import type { Fault } from '../delivery/outcome.js'

export interface Circuit {
  readonly state: 'closed' | 'open' | 'half'
  /** Open: when it may be probed. Half-open: when it counts as closed. In milliseconds, as all instants here. */
  readonly until: number
  /** How often it was opened since it was last closed for good. */
  readonly openings: number
  readonly openedAt: number
  /** What it was opened for. */
  readonly fault?: Fault
  /** What the relay said then. */
  readonly reply?: string
  /** The faults of late while it is closed. */
  readonly faultsAt: readonly number[]
  /** Who probes it, and until when nobody else may. */
  readonly probe?: { readonly token: string; readonly until: number }
  readonly senders: Readonly<Record<string, HeldSender>>
}

export interface HeldSender {
  /** When it was first refused. */
  readonly since: number
  /** When one message of it may try again. */
  readonly until: number
  readonly refusals: number
  readonly reply?: string
  /** Until when the message that tries has to be back. */
  readonly triedUntil?: number
}

export type Verdict = 'ok' | 'fault' | 'none'

/** What an attempt says of its relay. `none`: it says nothing, and whoever probed with it gives the probe up. */
export interface Report {
  readonly verdict: Verdict
  readonly fault?: Fault
  /** Seen so often in a row that it needs no other sign. */
  readonly isConfirmed?: boolean
  /** A login that is refused to this worker alone. */
  readonly isOwn?: boolean
  readonly reply?: string
  /** The time that the reply names. */
  readonly retryAfterMs?: number
  readonly sender?: string
  /** The token of the probe that the attempt was. */
  readonly probe?: string
}

export const newCircuit: Circuit = {
  state: 'closed',
  until: 0,
  openings: 0,
  openedAt: 0,
  faultsAt: [],
  senders: {},
}

/** What was deleted, or was written by no version of ours, is a circuit that is closed. */
export function parseCircuit(json: string): Circuit {
  try {
    const circuit = JSON.parse(json) as Partial<Circuit>
    return { ...newCircuit, ...circuit }
  } catch {
    return newCircuit
  }
}

const MOST_FAULTS = 5
const FAULTS_WITHIN_MS = 30_000
/** Until the first probe, and what each further one makes of it. Relays lock the account of who logs in too often. */
const PROBE_MS = { first: 1_000, times: 2, longest: 30_000 }
const LOGIN_MS = { first: 5_000, times: 3, longest: 900_000 }
const SENDER_MS = { first: 60_000, times: 2, longest: 300_000 }
/** A prober renews this; one that has died holds nobody up for longer. */
const PROBE_LIFE_MS = 10_000
/** A probe for a sender is not renewed: this is longer than most messages take. */
const SENDER_PROBE_MS = 60_000
/** A quota that is over for the day may have been raised, so that a longer time is not waited out unasked. */
const LONGEST_NAMED_MS = 900_000
/** A worker whose own login was refused last leaves the probe to the others for so long. */
const OTHERS_FIRST_MS = 1_000
/** How long a worker stays away whose login is refused while that of another one is taken. */
export const aloneMs = LOGIN_MS.longest
/** How long after a good probe one fault is enough to open it again. */
const TRIAL_MS = 10_000
const MOST_SENDERS = 3
const SENDERS_WITHIN_MS = 60_000
/** A sender that did not try again for so long after it might is forgotten. */
const FORGET_SENDER_MS = 3_600_000
const SENDERS_KEPT = 1_000

/** What a report makes of the circuit; the same object when it changes nothing. */
export function reported(circuit: Circuit, report: Report, now: number): Circuit {
  const standing = atTime(circuit, now)
  const mine = report.probe !== undefined && standing.probe?.token === report.probe
  const next =
    report.verdict === 'none'
      ? withoutProbe(standing, mine)
      : report.verdict === 'ok'
        ? succeeded(standing, report, now)
        : faulted(standing, report, mine, now)
  return next === standing ? circuit : next
}

/** The circuit with this probe on its way, or undefined when there is nothing to probe or somebody does. */
export function probing(
  circuit: Circuit,
  token: string,
  sender: string | undefined,
  now: number,
): Circuit | undefined {
  const standing = atTime(circuit, now)
  if (look(standing, sender, now).kind !== 'due') return undefined
  const held = sender === undefined ? undefined : heldSender(standing, sender)
  const leased =
    standing.state === 'open' ? { ...standing, probe: { token, until: now + PROBE_LIFE_MS } } : standing
  if (sender === undefined || held === undefined) return leased
  return withSender(leased, sender, { ...held, triedUntil: now + SENDER_PROBE_MS }, now)
}

/** The circuit with more time for its probe, which is renewed while it is on its way. */
export function renewed(circuit: Circuit, token: string, now: number): Circuit | undefined {
  if (circuit.state !== 'open' || circuit.probe?.token !== token) return undefined
  return { ...circuit, probe: { token, until: now + PROBE_LIFE_MS } }
}

/**
 * What a worker knows of its own login: not tried since it was started and configured, refused when last tried,
 * or refused when that of another worker has been taken since (`alone`).
 */
export type OwnLogin = 'untried' | 'refused' | 'alone'

/**
 * The circuit as this worker sees it after a login was refused: a password that has just been configured may be
 * right by now and is tried at once, and one that was refused is not tried before those of the others.
 */
export function seenBy(circuit: Circuit, own: OwnLogin | undefined): Circuit {
  if (own === undefined || circuit.state !== 'open' || circuit.fault !== 'auth') return circuit
  const { until, openedAt } = circuit
  return {
    ...circuit,
    until: own === 'untried' ? Math.min(until, openedAt + LOGIN_MS.first) : until + OTHERS_FIRST_MS,
  }
}

export type Look =
  | { readonly kind: 'free' }
  /** One message may try, once it has the probe. */
  | { readonly kind: 'due' }
  /** `probed`: a message is finding out, so that it may be over at any time. */
  | {
      readonly kind: 'shut'
      readonly until: number
      readonly why: 'circuit' | 'sender'
      readonly probed: boolean
    }

/** Whether mail of this sender may go to the relay now. */
export function look(circuit: Circuit, sender: string | undefined, now: number): Look {
  const held = sender === undefined ? undefined : heldSender(circuit, sender)
  const shut = held && shutUntil('sender', held.until, held.triedUntil, now)
  if (shut) return shut
  if (circuit.state !== 'open') return { kind: held ? 'due' : 'free' }
  return shutUntil('circuit', circuit.until, circuit.probe?.until, now) ?? { kind: 'due' }
}

function shutUntil(why: 'circuit' | 'sender', until: number, probedUntil = 0, now = 0): Look | undefined {
  if (now < until) return { kind: 'shut', until, why, probed: false }
  return now < probedUntil ? { kind: 'shut', until: probedUntil, why, probed: true } : undefined
}

/** The circuit at `now`: one that was half-open for long enough is closed. */
export function atTime(circuit: Circuit, now: number): Circuit {
  if (circuit.state !== 'half' || now < circuit.until) return circuit
  const { fault: _fault, reply: _reply, ...rest } = circuit
  return { ...rest, state: 'closed', until: 0, openings: 0, faultsAt: [] }
}

/** The senders held at `now`, without those whose mail has not come back for long. */
export function heldSenders({ senders }: Circuit, now: number): readonly (readonly [string, HeldSender])[] {
  return Object.entries(senders).filter(([, { until }]) => now - until < FORGET_SENDER_MS)
}

function heldSender({ senders }: Circuit, sender: string): HeldSender | undefined {
  return Object.hasOwn(senders, sender) ? senders[sender] : undefined
}

function succeeded(circuit: Circuit, { sender, probe }: Report, now: number): Circuit {
  // What was on its way before says nothing of how it is since.
  if (probe === undefined) return circuit
  const released = sender === undefined ? circuit : withoutSender(circuit, sender)
  if (released.state !== 'open') return released
  return { ...withoutProbe(released, true), state: 'half', until: now + TRIAL_MS }
}

function faulted(circuit: Circuit, report: Report, mine: boolean, now: number): Circuit {
  const { fault = 'relay' } = report
  if (fault === 'sender') return senderRefused(circuit, report, mine, now)
  if (circuit.state === 'open') return mine ? opened(circuit, fault, report, now) : circuit
  if (report.isOwn) return circuit
  // Being asked for less is no sign that the relay is still away.
  const isAway = circuit.state === 'half' && fault !== 'policy'
  if (fault === 'auth' || report.isConfirmed || isAway) return opened(circuit, fault, report, now)
  const faultsAt = [...circuit.faultsAt.filter((at) => now - at < FAULTS_WITHIN_MS), now]
  const next = { ...circuit, faultsAt }
  return faultsAt.length >= MOST_FAULTS ? opened(next, fault, report, now) : next
}

function opened(circuit: Circuit, fault: Fault, report: Report, now: number): Circuit {
  const { reply, retryAfterMs = 0 } = report
  const { probe: _probe, reply: _reply, ...rest } = circuit
  // How often it could not be reached says nothing of how often its login was refused.
  const isSame = circuit.fault === undefined || (circuit.fault === 'auth') === (fault === 'auth')
  const openings = isSame ? circuit.openings + 1 : 1
  const named = Math.min(retryAfterMs, LONGEST_NAMED_MS)
  const until = now + Math.max(named, growing(fault === 'auth' ? LOGIN_MS : PROBE_MS, openings))
  const said = reply === undefined ? {} : { reply }
  return { ...rest, ...said, state: 'open', fault, until, openings, openedAt: now, faultsAt: [] }
}

interface Growth {
  readonly first: number
  readonly times: number
  readonly longest: number
}

function growing({ first, times, longest }: Growth, nth: number): number {
  return Math.min(longest, first * times ** (nth - 1))
}

function withRefusal(circuit: Circuit, sender: string, { reply }: Report, now: number): Circuit {
  const held = heldSender(circuit, sender)
  const refusals = (held?.refusals ?? 0) + 1
  const said = reply === undefined ? {} : { reply }
  const until = now + growing(SENDER_MS, refusals)
  return withSender(circuit, sender, { since: held?.since ?? now, until, refusals, ...said }, now)
}

function senderRefused(circuit: Circuit, report: Report, mine: boolean, now: number): Circuit {
  const { sender, probe } = report
  if (sender === undefined) return circuit
  const held = heldSender(circuit, sender)
  // Of the messages that were refused together the first one counts.
  const next = held && probe === undefined ? circuit : withRefusal(circuit, sender, report, now)
  const refusedOfLate = Object.values(next.senders).filter(({ since }) => now - since < SENDERS_WITHIN_MS)
  const opens = held === undefined && refusedOfLate.length >= MOST_SENDERS
  if (next.state !== 'open') return opens ? opened(next, 'sender', report, now) : next
  if (!mine) return next
  // A relay that was away for another reason is back, if it can refuse a sender.
  if (next.fault === 'sender') return opened(next, 'sender', report, now)
  return { ...withoutProbe(next, true), state: 'half', until: now + TRIAL_MS }
}

function withSender(circuit: Circuit, sender: string, entry: HeldSender, now: number): Circuit {
  const others = heldSenders(circuit, now).filter(([name]) => name !== sender)
  return { ...circuit, senders: Object.fromEntries([...others.slice(1 - SENDERS_KEPT), [sender, entry]]) }
}

function withoutSender(circuit: Circuit, sender: string): Circuit {
  if (heldSender(circuit, sender) === undefined) return circuit
  const { [sender]: _released, ...senders } = circuit.senders
  return { ...circuit, senders }
}

function withoutProbe(circuit: Circuit, mine: boolean): Circuit {
  if (!mine) return circuit
  const { probe: _probe, ...rest } = circuit
  return rest
}
