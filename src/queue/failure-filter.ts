// Which failures are meant: checked options, and whether one delivery is among them. Pure.

import { z } from 'zod'
import { name, readWith } from '../config.js'
import { FluxMailError } from '../errors.js'
import { normalizeDomain } from '../message/domain.js'
import { isDeliveryId } from './payload.js'

export interface FailureFilter {
  /** A batch; every failure of `lane`, or of all lanes, unless given. */
  batch?: string | undefined
  lane?: string | undefined
  /** Deliveries by their id. */
  id?: string | readonly string[] | undefined
  /** `550 5.1.1`, `550` for all that begin with it, `5.1.1` for all that end with it, or a word such as `expired`. */
  code?: string | undefined
  /** The id or the text of a group of replies. */
  group?: string | undefined
  /** The relay of the last attempt. */
  relay?: string | undefined
  /** The domain of the recipients. */
  domain?: string | undefined
  /** Ended at this instant or after it. */
  since?: Date | undefined
  /** Ended at this instant or before it. */
  until?: Date | undefined
  outcome?: 'failed' | 'unknown' | undefined
}

const words = z.string().min(1).max(500)
const instant = z.date('must be a Date')
const deliveryId = z.string().refine(isDeliveryId, 'must be the id of a delivery')
const domain = z.string().transform((given, context) => {
  const normal = normalizeDomain(given)
  if (normal === undefined) context.addIssue({ code: 'custom', message: 'is no domain' })
  return normal ?? given
})

const schema = z.strictObject({
  batch: name.optional(),
  lane: name.optional(),
  id: z.union([deliveryId.transform((id) => [id]), z.array(deliveryId).min(1)]).optional(),
  code: words.optional(),
  group: words.optional(),
  relay: words.optional(),
  domain: domain.optional(),
  since: instant.optional(),
  until: instant.optional(),
  outcome: z.enum(['failed', 'unknown']).optional(),
})

export type ParsedFilter = z.output<typeof schema>

/** @throws FluxMailError `invalid_params` */
export function parseFailureFilter(
  filter: FailureFilter,
  lanes: readonly string[],
  call: string,
): ParsedFilter {
  const read = readWith(schema, filter, { code: 'invalid_params', where: 'filter' })
  if ('problems' in read) {
    const { problems } = read
    throw new FluxMailError('invalid_params', `${call}: ${problems.join('; ')}`, { details: { problems } })
  }
  const { lane } = read.data
  if (lane === undefined || lanes.includes(lane)) return read.data
  throw new FluxMailError('invalid_params', `lane: there is no lane ${lane}; there are ${lanes.join(', ')}`)
}

interface Candidate {
  readonly code: string
  readonly relay?: string
  readonly recipient?: string
  readonly outcome: 'failed' | 'unknown'
  readonly at: Date
  readonly group: { readonly id: string; readonly text: string }
}

/** Whether one failure is meant, as far as it says of itself; which batch or lane it is of is known by then. */
export function isMeant(filter: ParsedFilter, failure: Candidate): boolean {
  const { code, group, relay, domain: wanted, since, until, outcome } = filter
  return (
    (code === undefined || isCode(failure.code, code)) &&
    (group === undefined || group === failure.group.id || group === failure.group.text) &&
    (relay === undefined || relay === failure.relay) &&
    (wanted === undefined || failure.recipient?.slice(failure.recipient.lastIndexOf('@') + 1) === wanted) &&
    (since === undefined || failure.at >= since) &&
    (until === undefined || failure.at <= until) &&
    (outcome === undefined || failure.outcome === outcome)
  )
}

function isCode(code: string, wanted: string): boolean {
  return code === wanted || code.startsWith(`${wanted} `) || code.endsWith(` ${wanted}`)
}

/** What is meant, on one line. */
export function inWords(filter: ParsedFilter): string {
  const given = Object.entries(filter).flatMap(([key, value]) => {
    if (value === undefined) return []
    const text =
      value instanceof Date ? value.toISOString() : Array.isArray(value) ? idsInWords(value) : value
    return [`${key} ${text}`]
  })
  return given.join(', ')
}

function idsInWords(ids: readonly string[]): string {
  return ids.length > 3 ? `${ids.slice(0, 3).join(' ')} and ${ids.length - 3} more` : ids.join(' ')
}
