// What an exchange says of the relay it was with, for its circuit. The judge decides whose fault a reply is;
// here is only what a message that got through, or did not, means for those that follow.

import type { Exchange } from '../delivery/delivery.js'
import { judgeExchange } from '../delivery/judge.js'
import type { Fault, Outcome } from '../delivery/outcome.js'
import { retryAfterMsOf } from '../delivery/retry-after.js'
import type { Verdict } from './circuit.js'

export interface Blame {
  readonly verdict: Verdict
  readonly fault?: Fault
  /** It came when a recipient was on the table, and may be the word of that recipient's own server. */
  readonly isDoubtful?: true
  /** What the relay said, or what broke the connection. */
  readonly words?: string
  /** The time that it names. */
  readonly retryAfterMs?: number
}

const nothing: Blame = { verdict: 'none' }

/** What is known of the relay beside its answer. */
export interface Asked {
  /** Then a connection that is lost on the way speaks against the relay; else it may be the message's. */
  readonly isProbe: boolean
  /** Whether less can be sent to it than is: then being asked for that is no fault. */
  readonly canSlowDown?: boolean
  /** Replies by which it asks for less, beside those that are known. */
  readonly slower?: readonly string[] | undefined
}

export function blame(exchange: Exchange, { isProbe, canSlowDown = false, slower }: Asked): Blame {
  if (exchange.kind === 'accepted') return { verdict: 'ok' }
  if (exchange.kind === 'stopped') return nothing
  const outcome = judgeExchange(exchange, slower)
  // It is there, and it is gone about more slowly from now on.
  if (canSlowDown && isSlower(outcome)) return isProbe ? { verdict: 'ok' } : nothing
  const fault = faultOf(outcome)
  if (fault)
    return {
      verdict: 'fault',
      fault,
      ...doubt(exchange, outcome),
      words: wordsOf(outcome),
      ...timeOf(outcome),
    }
  if (exchange.kind === 'refused') return { verdict: 'ok' }
  // What was hung up here, or could not be opened for a reason of ours, is nobody's fault there.
  const isOurs = exchange.phase === 'connect' || exchange.code === 'ECONNABORTED'
  return isProbe && !isOurs ? { verdict: 'fault', fault: 'relay' } : nothing
}

function faultOf(outcome: Outcome): Fault | undefined {
  if ('fault' in outcome && outcome.fault) return outcome.fault
  return isSlower(outcome) ? 'policy' : undefined
}

function isSlower(outcome: Outcome): boolean {
  return 'slower' in outcome && outcome.slower === true
}

function doubt(exchange: Exchange, outcome: Outcome): Pick<Blame, 'isDoubtful'> {
  const isEarly =
    (exchange.kind === 'refused' && exchange.stage === 'mail') ||
    (exchange.kind === 'broken' && exchange.phase === 'connect')
  // A sender is held only in words that are nobody's but the relay's.
  const isCertain = outcome.kind === 'held' && outcome.fault === 'sender'
  return isEarly || isCertain ? {} : { isDoubtful: true }
}

function wordsOf(outcome: Outcome): string {
  if (!('reason' in outcome)) return outcome.kind
  const { reply, message } = outcome.reason
  return reply ? [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ') : message
}

function timeOf(outcome: Outcome): Pick<Blame, 'retryAfterMs'> {
  const text = 'reason' in outcome ? outcome.reason.reply?.text : undefined
  const retryAfterMs = text === undefined ? undefined : retryAfterMsOf(text)
  return retryAfterMs === undefined ? {} : { retryAfterMs }
}
