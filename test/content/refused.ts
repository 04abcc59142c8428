// What a call was refused with, as a value to compare.

import { FluxMailError } from '../../src/errors.js'

/** The FluxMailError that `run` throws; anything else that happens fails the test. */
export function refused(run: () => unknown): FluxMailError {
  try {
    run()
  } catch (error) {
    if (error instanceof FluxMailError) return error
    throw error
  }
  throw new Error('nothing was refused')
}
