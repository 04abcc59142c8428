// Runs what must be refused and gives its error, so that tests can state code, field and words.

import { FluxMailError } from '../../src/errors.js'

export function refusalOf(run: () => unknown): FluxMailError {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof FluxMailError) return thrown
    throw thrown
  }
  throw new Error('it was accepted')
}

/** The result, or undefined for a FluxMailError; anything else thrown passes through and fails the test. */
export function acceptedOrRefused<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (thrown) {
    if (thrown instanceof FluxMailError) return undefined
    throw thrown
  }
}
