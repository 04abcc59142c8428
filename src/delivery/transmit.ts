// Fifth step: the wire. The mark is written right before the bytes that the final dot follows, and not before the rest,
// so the ledger never has to guess whether the window was opened.

import { isPast, pastItsTime } from './backoff.js'
import { barredBy, outsideHours } from './barred.js'
import type { Attempt, LeaveAnswer } from './delivery.js'
import { because, type Outcome } from './outcome.js'

const UNREACHABLE_HOLD_MS = 1_000
/** A relay may close while leave is asked for; when that takes longer, it was Redis that kept the relay waiting. */
const PATIENCE_MS = 1_000

export async function transmit(attempt: Attempt): Promise<Attempt> {
  const { delivery, message, sender, grant, ports, signal } = attempt
  if (message === undefined || sender === undefined || grant === undefined) {
    throw new TypeError('transmit needs a rendered message and a grant')
  }
  const startedAt = ports.now()
  let askedAt: number | undefined
  const exchange = await grant.transmit({
    from: sender,
    to: delivery.recipient.address,
    bytes: message.pieces ?? message.bytes,
    hasLines: message.hasLines ?? false,
    fixed: message.fixed ?? [],
    eightBit: message.eightBit ?? false,
    smtpUtf8: message.smtpUtf8 ?? false,
    signal,
    beforeBody: async () => {
      askedAt = ports.now()
      const answer = await askLeave(attempt, askedAt)
      askedAt = undefined
      return answer
    },
  })
  const done = { ...attempt, exchange, wire: { at: startedAt, ms: Math.max(0, ports.now() - startedAt) } }
  if (exchange.kind === 'stopped') return { ...done, outcome: stopped(exchange.answer, attempt) }
  if (exchange.kind !== 'broken' || exchange.phase === 'window') return done
  // Cut off by our own deadline and not by the relay: that is no attempt.
  if (ports.cutOff.aborted) return { ...done, outcome: stopped('closing', attempt) }
  const isOurs = askedAt !== undefined && ports.now() - askedAt > PATIENCE_MS
  return isOurs ? { ...done, outcome: stopped('ledger_unreachable', attempt) } : done
}

async function askLeave({ ports, delivery, token, takeOver = false }: Attempt, askedAt: number) {
  // It may have waited long for its permit.
  if (isPast(delivery, askedAt)) return 'expired' satisfies LeaveAnswer
  if (outsideHours(delivery, askedAt)) return 'outside_window' satisfies LeaveAnswer
  try {
    const answer: LeaveAnswer = await ports.mark(delivery, token, takeOver)
    const isLate = answer === 'ok' && ports.now() - askedAt > ports.leaveMs
    return isLate ? ('too_late' satisfies LeaveAnswer) : answer
  } catch {
    // What cannot be marked is not sent: without the mark a crash now would be a second copy later.
    return 'ledger_unreachable' satisfies LeaveAnswer
  }
}

function stopped(answer: LeaveAnswer | 'closing', { delivery, ports }: Attempt): Outcome {
  if (answer === 'expired') return { kind: 'failed', reason: pastItsTime }
  if (answer === 'paused') return barredBy({ kind: answer, why: 'its batch was paused' })
  const outside = answer === 'outside_window' && outsideHours(delivery, ports.now())
  if (outside) return outside
  const holdMs = answer === 'ledger_unreachable' ? UNREACHABLE_HOLD_MS : 0
  // Whoever stood still for longer than a lock has lost its job.
  const code = answer === 'too_late' ? 'superseded' : answer
  return {
    kind: 'held',
    reason: because(code, `the attempt was stopped before the wire: ${answer}`),
    holdMs,
  }
}
