// First step: may this delivery be tried at all? The ledger's mark is looked at on every start of a job,
// since a job that has sent can come back. A verdict means that nothing is sent again.

import type { Standing } from '../store/ledger.js'
import type { Attempt, Delivery } from './delivery.js'
import { because, type Outcome } from './outcome.js'

/** A delivery whose worker died so often is likely to be the cause of it. */
const MAX_CRASHES = 10

export async function claim(attempt: Attempt): Promise<Attempt> {
  const standing = await attempt.ports.claim(attempt.delivery)
  if (standing.kind === 'settled') {
    const outcome = settledBefore(standing.verdict)
    const prevented = outcome.kind === 'sent' ? { ...outcome, prevented: true } : outcome
    return { ...attempt, outcome: prevented, alreadySettled: true }
  }
  const unknown = standing.kind === 'free' ? undefined : unknownBy(attempt, standing)
  if (unknown) return { ...attempt, outcome: unknown }
  const outcome = refuse(attempt.delivery, attempt.ports.now())
  if (outcome) return { ...attempt, outcome }
  return standing.kind === 'marked' ? { ...attempt, takeOver: true } : attempt
}

/** An earlier attempt may have been accepted: only the lane's policy can say what to do. */
function unknownBy({ ports, delivery }: Attempt, standing: Standing): Outcome | undefined {
  const reason = because('unknown', 'a worker was lost while the relay had the message and had not answered')
  if (ports.laneRule(delivery.lane).unknown === 'hold') return { kind: 'unknown', reason }
  const holdMs = standing.kind === 'marked' ? standing.aliveMs : 0
  return holdMs > 0 ? { kind: 'held', reason, holdMs } : undefined
}

function refuse(delivery: Delivery, now: number): Outcome | undefined {
  if (delivery.expiresAt !== undefined && now >= delivery.expiresAt) {
    return { kind: 'failed', reason: because('expired', 'it was not sent before its expiresAt') }
  }
  if (delivery.crashes >= MAX_CRASHES) {
    return {
      kind: 'failed',
      reason: because('crashed', `a worker died ${delivery.crashes} times while it had this delivery`),
    }
  }
  return undefined
}

/** What the ledger remembers of the end of this delivery; of a row whose verdict it has forgotten, only that it ended. */
export function settledBefore(verdict: string): Outcome {
  const [kind, code = 'settled'] = verdict.split(' ', 2)
  if (kind === 'sent') return { kind: 'sent' }
  const reason = because(code, 'it was settled before')
  if (kind === 'failed' || kind === 'unknown') return { kind, reason }
  return { kind: 'skipped', reason }
}
