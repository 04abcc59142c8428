// Whether the promise held: by what was acknowledged and by what the sink saw, delivery by delivery.
// It derives nothing from our counters; it compares them with what it found. Pure.

import { type End, type Evidence, outcomes, type Sighting, sightingsOf } from './evidence.js'
import { subjectOf } from './letter.js'

export const breaches = [
  'lost',
  'duplicated',
  'resentUnlike',
  'failedButAccepted',
  'unknownOutside',
  'wrongRecipient',
  'wrongBody',
  'miscounted',
  'stillPending',
  'workerEnded',
] as const
export type Breach = (typeof breaches)[number]

export interface Report {
  readonly accepted: number
  readonly ends: Readonly<Record<End, number>>
  /** How many deliveries have so many copies at the sink. */
  readonly copies: ReadonlyMap<number, number>
  /** Of the unknown: as the sink saw their last moment. */
  readonly unknown: { readonly whole: number; readonly answered: number; readonly bodyOnly: number }
  /** Copies beyond the first that the policy allows. */
  readonly allowedCopies: number
  /** Arrived although no enqueue of theirs was acknowledged. */
  readonly unacknowledged: number
  /** One line for each breach of the promise. */
  readonly found: Readonly<Record<Breach, readonly string[]>>
}

interface Delivery {
  readonly id: string
  readonly recipient: string
  readonly lane: string
  readonly end: End
  readonly policy: 'hold' | 'resend'
  readonly copies: readonly Sighting[]
  readonly begun: readonly Sighting[]
}

export function check(evidence: Evidence): Report {
  const sightings = sightingsOf(evidence.sink)
  const deliveries = deliveriesOf(evidence, sightings)
  const found = Object.fromEntries(breaches.map((breach) => [breach, [] as string[]])) as Record<
    Breach,
    string[]
  >
  for (const delivery of deliveries)
    for (const [breach, line] of faultsOf(delivery, evidence)) found[breach].push(line)
  for (const [breach, line] of letterFaults(evidence, sightings)) found[breach].push(line)
  found.miscounted.push(...countFaults(evidence, deliveries))
  found.workerEnded.push(...evidence.surprises)
  const known = new Set(deliveries.map(({ recipient }) => recipient))
  const unknown = deliveries.filter(({ end }) => end === 'unknown')
  return {
    accepted: deliveries.length,
    ends: tally(
      outcomes,
      deliveries.map(({ end }) => end),
    ),
    copies: histogram(deliveries.map(({ copies }) => copies.length)),
    unknown: {
      whole: unknown.filter(({ copies }) => copies.some(({ answeredAt }) => answeredAt === undefined)).length,
      answered: unknown.filter(
        ({ copies }) => copies.length > 0 && copies.every(({ answeredAt }) => answeredAt),
      ).length,
      bodyOnly: unknown.filter(({ copies, begun }) => copies.length === 0 && begun.length > 0).length,
    },
    allowedCopies:
      deliveries.reduce((sum, { copies }) => sum + Math.max(0, copies.length - 1), 0) -
      found.duplicated.length,
    unacknowledged: new Set(
      sightings.filter(({ wholeAt, to }) => wholeAt && !known.has(to)).map(({ to }) => to),
    ).size,
    found,
  }
}

export function isBroken(report: Report): boolean {
  return breaches.some((breach) => report.found[breach].length > 0)
}

function deliveriesOf({ receipts, ends, policies }: Evidence, sightings: readonly Sighting[]): Delivery[] {
  const byRecipient = groupByRecipient(sightings)
  return receipts.flatMap((line) => {
    if (line.kind !== 'acknowledged') return []
    return line.deliveries.map(({ id, recipient }) => {
      const seen = byRecipient.get(recipient) ?? []
      return {
        id,
        recipient,
        lane: line.lane,
        end: endOf(ends.get(id)),
        policy: policies[line.lane],
        copies: seen.filter(({ wholeAt }) => wholeAt !== undefined),
        begun: seen,
      }
    })
  })
}

function groupByRecipient(sightings: readonly Sighting[]): Map<string, Sighting[]> {
  const groups = new Map<string, Sighting[]>()
  for (const sighting of sightings) {
    const group = groups.get(sighting.to)
    if (group) group.push(sighting)
    else groups.set(sighting.to, [sighting])
  }
  return groups
}

/** What has no end that we know of is still owed. */
function endOf(state: string | undefined): End {
  return outcomes.find((outcome) => outcome === state) ?? 'pending'
}

type Fault = readonly [Breach, string]

