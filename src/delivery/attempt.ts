// One attempt at one delivery: seven steps in order, over one record.
// A step either adds to the record or ends it with an outcome; only `record` writes down what came of it.

import { claim } from './claim.js'
import type { Attempt, Step } from './delivery.js'
import { judge } from './judge.js'
import { look } from './look.js'
import type { Outcome } from './outcome.js'
import { permit } from './permit.js'
import { record } from './record.js'
import { render } from './render.js'
import { transmit } from './transmit.js'

const steps: readonly Step[] = [claim, render, permit, transmit, judge]

/** Makes one attempt; the record that comes back has its outcome, and what is settled is in the ledger. */
export async function runAttempt(start: Attempt): Promise<Attempt & { readonly outcome: Outcome }> {
  const looked = await look(start)
  try {
    return await record(await goOn(looked))
  } finally {
    // Wherever the attempt ended: a permit that was not spent is somebody else's.
    looked.pass?.release()
  }
}

async function goOn(looked: Attempt): Promise<Attempt> {
  let attempt = looked
  for (const step of steps) {
    if (attempt.outcome) break
    const next = step(attempt)
    // What is there already is not waited for.
    attempt = next instanceof Promise ? await next : next
  }
  return attempt
}
