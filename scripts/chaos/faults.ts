// What breaks the promise about one delivery, or about one letter at the sink. Pure.
// Where the sink's record leaves room for a doubt, it is no fault.

import type { Delivery, Evidence, Sighting } from './evidence.js'
import { subjectOf } from './letter.js'
import type { ReceiptLine, Stopped } from './records.js'
import { attemptLifeMs } from './settings.js'

export const breaches = [
  'lost',
  'duplicated',
  'resentUnlike',
  'failedButAccepted',
  'failedUnrefused',
  'skippedUnasked',
  'sentWhileStopped',
  'unknownOutside',
  'wrongRecipient',
  'wrongBody',
  'contradicted',
  'miscounted',
  'stillPending',
  'workerEnded',
] as const
export type Breach = (typeof breaches)[number]

export interface Fault {
  readonly breach: Breach
  readonly recipient: string
  readonly line: string
}

/** How long a worker that has read a reply may take to record it: Redis may be away meanwhile. */
const RECORD_MS = 8_000
/** How long the sink may take to hear of a connection's end. */
const HEARD_MS = 250

/** Recipients that the sink refuses for as long as one tries. */
const refused = /^(reject|full|cut)-/

export function faultsOf(delivery: Delivery, evidence: Evidence): Fault[] {
  const { id, recipient, end, begun, copies, policy } = delivery
  const faults: Fault[] = []
  const add = (breach: Breach, what: string) =>
    faults.push({ breach, recipient, line: `${id} <${recipient}> ${end}: ${what}` })
  const answered = copies.filter(({ answeredAt }) => answeredAt !== undefined)
  const state = evidence.states.get(id)
  if (end === 'pending') add('stillPending', state ?? 'no job and no word of its end')
  // Everything was drained: what is owed and never came is not merely late.
  if ((end === 'sent' && answered.length === 0) || (end === 'pending' && copies.length === 0))
    add('lost', `${copies.length} copies, none answered with 250`)
  if ((end === 'failed' || end === 'skipped') && copies.length > 0)
    add('failedButAccepted', `the sink has ${copies.length} copies`)
  else if (end === 'failed' && !refused.test(recipient)) add('failedUnrefused', 'nobody had refused it')
  if (end === 'skipped' && !mayBeSkipped(delivery, evidence))
    add('skippedUnasked', 'its batch was not cancelled, nor its recipient suppressed')
  for (const why of sentWhileStopped(delivery, evidence)) add('sentWhileStopped', why)
  if (policy === 'hold' && copies.length > 1) add('duplicated', `${copies.length} copies under hold`)
  if (policy === 'resend') for (const why of needless(copies, evidence)) add('duplicated', why)
  if (new Set(copies.map(({ letter }) => letter?.messageId)).size > 1)
    add('resentUnlike', 'its copies have different Message-IDs')
  if (end === 'unknown' && !begun.some((sighting) => isInWindow(sighting, evidence)))
    add('unknownOutside', whyOutside(begun))
  for (const why of contradictions(delivery, state)) add('contradicted', why)
  return faults
}

/** Only a permanent reply about the recipient suppresses one. */
function mayBeSkipped({ batch, recipient }: Delivery, { receipts }: Evidence): boolean {
  if (recipient.startsWith('reject-')) return true
  return stopsOf(batch, receipts).some(({ how }) => how === 'cancelled')
}

/** After a pause or a cancel has resolved, only what had its mark by then goes out. */
function sentWhileStopped({ id, batch, copies }: Delivery, { receipts }: Evidence): string[] {
  return stopsOf(batch, receipts).flatMap(({ how, from, until = Number.POSITIVE_INFINITY, marked }) =>
    copies
      .filter(({ wholeAt = 0 }) => wholeAt > from && wholeAt < until && !marked.includes(id))
      .map(({ client, wholeAt = 0 }) => `${client} sent it ${wholeAt - from} ms after its batch was ${how}`),
  )
}

function stopsOf(batch: string | undefined, receipts: readonly ReceiptLine[]): Stopped[] {
  return receipts.filter((line) => line.kind === 'stopped').filter((line) => line.batch === batch)
}

/** Why a copy had no reason: the one before had been read, or could still be on its way. */
function needless(copies: readonly Sighting[], evidence: Evidence): string[] {
  return copies.flatMap((copy, index) => {
    const next = copies[index + 1]
    if (next === undefined) return []
    if (wasSurelyRead(copy, evidence, next.begunAt))
      return [`sent again after ${copy.client} had read the 250 to copy ${index + 1}`]
    const afterMs = next.begunAt - copy.begunAt
    const isLeft = copy.leftAt !== undefined && copy.leftAt <= next.begunAt + HEARD_MS
    if (isLeft || afterMs >= attemptLifeMs) return []
    return [`sent again ${afterMs} ms after copy ${index + 1}, while ${copy.client} was still at it`]
  })
}

/** The client went on to its next message on the same connection, and was still at work after `until`. */
function wasSurelyRead(copy: Sighting, { sink }: Evidence, until: number): boolean {
  const { connection, answeredAt, client } = copy
  if (answeredAt === undefined || answeredAt > until) return false
  const wentOn = sink.some(
    (line) =>
      line.kind === 'begun' && line.connection === connection && line.at > answeredAt && line.at <= until,
  )
  return wentOn && sink.some((line) => line.kind === 'begun' && line.client === client && line.at > until)
}

/** Unknown is right for what the sink had been handed and its worker cannot have recorded. */
function isInWindow(sighting: Sighting, evidence: Evidence): boolean {
  return !wasSurelyRead(sighting, evidence, (sighting.answeredAt ?? 0) + RECORD_MS)
}

function whyOutside(begun: readonly Sighting[]): string {
  return begun.length === 0
    ? 'the sink never said 354 to it'
    : `${begun.map(({ client }) => client).join(', ')} had read the 250 and lived on`
}

/** Only an unknown may be followed by another word, and the job says what the last one said. */
function contradictions({ said, end }: Delivery, state: string | undefined): string[] {
  const changed = said.find((word, index) => word !== 'unknown' && word !== (said[index + 1] ?? word))
  const other = state === undefined || state === 'settled' || state === end
  return [
    ...(changed === undefined ? [] : [`it was said to be ${said.join(', then ')}`]),
    ...(other || said.length === 0 ? [] : [`its job says ${state}`]),
  ]
}

export function letterFaults({ receipts }: Evidence, sightings: readonly Sighting[]): Fault[] {
  const intents = new Map(
    receipts.flatMap((line) =>
      line.kind === 'intent' ? line.recipients.map((to) => [to, line] as const) : [],
    ),
  )
  return sightings.flatMap(({ to, letter }): Fault[] => {
    if (letter === undefined) return []
    const fault = (breach: Breach, what: string) => [{ breach, recipient: to, line: `<${to}> ${what}` }]
    const intent = intents.get(to)
    if (intent === undefined) return fault('wrongRecipient', 'was never written to')
    if (letter.tokens.some((token) => token !== intent.token) || letter.subject !== subjectOf(intent.token))
      return fault('wrongRecipient', `has the letter of ${letter.tokens}, not of ${intent.token}`)
    if (letter.lines === intent.lines) return []
    return fault('wrongBody', `has ${letter.lines} lines of ${intent.lines}`)
  })
}
