// The one sentence that every error of a template is told in.

import { FluxMailError } from '../errors.js'

export interface TemplatePlace {
  readonly template: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

export function errorAt(place: TemplatePlace, reason: string, cause?: unknown): FluxMailError {
  const where = `template "${place.template}", line ${place.line}, column ${place.column}`
  return new FluxMailError('template_error', `${where}: ${reason}`, { cause, details: { ...place } })
}
