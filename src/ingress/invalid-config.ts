// The one error of a configuration that cannot be.

import { FluxMailError } from '../errors.js'

export function invalidConfig(message: string, cause?: unknown): FluxMailError {
  return new FluxMailError('invalid_config', message, cause === undefined ? {} : { cause })
}
