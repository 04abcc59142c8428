// One attempt at one delivery: six steps in order, over one record.
// A step either adds to the record or ends it with an outcome; only `record` writes down what came of it.

import { claim } from './claim.js'
import type { Attempt, Step } from './delivery.js'
import { judge } from './judge.js'
import type { Outcome } from './outcome.js'
import { permit } from './permit.js'
import { record } from './record.js'
import { render } from './render.js'
import { transmit } from './transmit.js'

const steps: readonly Step[] = [claim, render, permit, transmit, judge]

/** Makes one attempt; the record that comes back has its outcome, and what is settled is in the ledger. */
export async function runAttempt(start: Attempt): Promise<Attempt & { readonly outcome: Outcome }> {
  let attempt = start
  for (const step of steps) {
    attempt = await step(attempt)
    if (attempt.outcome) break
  }
  return record(attempt)
}
