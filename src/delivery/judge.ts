// Sixth step: what the exchange means for the delivery. Pure: a reply decides before an error code does,
// and a fault of the relay or of the sender never fails a recipient.

import { connectFault } from './connect-faults.js'
import type { Attempt, Exchange } from './delivery.js'
import { because, type Fault, type Outcome, type Reason, type Reply } from './outcome.js'
import { parseReply, type ReplyStage, replyGroup } from './replies.js'
import { type Judgement, judgeReply } from './reply-rules.js'
import { retryAfterMsOf } from './retry-after.js'

type Broken = Exchange & { readonly kind: 'broken' }

/** How long mail waits when a fault holds it, unless the reply names a longer time. */
const holdMs = { connect: 5_000, auth: 5_000, relay: 5_000, sender: 60_000, policy: 60_000 } as const
/** At the least where the relay has heard of the recipient: for this one the reply may always be the same. */
const refusedHoldMs = 60_000

export function judge(attempt: Attempt): Attempt {
  if (attempt.exchange === undefined) throw new TypeError('judge needs an exchange')
  const { exchange, relay, ports } = attempt
  const slower = relay === undefined ? undefined : ports.slowerReplies?.(relay)
  return { ...attempt, outcome: judgeExchange(exchange, slower) }
}

/** `slower`: replies by which this relay asks for less, beside those that are known. */
export function judgeExchange(exchange: Exchange, slower: readonly string[] = []): Outcome {
  switch (exchange.kind) {
    case 'accepted':
      return acceptedBy(parseReply(exchange.response))
    case 'refused':
      return refusedBy(
        parseReply(exchange.response) ?? { code: 451, text: exchange.response },
        exchange.stage,
        slower,
      )
    case 'broken':
      return brokenIn(exchange, slower)
    case 'stopped':
      return { kind: 'held', reason: because(exchange.answer, 'the attempt was stopped'), holdMs: 0 }
  }
}

function acceptedBy(reply: Reply | undefined): Outcome {
  return reply ? { kind: 'sent', reply } : { kind: 'sent' }
}

function refusedBy(reply: Reply, stage: ReplyStage, slower: readonly string[]): Outcome {
  return outcomeOf(judgeReply(reply, stage, slower), stage, because(replyGroup(reply), reply.text, reply))
}

function brokenIn(exchange: Broken, slower: readonly string[]): Outcome {
  const { phase, code, message, response } = exchange
  const reply = response === undefined ? undefined : parseReply(response)
  if (reply !== undefined) return brokenWith(reply, exchange, slower)
  if (phase === 'connect') return held(connectFault(code), 'connect', because(code, message))
  if (phase === 'envelope') return { kind: 'deferred', reason: because(code, message) }
  return { kind: 'unknown', reason: because('unknown', `no answer to the final dot: ${message}`) }
}

/** Which command of the envelope such a reply answers is not known, so that it can fail nobody. */
function brokenWith(reply: Reply, { phase, code, message }: Broken, slower: readonly string[]): Outcome {
  const reason = because(replyGroup(reply), message, reply)
  if (phase === 'window') return outcomeOf(judgeReply(reply, 'body', slower), 'body', reason)
  const stage = phase === 'envelope' ? 'data' : code === 'EAUTH' ? 'auth' : 'connect'
  const judgement = judgeReply(reply, stage, slower)
  return outcomeOf(judgement === 'permanent' ? 'temporary' : judgement, stage, reason)
}

function outcomeOf(judgement: Judgement, stage: ReplyStage, reason: Reason): Outcome {
  switch (judgement) {
    case 'permanent':
      return { kind: 'failed', reason }
    case 'temporary':
      return { kind: 'deferred', reason, ...namedTime(reason) }
    case 'slower':
      return isBeforeMail(stage)
        ? { ...held(undefined, stage, reason), slower: true }
        : { kind: 'deferred', reason, slower: true, ...namedTime(reason) }
    case 'sender':
      return stage === 'mail'
        ? held('sender', stage, reason)
        : { kind: 'deferred', reason, fault: 'sender', ...namedTime(reason) }
    case 'identity':
      return held('sender', stage, reason)
    default:
      return held(judgement, stage, reason)
  }
}

function isBeforeMail(stage: ReplyStage): boolean {
  return stage === 'connect' || stage === 'auth'
}

function held(fault: Fault | undefined, stage: ReplyStage, reason: Reason): Outcome & { kind: 'held' } {
  const { retryAfterMs = 0 } = namedTime(reason)
  const leastMs = isBeforeMail(stage) || stage === 'mail' ? holdMs[fault ?? 'connect'] : refusedHoldMs
  const ms = Math.max(leastMs, retryAfterMs)
  return { kind: 'held', reason, holdMs: ms, ...(fault === undefined ? {} : { fault }) }
}

function namedTime({ reply }: Reason): { readonly retryAfterMs?: number } {
  const retryAfterMs = reply && retryAfterMsOf(reply.text)
  return retryAfterMs === undefined ? {} : { retryAfterMs }
}
