// What a delivery or a batch waits for, each by its name and in one sentence. Pure: facts in, words out.
// Whatever is pending waits for something; where nothing else is known, it is its turn.

import type { Fault } from '../delivery/outcome.js'
import { nextOpening, type SendWindow } from '../delivery/send-window.js'
import type { RelayStatus } from '../store/relay-status.js'
import { relaysOfRoute, type WorkerStatus } from '../store/workers.js'
import type { RelayLimitStatus } from './limit-status.js'

export type WaitKind =
  | 'cancelled'
  | 'paused'
  | 'window'
  | 'scheduled'
  | 'importer'
  | 'worker'
  | 'circuit'
  | 'sender'
  | 'route'
  | 'retry'
  | 'held'
  | 'doubt'
  | 'limit'
  | 'permit'
  | 'reply'
  | 'turn'

/** One thing that is waited for. */
export interface Wait {
  readonly kind: WaitKind
  readonly text: string
  /** Until when, where that is known. */
  readonly until?: Date
}

/** A batch that somebody has stopped, as it is stored. */
export interface Stop {
  readonly at: number
  readonly by?: string
  readonly reason?: string
}

export interface Surroundings {
  readonly now: number
  readonly relays: readonly RelayStatus[]
  readonly workers: readonly WorkerStatus[]
  readonly limits: readonly RelayLimitStatus[]
}

const faults: Readonly<Record<Fault, string>> = {
  connect: 'it could not be reached',
  auth: 'it refused the login',
  relay: 'it was in trouble',
  sender: 'it refused one sender after the other',
  policy: 'it asked for less mail',
}

export function paused({ at, by, reason }: Stop): Wait {
  const who = by ? ` by ${by}` : ''
  const why = reason ? `: ${reason}` : ''
  return { kind: 'paused', text: `its batch was paused${who} at ${clockText(at)}${why}` }
}

/** Undefined while the window is open. */
export function outsideWindow(window: SendWindow, now: number): Wait | undefined {
  const opensAt = nextOpening(window, now)
  if (opensAt <= now) return undefined
  const { from, to, timeZone } = window
  const text = `it is outside its window (${from} to ${to}, ${timeZone}) until ${clockText(opensAt)}`
  return { kind: 'window', text, until: new Date(opensAt) }
}

export function scheduled(at: number): Wait {
  return { kind: 'scheduled', text: `it is scheduled for ${clockText(at)}`, until: new Date(at) }
}

/** Undefined where a worker has the lane. */
export function noWorker({ workers }: Surroundings, lane: string): Wait | undefined {
  if (workers.some(({ lanes }) => lanes.includes(lane))) return undefined
  return {
    kind: 'worker',
    text: `no worker is there: nobody has said for 6 s that it works on the lane ${lane}`,
  }
}

/** A worker is there, and has taken nothing of the lane for a while although something waits. */
export function idleWorkers({ workers, now }: Surroundings, lane: string): Wait | undefined {
  const own = workers.filter(({ lanes }) => lanes.includes(lane))
  const lastAt = Math.max(...own.map(({ tookAt, startedAt }) => tookAt[lane] ?? startedAt))
  const seconds = Math.round((now - lastAt) / 1000)
  if (own.length === 0 || seconds < IDLE_SECONDS) return undefined
  const who = own.length === 1 ? 'the one worker' : `${own.length} workers`
  return { kind: 'worker', text: `${who} of the lane ${lane} took nothing for ${seconds} s` }
}

const IDLE_SECONDS = 30

/** Relays of the route that may not be used, unless another one of it may. */
export function shutRelays({ relays, workers }: Surroundings, route: string | undefined): Wait[] {
  const own = relaysOfRoute(workers, route)
  const meant = relays.filter(({ relay }) => own === undefined || own.has(relay))
  if (meant.some(({ circuit }) => circuit !== 'open')) return []
  return meant.map(shutRelay)
}

function shutRelay({ relay, fault, reply, openedAt, nextProbeAt }: RelayStatus): Wait {
  const since = openedAt ? ` since ${clockText(openedAt.getTime())}` : ''
  const said = reply ? ` (${reply})` : ''
  const why = fault ? `, because ${faults[fault]}${said}` : ''
  const probe = nextProbeAt ? `; probe at ${clockText(nextProbeAt.getTime())}` : ''
  const text = `the circuit of relay ${relay} is open${since}${why}${probe}`
  return { kind: 'circuit', text, ...(nextProbeAt ? { until: nextProbeAt } : {}) }
}

/** A delivery that a worker put back, in the words that it left there; `behind` says more of a limit. */
export function held(
  words: string,
  until: number | undefined,
  { relays }: Pick<Surroundings, 'relays'>,
  behind: (message: string) => string = () => '',
): Wait {
  const { code, message } = split(words)
  const at = until === undefined ? {} : { until: new Date(until) }
  const again = until === undefined ? '' : `; it is looked at again at ${clockText(until)}`
  const relay = relays.find(({ relay: name }) => message.includes(`relay ${name} `))
  if (code === 'circuit_open' && relay?.circuit === 'open') return shutRelay(relay)
  if (code === 'throttled') return { kind: 'limit', text: `${message}${behind(message)}${again}`, ...at }
  if (code === 'sender_held') return { kind: 'sender', text: `${message}${again}`, ...at }
  if (code === 'no_route') return { kind: 'route', text: `${message}${again}`, ...at }
  if (code === 'unknown')
    return {
      kind: 'doubt',
      text: `an earlier attempt may have been accepted and may still be answered${again}`,
      ...at,
    }
  const kind = code === 'circuit_open' ? 'circuit' : 'held'
  return { kind, text: `the last try was put back, and spent no attempt: ${code} ${message}${again}`, ...at }
}

function split(words: string): { code: string; message: string } {
  const space = words.indexOf(' ')
  return space < 0
    ? { code: words, message: '' }
    : { code: words.slice(0, space), message: words.slice(space + 1) }
}

export function retry(attempts: number, until: number | undefined, reason: string): Wait {
  const at = until === undefined ? '' : ` at ${clockText(until)}`
  const text = `retry ${attempts}${at}, after: ${reason}`
  return { kind: 'retry', text, ...(until === undefined ? {} : { until: new Date(until) }) }
}

/** A worker has it: on the wire, or before it. */
export function inHand(isOnWire: boolean, lane: string, { workers }: Surroundings): Wait {
  if (isOnWire) return { kind: 'reply', text: 'a relay has the message, and its answer is waited for' }
  const own = workers.filter(({ lanes }) => lanes.includes(lane))
  const limited = own.flatMap(({ perSecond }) => perSecond ?? [])
  const rate = limited.length > 0 ? ` or the rate of its worker (${limited.join(', ')} a second)` : ''
  const relays = [...new Set(own.flatMap((worker) => worker.relays))].join(', ')
  return {
    kind: 'permit',
    text: `a worker has it, and waits for a connection to a relay (${relays || 'none known'})${rate}`,
  }
}

export function turn(ahead: number, what: string): Wait {
  return {
    kind: 'turn',
    text: `its turn: ${countText(ahead)} ${ahead === 1 ? 'delivery is' : 'deliveries are'} before it ${what}`,
  }
}

/** A row that was left where it was when others of its batch became jobs. */
export function left(lane: string): Wait {
  const text = `its turn: enough others for the same limits wait in the lane ${lane}, and its row stays in its chunk until some of them are gone`
  return { kind: 'turn', text }
}

const grouped = new Intl.NumberFormat('en-US')

export function countText(count: number): string {
  return grouped.format(count)
}

/** Local time to the second. */
export function clockText(at: number): string {
  const date = new Date(at)
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
