// What an exchange says of the relay it was with, for its circuit. The judge decides whose fault a reply is;
// here is only what a message that got through, or did not, means for those that follow.

import type { Exchange } from '../delivery/delivery.js'
import { judgeExchange } from '../delivery/judge.js'
import type { Fault } from '../delivery/outcome.js'
import type { Verdict } from './circuit.js'

export interface Blame {
  readonly verdict: Verdict
  readonly fault?: Fault
}

const nothing: Blame = { verdict: 'none' }

/** With `isProbe`, a connection that is lost on the way speaks against the relay; else it may be the message's. */
export function blame(exchange: Exchange, isProbe: boolean): Blame {
  if (exchange.kind === 'accepted') return { verdict: 'ok' }
  if (exchange.kind === 'stopped') return nothing
  const outcome = judgeExchange(exchange)
  if (outcome.kind === 'held' && outcome.fault) return { verdict: 'fault', fault: outcome.fault }
  if ('slower' in outcome && outcome.slower) return { verdict: 'fault', fault: 'policy' }
  if (exchange.kind === 'refused') return { verdict: 'ok' }
  // What was hung up here, or could not be opened for a reason of ours, is nobody's fault there.
  const isOurs = exchange.phase === 'connect' || exchange.code === 'ECONNABORTED'
  return isProbe && !isOurs ? { verdict: 'fault', fault: 'relay' } : nothing
}
