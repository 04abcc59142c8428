// The options of TLS are Node's own; all that is checked is that they are options.

import type { ConnectionOptions } from 'node:tls'
import { z } from 'zod'

/** Node's `tls.connect` options, copied, so that they stay what they were when they were given. */
export const tlsSchema = z
  .custom<ConnectionOptions>(isPlainObject, 'must be an object with TLS options')
  .transform((options) => ({ ...options }))

function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
