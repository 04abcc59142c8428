// Waiting for something that is bound to happen, instead of sleeping for as long as it usually takes.

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

export interface EventuallyOptions {
  /** Default 10 000. */
  withinMs?: number
  /** Default 10. */
  everyMs?: number
}

/**
 * Asks `condition` until it gives something truthy, and resolves with that.
 * Past the deadline it rejects, naming `what` and the last answer or error.
 */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  { withinMs = 10_000, everyMs = 10 }: EventuallyOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs
  let last = 'nothing yet'
  for (;;) {
    try {
      const answer = await condition()
      if (answer) return answer
      last = `the last answer was ${inspect(answer)}`
    } catch (error) {
      last = `the last try threw ${error instanceof Error ? error.message : inspect(error)}`
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}; ${last}`)
    await sleep(everyMs)
  }
}
