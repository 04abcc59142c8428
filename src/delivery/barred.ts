// What comes of a delivery that may not be sent now, or at all, whatever its relay would say: its batch was stopped,
// nothing is sent to its recipient, or it is outside its hours. Nothing of it counts as an attempt.

import type { Barrier } from '../store/ledger.js'
import type { Delivery } from './delivery.js'
import { because, type Outcome } from './outcome.js'
import { nextOpening } from './send-window.js'

/** How long a delivery of a paused batch waits before it is looked at again; `resume` does not wait for that. */
const PAUSED_HOLD_MS = 60_000

export function barredBy({ kind, why }: Barrier): Outcome {
  const reason = because(kind, why)
  return kind === 'paused' ? { kind: 'held', reason, holdMs: PAUSED_HOLD_MS } : { kind: 'skipped', reason }
}

/** Undefined where it may be sent now. */
export function outsideHours(
  { sendWindow, expiresAt = Infinity }: Pick<Delivery, 'sendWindow' | 'expiresAt'>,
  now: number,
): (Outcome & { kind: 'held' }) | undefined {
  if (sendWindow === undefined) return undefined
  const opensAt = nextOpening(sendWindow, now)
  if (opensAt === now) return undefined
  const { from, to, timeZone } = sendWindow
  const message = `it is sent from ${from} to ${to} (${timeZone}), next from ${new Date(opensAt).toISOString()} on`
  return {
    kind: 'held',
    reason: because('outside_window', message),
    holdMs: Math.min(opensAt, expiresAt) - now,
  }
}
