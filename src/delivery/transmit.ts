// Fourth step: the wire. The mark is written right before the bytes that the final dot follows, and not before the rest,
// so the ledger never has to guess whether the window was opened.

import type { Attempt, LeaveAnswer } from './delivery.js'
import { because, type Outcome } from './outcome.js'

const UNREACHABLE_HOLD_MS = 1_000

export async function transmit(attempt: Attempt): Promise<Attempt> {
  const { delivery, message, sender, grant, ports, signal } = attempt
  if (message === undefined || sender === undefined || grant === undefined) {
    throw new TypeError('transmit needs a rendered message and a grant')
  }
  const exchange = await grant.transmit({
    from: sender,
    to: delivery.recipient.address,
    bytes: message.bytes,
    eightBit: message.eightBit ?? false,
    smtpUtf8: message.smtpUtf8 ?? false,
    signal,
    beforeBody: () => askLeave(attempt),
  })
  if (exchange.kind === 'stopped') return { ...attempt, exchange, outcome: stopped(exchange.answer) }
  // Cut off by our own deadline and not by the relay: that is no attempt.
  const cutOff = exchange.kind === 'broken' && exchange.phase !== 'window' && ports.cutOff.aborted
  return cutOff ? { ...attempt, exchange, outcome: stopped('closing') } : { ...attempt, exchange }
}

async function askLeave({ ports, delivery, token, takeOver = false }: Attempt): Promise<LeaveAnswer> {
  try {
    return await ports.mark(delivery, token, takeOver)
  } catch {
    // What cannot be marked is not sent: without the mark a crash now would be a second copy later.
    return 'ledger_unreachable'
  }
}

function stopped(answer: string): Outcome {
  const holdMs = answer === 'ledger_unreachable' ? UNREACHABLE_HOLD_MS : 0
  return {
    kind: 'held',
    reason: because(answer, `the attempt was stopped before the wire: ${answer}`),
    holdMs,
  }
}
