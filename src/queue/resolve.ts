// An unknown delivery resolved by somebody who knows: sent or not. It is counted once, as what it then is.

import { FluxMailError } from '../errors.js'
import type { Resolution, Resolved } from '../store/resolve.js'

export type ResolvedAs = 'sent' | 'not_sent'

const stands: Readonly<Record<Exclude<Resolved, 'resolved'>, string>> = {
  sent: 'it is known to have been sent',
  failed: 'it is known to have failed',
  skipped: 'it was cancelled or suppressed',
  pending: 'it is pending',
  '': 'it is pending, or settled',
}

/** @throws FluxMailError `invalid_params` */
export function parseResolvedAs(verdict: unknown): ResolvedAs {
  if (verdict === 'sent' || verdict === 'not_sent') return verdict
  throw new FluxMailError('invalid_params', "resolve: the verdict must be 'sent' or 'not_sent'")
}

/** @throws FluxMailError `not_unknown` */
export async function resolveDelivery(
  resolve: (resolution: Resolution) => Promise<Resolved>,
  resolution: Resolution,
): Promise<void> {
  const answer = await resolve(resolution)
  if (answer === 'resolved') return
  const { id } = resolution.entry
  throw new FluxMailError(
    'not_unknown',
    `the delivery ${id} is not unknown: ${stands[answer]}; there is nothing to resolve`,
    { details: { state: answer } },
  )
}
