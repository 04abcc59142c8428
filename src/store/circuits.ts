// The circuits of all relays, shared by all workers: each looks once in a while and after what it does itself.
// Rules are in smtp/circuit.ts alone; here a change is made to the version that was read, or made again.
// While Redis is away the last known state holds.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { Fault } from '../delivery/outcome.js'
import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'
import {
  aloneMs,
  atTime,
  type Circuit,
  type HeldSender,
  heldSenders,
  type Look,
  look,
  newCircuit,
  type OwnLogin,
  parseCircuit,
  probing,
  type Report,
  renewed,
  reported,
  seenBy,
} from '../smtp/circuit.js'

// KEYS circuit. ARGV the version that is known. Answers now, the version, and the circuit if it is another one.
const READ = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version == ARGV[1] then return { now, version } end
return { now, version, redis.call('HGET', KEYS[1], 'circuit') or '' }
`

// KEYS circuit. ARGV the version that was changed, the circuit, ttl. Answers the new version, or 0 when it is gone.
const SWAP = `
${beyondMemoryLua}
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'circuit', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return redis.call('HINCRBY', KEYS[1], 'version', 1)
`

const POLL_MS = 500
/** A relay that no worker had for so long is no longer shown, and its circuit is forgotten. */
const KEPT_SECONDS = 86_400
const SEEN_EVERY_MS = 60_000
/** A probe that is on its way is renewed when no more is left of its time. */
const RENEW_MS = 5_000
/** How soon it is worth looking again while another message finds out. */
const PROBED_MS = 1_000
/** How long nobody asks for a probe once Redis did not take the question. */
const ASK_AGAIN_MS = 1_000

export interface CircuitEvents {
  /** An attempt of this worker spoke of a fault. */
  faulted(relay: string, fault: Fault): void
  /** A circuit is in another state than it was; `isOurs` in the one worker whose attempt made it so. */
  changed(relay: string, circuit: Circuit, isOurs: boolean): void
  /** An attempt of this worker made the relay hold a sender. */
  held(relay: string, sender: string, held: HeldSender): void
  /** This worker's login is refused, and that of another one is taken. */
  alone(relay: string, reply: string | undefined): void
  /** Redis did not take something; the last known state holds. */
  failed(error: unknown): void
}

export interface Circuits {
  /** Reads what is known and keeps looking until closed. */
  start(): Promise<void>
  /** Whether mail of `sender` may go to the relay. */
  look(relay: string, sender?: string): Seen
  /** Takes the probe that is due; undefined when another message has it, here or in another worker. */
  probe(relay: string, sender?: string): Promise<string | undefined>
  /** Takes note of an attempt. It counts here at once and costs Redis nothing unless it changes something. */
  report(relay: string, report: Report): void
  /** The circuit as it is known. */
  circuit(relay: string): Circuit
  /** How many senders it holds. */
  sendersHeld(relay: string): number
  close(): void
}

export type Seen = Look & {
  /** How long it may not. */
  readonly waitMs: number
  /** What the relay said when it was shut. */
  readonly said?: string
}

/** What is known of one relay. */
interface Known {
  version: string
  /** As Redis had it in that version, and with what was reported since. */
  shared: Circuit
  view: Circuit
  pending: Report[]
  flushing: boolean
  /** Until then nobody asks for a probe: somebody does, or Redis did not take the last question. */
  askAgainAt: number
  /** Those on their way. */
  readonly probes: Set<string>
  own: OwnLogin | undefined
  /** Until then this worker leaves the relay to those whose login is taken. */
  aloneUntil: number
  /** What was said of it last. */
  told: Circuit['state']
}

const free: Seen = { kind: 'free', waitMs: 0 }

type Change = (circuit: Circuit, now: number) => Circuit | undefined

export function createCircuits(
  redis: Redis,
  keys: Keys,
  relays: readonly string[],
  clock: Clock,
  events: CircuitEvents,
): Circuits {
  return new SharedCircuits(redis, keys, relays, clock, events)
}

class SharedCircuits implements Circuits {
  readonly #redis: Redis
  readonly #keys: Keys
  readonly #clock: Clock
  readonly #events: CircuitEvents
  readonly #known: ReadonlyMap<string, Known>
  readonly #read: ReturnType<typeof defineScript>
  readonly #swap: ReturnType<typeof defineScript>
  /** What Redis' clock is ahead of the monotonic one of this process. */
  #aheadMs: number
  #seenAt = Number.NEGATIVE_INFINITY
  #polling = false
  #closed = false
  #stopPolling: () => void = () => undefined

  constructor(redis: Redis, keys: Keys, relays: readonly string[], clock: Clock, events: CircuitEvents) {
    this.#redis = redis
    this.#keys = keys
    this.#clock = clock
    this.#events = events
    this.#known = new Map(relays.map((relay) => [relay, unknownYet()]))
    this.#read = defineScript(redis, 'fluxmailReadCircuit', 1, READ)
    this.#swap = defineScript(redis, 'fluxmailSwapCircuit', 1, SWAP)
    this.#aheadMs = clock.now() - clock.monotonicMs()
  }

  async start(): Promise<void> {
    this.#stopPolling = this.#clock.every(POLL_MS, () => void this.#poll())
    try {
      await Promise.all([...this.#known].map(([relay, known]) => this.#begin(relay, known)))
      await this.#saySeen()
    } catch (error) {
      this.#events.failed(error)
    }
  }

  look(relay: string, sender?: string): Seen {
    const { askAgainAt, aloneUntil, own, view } = this.#knownOf(relay)
    // Each message asks three times, and nearly always nothing is known against the relay.
    const isHeld = sender !== undefined && Object.hasOwn(view.senders, sender)
    if (view.state === 'closed' && !isHeld && aloneUntil === 0) return free
    const now = this.#now()
    const circuit = this.circuit(relay)
    const seen = look(seenBy(circuit, own), sender, now)
    // Of all who wait here, one asks for the probe, and the others wait for the answer.
    const asked = seen.kind === 'due' && now < askAgainAt
    const isAlone = seen.kind !== 'shut' && now < aloneUntil && circuit.state !== 'open'
    const until = asked ? askAgainAt : aloneUntil
    const shut: Look = asked || isAlone ? { kind: 'shut', until, why: 'circuit', probed: asked } : seen
    if (shut.kind !== 'shut') return { ...shut, waitMs: 0 }
    const said = shut.why === 'sender' ? circuit.senders[sender ?? '']?.reply : circuit.reply
    const waitMs = Math.min(shut.until - now, shut.probed ? PROBED_MS : Number.POSITIVE_INFINITY)
    return { ...shut, waitMs, ...(said === undefined ? {} : { said }) }
  }

  circuit(relay: string): Circuit {
    return atTime(this.#knownOf(relay).view, this.#now())
  }

  sendersHeld(relay: string): number {
    return heldSenders(this.#knownOf(relay).view, this.#now()).length
  }

  async probe(relay: string, sender?: string): Promise<string | undefined> {
    const known = this.#knownOf(relay)
    if (this.#closed || this.#now() < known.askAgainAt) return undefined
    known.askAgainAt = Number.POSITIVE_INFINITY
    const token = randomUUID()
    try {
      const taken = await this.#change(relay, (circuit, now) =>
        probing(seenBy(circuit, known.own), token, sender, now),
      )
      known.askAgainAt = 0
      if (!taken) return undefined
      known.probes.add(token)
      return token
    } catch (error) {
      known.askAgainAt = this.#now() + ASK_AGAIN_MS
      this.#events.failed(error)
      return undefined
    }
  }

  report(relay: string, report: Report): void {
    const known = this.#knownOf(relay)
    if (report.probe !== undefined) known.probes.delete(report.probe)
    if (this.#closed && report.probe === undefined) return
    if (report.fault) this.#events.faulted(relay, report.fault)
    const meant = this.#asMeant(relay, known, report)
    const view = reported(known.view, meant, this.#now())
    if (view === known.view) return
    known.pending.push(meant)
    known.view = view
    void this.#flush(relay)
  }

  /** One worker with a wrong password must not keep from the relay all those that have the right one. */
  #asMeant(relay: string, known: Known, report: Report): Report {
    // Whatever was said to a message was said to one that is logged in.
    const isTaken = report.sender !== undefined && report.fault !== 'auth'
    if (isTaken || report.verdict === 'ok') known.own = undefined
    if (report.verdict !== 'fault' || report.fault !== 'auth') return report
    if (known.own !== 'alone' || this.circuit(relay).state === 'open') {
      if (known.own !== 'alone') known.own = 'refused'
      return report
    }
    known.aloneUntil = this.#now() + aloneMs
    this.#events.alone(relay, report.reply)
    return { ...report, isOwn: true }
  }

  /** What was configured while a login was being refused has not been tried yet. */
  async #begin(relay: string, known: Known): Promise<void> {
    const { circuit } = await this.#refresh(relay)
    if (circuit.state === 'open' && circuit.fault === 'auth') known.own = 'untried'
  }

  close(): void {
    this.#closed = true
    this.#stopPolling()
  }

  #now(): number {
    return this.#clock.monotonicMs() + this.#aheadMs
  }

  #knownOf(relay: string): Known {
    const known = this.#known.get(relay)
    if (known === undefined) throw new TypeError(`there is no relay ${relay}`)
    return known
  }

  async #poll(): Promise<void> {
    // While Redis is away the first look waits for it, and no more pile up behind it.
    if (this.#polling) return
    this.#polling = true
    try {
      await Promise.all([...this.#known].map(([relay, known]) => this.#lookAgain(relay, known)))
      if (this.#clock.monotonicMs() - this.#seenAt >= SEEN_EVERY_MS) await this.#saySeen()
    } catch (error) {
      if (!this.#closed) this.#events.failed(error)
    } finally {
      this.#polling = false
    }
  }

  async #lookAgain(relay: string, known: Known): Promise<void> {
    const { now } = await this.#refresh(relay)
    const { probe } = known.view
    if (probe && known.probes.has(probe.token) && probe.until - now < RENEW_MS)
      await this.#change(relay, (circuit, then) => renewed(circuit, probe.token, then))
  }

  async #saySeen(): Promise<void> {
    this.#seenAt = this.#clock.monotonicMs()
    const now = this.#now()
    const { relays } = this.#keys
    await this.#redis.zadd(relays, ...[...this.#known.keys()].flatMap((relay) => [now, relay]))
    await this.#redis.zremrangebyscore(relays, 0, now - KEPT_SECONDS * 1000)
  }

  async #flush(relay: string): Promise<void> {
    const known = this.#knownOf(relay)
    if (known.flushing) return
    known.flushing = true
    try {
      while (known.pending.length > 0) {
        const batch = known.pending.slice()
        await this.#change(relay, (circuit, now) => foldIn(circuit, batch, now), batch.length)
      }
    } catch (error) {
      // Nobody needs to hear of it later than now.
      known.pending = []
      if (!this.#closed) this.#events.failed(error)
    } finally {
      known.flushing = false
    }
  }

  /** Makes a change to the newest version. False when there is nothing to change; `done` reports are in it. */
  async #change(relay: string, change: Change, done = 0): Promise<boolean> {
    const known = this.#knownOf(relay)
    for (;;) {
      const { now, version, circuit } = await this.#refresh(relay)
      const next = change(circuit, now)
      if (next === undefined || next === circuit) {
        this.#adopt(relay, known, version, circuit, done)
        return false
      }
      const answer = await this.#swap(
        [this.#keys.circuit(relay)],
        [version, JSON.stringify(next), KEPT_SECONDS],
      )
      if (Number(answer) === 0) continue
      this.#adopt(relay, known, String(answer), next, done, true)
      this.#tellSenders(relay, circuit, next)
      return true
    }
  }

  async #refresh(relay: string): Promise<{ now: number; version: string; circuit: Circuit }> {
    const known = this.#knownOf(relay)
    const answer = await this.#read([this.#keys.circuit(relay)], [known.version])
    const [now, version, json] = answer as [number, string, string?]
    this.#aheadMs = now - this.#clock.monotonicMs()
    if (json === undefined) return { now, version, circuit: known.shared }
    const circuit = parseCircuit(json)
    this.#adopt(relay, known, version, circuit)
    return { now, version, circuit }
  }

  /** Answers come in the order in which Redis gave them, so that the last one is the newest. */
  #adopt(relay: string, known: Known, version: string, circuit: Circuit, done = 0, isOurs = false): void {
    known.version = version
    known.shared = circuit
    known.pending.splice(0, done)
    const now = this.#now()
    known.view = foldIn(circuit, known.pending, now)
    const { state } = atTime(circuit, now)
    if (state !== 'open' && known.own === 'untried') known.own = undefined
    if (state === 'half' && known.own === 'refused') known.own = 'alone'
    if (state === known.told) return
    known.told = state
    this.#events.changed(relay, circuit, isOurs)
  }

  #tellSenders(relay: string, before: Circuit, { senders }: Circuit): void {
    for (const [sender, held] of Object.entries(senders))
      if (!Object.hasOwn(before.senders, sender)) this.#events.held(relay, sender, held)
  }
}

function unknownYet(): Known {
  return {
    version: '0',
    shared: newCircuit,
    view: newCircuit,
    pending: [],
    flushing: false,
    askAgainAt: 0,
    probes: new Set(),
    own: undefined,
    aloneUntil: 0,
    told: 'closed',
  }
}

function foldIn(circuit: Circuit, reports: readonly Report[], now: number): Circuit {
  return reports.reduce((standing, report) => reported(standing, report, now), circuit)
}