function faultsOf(delivery: Delivery, evidence: Evidence): Fault[] {
  const { id, recipient, end, copies, policy } = delivery
  const line = (what: string) => `${id} <${recipient}> ${end}: ${what}`
  const faults: Fault[] = []
  const answered = copies.filter(({ answeredAt }) => answeredAt !== undefined)
  if (end === 'pending') faults.push(['stillPending', line(evidence.ends.get(id) ?? 'no job and no verdict')])
  // Everything was drained: what is owed and never came is not merely late.
  if ((end === 'sent' && answered.length === 0) || (end === 'pending' && copies.length === 0))
    faults.push(['lost', line(`${copies.length} copies, none answered with 250`)])
  if ((end === 'failed' || end === 'skipped') && copies.length > 0)
    faults.push(['failedButAccepted', line(`the sink has ${copies.length} copies`)])
  if (policy === 'hold' && copies.length > 1)
    faults.push(['duplicated', line(`${copies.length} copies under hold`)])
  if (policy === 'resend') faults.push(...needlessCopies(copies, evidence, line))
  if (new Set(copies.map(({ letter }) => letter?.messageId)).size > 1)
    faults.push(['resentUnlike', line('its copies have different Message-IDs')])
  if (end === 'unknown' && !wasInWindow(delivery, evidence))
    faults.push(['unknownOutside', line(whyOutside(delivery))])
  return faults
}

/** A copy after one whose reply its worker had read, and lived on to record, had no reason. */
function needlessCopies(
  copies: readonly Sighting[],
  evidence: Evidence,
  line: (what: string) => string,
): Fault[] {
  const faults: Fault[] = []
  for (const [index, copy] of copies.entries()) {
    const next = copies[index + 1]
    if (next?.wholeAt === undefined || !wasSurelyRead(copy, evidence, next.begunAt)) continue
    faults.push(['duplicated', line(`sent again after ${copy.client} had read the 250 to copy ${index + 1}`)])
  }
  return faults
}

/** The client went on to its next message on the same connection, and was still at work after `until`. */
function wasSurelyRead(
  { connection, answeredAt, client }: Sighting,
  { sink }: Evidence,
  until: number,
): boolean {
  if (answeredAt === undefined) return false
  const wentOn = sink.some(
    (line) => line.kind === 'begun' && line.connection === connection && line.at > answeredAt,
  )
  return wentOn && sink.some((line) => line.kind === 'begun' && line.client === client && line.at > until)
}

/** How long a worker that has read a reply may take to record it: Redis may be away meanwhile. */
const RECORD_MS = 8_000

/** Unknown is right for what the sink had been handed and its worker cannot have recorded. */
function wasInWindow({ begun }: Delivery, evidence: Evidence): boolean {
  return begun.some((sighting) => !wasSurelyRead(sighting, evidence, (sighting.answeredAt ?? 0) + RECORD_MS))
}

function whyOutside({ begun }: Delivery): string {
  return begun.length === 0
    ? 'the sink never said 354 to it'
    : `${begun.map(({ client }) => client).join(', ')} had read the 250 and lived on`
}

function letterFaults({ receipts }: Evidence, sightings: readonly Sighting[]): Fault[] {
  const intents = new Map(
    receipts.flatMap((line) =>
      line.kind === 'intent' ? line.recipients.map((to) => [to, line] as const) : [],
    ),
  )
  return sightings.flatMap(({ to, letter }): Fault[] => {
    if (letter === undefined) return []
    const intent = intents.get(to)
    if (intent === undefined) return [['wrongRecipient', `<${to}> was never written to`]]
    if (letter.tokens.some((token) => token !== intent.token) || letter.subject !== subjectOf(intent.token))
      return [['wrongRecipient', `<${to}> has the letter of ${letter.tokens}, not of ${intent.token}`]]
    if (letter.lines !== intent.lines)
      return [['wrongBody', `<${to}> has ${letter.lines} lines of ${intent.lines}`]]
    return []
  })
}

function countFaults({ counts }: Evidence, deliveries: readonly Delivery[]): string[] {
  return counts.flatMap((count) => {
    const own = deliveries.filter(({ lane }) => lane === count.lane)
    const found = {
      accepted: own.length,
      ...tally(
        outcomes,
        own.map(({ end }) => end),
      ),
    }
    return (['accepted', ...outcomes] as const)
      .filter((name) => count[name] !== found[name])
      .map((name) => `${count.lane}: ${name} is counted ${count[name]} and was found ${found[name]}`)
  })
}

function tally<T extends string>(names: readonly T[], values: readonly T[]): Record<T, number> {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>
  for (const value of values) counts[value] += 1
  return counts
}

function histogram(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const value of [...values].sort((a, b) => a - b)) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
