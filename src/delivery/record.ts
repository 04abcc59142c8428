// Last step: the ledger learns what came of the attempt. It repeats itself, never the send:
// once the relay has said 250, nothing here may lead to a second one.

import type { Standing, Verdict } from '../store/ledger.js'
import { expired } from './backoff.js'
import { type Attempt, isSettled } from './delivery.js'
import { because, type Outcome, type Reason } from './outcome.js'

export async function record(attempt: Attempt): Promise<Attempt & { readonly outcome: Outcome }> {
  const outcome = finalOutcome(attempt)
  const { ports, delivery, token } = attempt
  if (attempt.alreadySettled) return { ...attempt, outcome }
  if (isSettled(outcome.kind)) {
    const standing = await recordSurely(attempt, { outcome: outcome.kind, ...verdictOf(attempt, outcome) })
    // Somebody else had settled it: then it is counted there, and not here.
    if (standing.kind === 'settled') return { ...attempt, outcome, alreadySettled: true }
  } else if (attempt.exchange !== undefined && attempt.exchange.kind !== 'stopped') {
    await ports.release(delivery, token)
  }
  return { ...attempt, outcome }
}

async function recordSurely({ ports, delivery }: Attempt, verdict: Verdict): Promise<Standing> {
  for (;;) {
    try {
      return await ports.record(delivery, verdict)
    } catch (error) {
      if (!(await ports.beforeRepeat(error))) throw error
    }
  }
}

/** A deferral past the lane's patience is a failure; an unknown is sent again where the lane says so. */
function finalOutcome(attempt: Attempt): Outcome {
  const { outcome, delivery, ports } = attempt
  if (outcome === undefined) throw new TypeError('record needs an outcome')
  const rule = ports.laneRule(delivery.lane)
  if (outcome.kind === 'unknown' && rule.unknown === 'resend')
    return { kind: 'deferred', reason: outcome.reason }
  if (outcome.kind !== 'deferred') return outcome
  const late = expired(delivery, rule, ports.now())
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

function verdictOf(attempt: Attempt, outcome: Outcome): { json: string; reason?: string; error?: string } {
  const { delivery } = attempt
  if (!('reason' in outcome)) return { json: outcome.kind }
  const { code, message, reply } = outcome.reason
  const error = {
    id: delivery.id,
    ordinal: delivery.batch?.ordinal,
    recipient: delivery.recipient.address,
    code,
    message,
    reply,
  }
  return {
    json: `${outcome.kind} ${code.replaceAll(' ', '_')}`,
    ...(outcome.kind === 'skipped'
      ? {}
      : { reason: code, error: JSON.stringify({ ...error, outcome: outcome.kind }) }),
  }
}
