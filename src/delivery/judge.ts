// Fifth step: what the exchange means for the delivery. Pure: a reply decides before an error code does,
// and a fault of the relay or of the sender never fails a recipient.

import type { Attempt, Exchange } from './delivery.js'
import { because, type Outcome, type Reply } from './outcome.js'
import { judgeReply, parseReply, replyGroup, type Stage } from './replies.js'

/** How long mail waits for a relay that cannot be reached, refuses our login, or refuses the sender. */
const RELAY_HOLD_MS = 5_000
const SENDER_HOLD_MS = 60_000

export function judge(attempt: Attempt): Attempt {
  if (attempt.exchange === undefined) throw new TypeError('judge needs an exchange')
  return { ...attempt, outcome: judgeExchange(attempt.exchange) }
}

export function judgeExchange(exchange: Exchange): Outcome {
  switch (exchange.kind) {
    case 'accepted':
      return acceptedBy(parseReply(exchange.response))
    case 'refused':
      return refusedBy(
        parseReply(exchange.response) ?? { code: 451, text: exchange.response },
        exchange.stage,
      )
    case 'broken':
      return brokenIn(exchange)
    case 'stopped':
      return { kind: 'held', reason: because(exchange.answer, 'the attempt was stopped'), holdMs: 0 }
  }
}

function acceptedBy(reply: Reply | undefined): Outcome {
  return reply ? { kind: 'sent', reply } : { kind: 'sent' }
}

function refusedBy(reply: Reply, stage: Stage): Outcome {
  const reason = because(replyGroup(reply), reply.text, reply)
  switch (judgeReply(reply, stage)) {
    case 'permanent':
      return { kind: 'failed', reason }
    case 'temporary':
      return { kind: 'deferred', reason }
    case 'relay':
      return { kind: 'held', reason, holdMs: RELAY_HOLD_MS }
    case 'sender':
      return { kind: 'held', reason, holdMs: SENDER_HOLD_MS }
  }
}

function brokenIn(exchange: Exchange & { kind: 'broken' }): Outcome {
  const reply = exchange.response === undefined ? undefined : parseReply(exchange.response)
  const reason = because(reply ? replyGroup(reply) : exchange.code, exchange.message, reply)
  if (exchange.phase === 'connect') return { kind: 'held', reason, holdMs: RELAY_HOLD_MS }
  if (exchange.phase === 'envelope' || reply !== undefined) return { kind: 'deferred', reason }
  return { kind: 'unknown', reason: because('unknown', `no answer to the final dot: ${exchange.message}`) }
}
