// Second step: may this delivery be tried at all? The ledger's mark is looked at on every start of a job,
// since a job that has sent can come back. A verdict means that nothing is sent again.

import type { Barrier, Standing } from '../store/ledger.js'
import { isPast, pastItsTime } from './backoff.js'
import { barredBy, outsideHours } from './barred.js'
import type { Attempt, Delivery } from './delivery.js'
import { because, type Outcome } from './outcome.js'

/** A delivery whose worker died so often may be the cause of it; it may as well have been near one that is. */
const MANY_CRASHES = 10
const FIRST_CRASH_HOLD_MS = 60_000
const LONGEST_CRASH_HOLD_MS = 3_600_000

export async function claim(attempt: Attempt): Promise<Attempt> {
  const standing = await attempt.ports.claim(attempt.delivery)
  if (standing.kind === 'settled') {
    const outcome = settledBefore(standing.verdict)
    const prevented = outcome.kind === 'sent' ? { ...outcome, prevented: true } : outcome
    return { ...attempt, outcome: prevented, alreadySettled: true }
  }
  const unknown = standing.kind === 'free' ? undefined : unknownBy(attempt, standing)
  if (unknown) return { ...attempt, outcome: unknown }
  const outcome = refuse(attempt, standing.barrier)
  if (outcome) return { ...attempt, outcome }
  return standing.kind === 'marked' ? { ...attempt, takeOver: true } : attempt
}

/** An earlier attempt may have been accepted: only the lane's policy can say what to do. */
function unknownBy({ ports, delivery }: Attempt, standing: Standing): Outcome | undefined {
  // Whoever replayed it has asked for it, knowing that it may be a copy.
  if (standing.kind === 'doubtful' && delivery.replays !== undefined) return undefined
  const reason = because('unknown', 'a worker was lost while the relay had the message and had not answered')
  if (ports.laneRule(delivery.lane).unknown === 'hold') return { kind: 'unknown', reason }
  const holdMs = standing.kind === 'marked' ? standing.aliveMs : 0
  return holdMs > 0 ? { kind: 'held', reason, holdMs } : undefined
}

function refuse({ delivery, ports }: Attempt, barrier: Barrier | undefined): Outcome | undefined {
  const now = ports.now()
  if (barrier?.kind === 'cancelled' || barrier?.kind === 'suppressed') return barredBy(barrier)
  if (isPast(delivery, now)) return { kind: 'failed', reason: pastItsTime }
  const apart = delivery.crashes >= MANY_CRASHES ? setApart(delivery, ports.chance()) : undefined
  return apart ?? (barrier ? barredBy(barrier) : outsideHours(delivery, now))
}

/**
 * Once after each crash it waits, longer each time, so that it is tried apart from those that it was taken with. It
 * never fails for it: no number of killed workers may cost a message.
 */
function setApart({ crashes, heldFor }: Delivery, chance: number): Outcome | undefined {
  const reason = because('crashed', `a worker died ${crashes} times while it had this delivery`)
  if (heldFor === `${reason.code} ${reason.message}`) return undefined
  const longest = Math.min(FIRST_CRASH_HOLD_MS * 2 ** (crashes - MANY_CRASHES), LONGEST_CRASH_HOLD_MS)
  return { kind: 'held', reason, holdMs: Math.ceil(longest * (1 + chance) * 0.5) }
}

/** What the ledger remembers of the end of this delivery; of a row whose verdict it has forgotten, only that it ended. */
export function settledBefore(verdict: string): Outcome {
  const [kind, code = 'settled'] = verdict.split(' ', 2)
  if (kind === 'sent') return { kind: 'sent' }
  const reason = because(code, 'it was settled before')
  if (kind === 'failed' || kind === 'unknown') return { kind, reason }
  return { kind: 'skipped', reason }
}
