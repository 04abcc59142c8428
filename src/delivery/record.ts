// Last step: the ledger learns what came of the attempt. It repeats itself, never the send:
// once the relay has said 250, nothing here may lead to a second one.

import type { ReleaseAnswer, SettledOutcome, Verdict } from '../store/ledger.js'
import { expired } from './backoff.js'
import { blameOf } from './blame.js'
import { isBounce } from './bounce.js'
import { settledBefore } from './claim.js'
import { type Attempt, isSettled, type LeaveAnswer } from './delivery.js'
import { doubtMessage } from './doubt.js'
import { because, type Outcome, type Reason } from './outcome.js'

type Ended = Attempt & { readonly outcome: Outcome }

export async function record(attempt: Attempt): Promise<Ended> {
  const outcome = finalOutcome(attempt)
  const { ports, delivery } = attempt
  if (attempt.alreadySettled) return { ...attempt, outcome }
  if (!isSettled(outcome.kind)) {
    const isCancelled = (await letGo(attempt)) === 'cancelled'
    return { ...attempt, outcome: isCancelled ? atOnce(outcome) : outcome }
  }
  const verdict = verdictOf(attempt, outcome, outcome.kind)
  const answer = await surely(attempt, () => ports.record(delivery, verdict))
  switch (answer.kind) {
    case 'counted': {
      const { late, resent } = answer
      const counted = answer.outcome === outcome.kind ? outcome : inDoubt(outcome)
      return { ...attempt, outcome: counted, late, resent }
    }
    // Somebody else had settled it: then it is counted there, and not here.
    case 'settled':
      return { ...attempt, outcome: settledBefore(answer.verdict), alreadySettled: true }
    case 'marked': {
      const reason = because('superseded', 'another attempt has taken over, and will say what becomes of it')
      return { ...attempt, outcome: { kind: 'held', reason, holdMs: 0 } }
    }
  }
}

/** Refused a mark, there is none; without an answer there may be one. */
const mayBeMarked = new Set<LeaveAnswer | 'closing'>(['ledger_unreachable', 'too_late'])

/** Takes the mark away. Left standing, it would make a delivery unknown that certainly was not accepted. */
async function letGo(attempt: Attempt): Promise<ReleaseAnswer> {
  const { ports, delivery, token, exchange } = attempt
  if (exchange === undefined) return 'released'
  if (exchange.kind === 'stopped' && !mayBeMarked.has(exchange.answer)) return 'released'
  return surely(attempt, () => ports.release(delivery, token, attempt.outcome?.kind === 'unknown'))
}

/** What was cancelled meanwhile need not wait for its next attempt: the next claim skips it. */
function atOnce(outcome: Outcome): Outcome {
  return outcome.kind === 'deferred' ? { kind: 'held', reason: outcome.reason, holdMs: 0 } : outcome
}

async function surely<T>({ ports }: Attempt, write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(await ports.beforeRepeat(error))) throw error
    }
  }
}

/** An unknown is sent again where the lane says so; past the lane's patience nothing is. */
function finalOutcome(attempt: Attempt): Outcome {
  const { outcome, delivery, ports } = attempt
  if (outcome === undefined) throw new TypeError('record needs an outcome')
  const rule = ports.laneRule(delivery.lane)
  if (outcome.kind !== 'deferred' && outcome.kind !== 'unknown') return outcome
  if (outcome.kind === 'unknown' && rule.unknown === 'hold') return outcome
  const late = expired(delivery, rule, ports.now())
  if (outcome.kind === 'unknown') return late ? outcome : { kind: 'deferred', reason: outcome.reason }
  if (late === undefined) return outcome
  return {
    kind: 'failed',
    reason: because(
      'expired',
      `${late}; the last reason was: ${describe(outcome.reason)}`,
      outcome.reason.reply,
    ),
  }
}

function describe(reason: Reason): string {
  return reason.reply ? `${reason.code} ${reason.message}` : reason.message
}

function inDoubt(outcome: Outcome): Outcome {
  const message = 'reason' in outcome ? describe(outcome.reason) : outcome.kind
  return { kind: 'unknown', reason: because('unknown', doubtMessage(message)) }
}

function verdictOf(attempt: Attempt, outcome: Outcome, kind: SettledOutcome): Verdict {
  const { delivery, token, exchange } = attempt
  const facts = {
    outcome: kind,
    recipient: delivery.recipient.address,
    enqueuedAt: delivery.createdAt,
    ...(exchange === undefined ? {} : { token }),
  }
  if (!('reason' in outcome)) return outcome.reply ? { ...facts, reply: outcome.reply } : facts
  const { code, message, reply } = outcome.reason
  const suppress = kind === 'failed' && suppresses(attempt) && isBounce(outcome.reason)
  return { ...facts, code, message, ...(reply ? { reply } : {}), ...(suppress ? { suppress } : {}) }
}

/** Whether the recipient is to be suppressed if this fails. */
function suppresses({ ports, delivery, exchange }: Attempt): boolean {
  const { suppressOnBounce = false } = ports.laneRule(delivery.lane)
  return suppressOnBounce && exchange !== undefined && blameOf(exchange) === 'recipient'
}
