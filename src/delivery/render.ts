// Third step: the bytes for this one recipient. What cannot be rendered fails this recipient alone;
// what cannot be loaded is not the recipient's fault and waits.

import { FluxMailError, messageOf } from '../errors.js'
import type { Attempt } from './delivery.js'
import { because, type Outcome } from './outcome.js'

const HOLD_MS = 5_000

export async function render(attempt: Attempt): Promise<Attempt> {
  try {
    return { ...attempt, ...(await attempt.ports.render(attempt.delivery)) }
  } catch (thrown) {
    return { ...attempt, outcome: blame(thrown) }
  }
}

function blame(thrown: unknown): Outcome {
  if (thrown instanceof FluxMailError && thrown.code !== 'queue_unavailable') {
    return { kind: 'failed', reason: because(thrown.code, thrown.message) }
  }
  return { kind: 'held', reason: because('content_unreachable', messageOf(thrown)), holdMs: HOLD_MS }
}
