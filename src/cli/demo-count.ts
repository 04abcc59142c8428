// What the demo came to, and every way in which the queue's counts and the server's could disagree.
// Pure: what it is given was counted by both sides on their own.

import type { BatchStatus } from '../queue/batch-status.js'
import type { DeliveryState } from '../queue/delivery-record.js'

export interface DemoDelivery {
  readonly recipient: string
  readonly state: DeliveryState
  readonly attempts: number
}

/** What the SMTP server recorded. */
export interface Recorded {
  readonly messages: { readonly length: number }
  readonly connections: number
  readonly replies: ReadonlyMap<number, number>
  copies(): ReadonlyMap<string, number>
}

export interface DemoInput {
  /** Rows that were handed to the queue. */
  readonly rowCount: number
  /** Rows of the CSV that are no deliveries, whether the queue saw them or not. */
  readonly rejectedRows: number
  readonly status: BatchStatus
  readonly deliveries: readonly DemoDelivery[]
  readonly sink: Recorded
  readonly elapsedMs: number
}

/** The JSON of `--json`. */
export interface DemoSummary {
  /** Deliveries that the queue accepted. */
  readonly total: number
  readonly sent: number
  readonly failed: number
  readonly rejectedRows: number
  /** Recipients by how many copies the server recorded. */
  readonly copies: { readonly '0': number; readonly '1': number; readonly more: number }
  readonly seconds: number
  readonly perSecond: number
  readonly connections: number
}

export interface DemoCount {
  readonly summary: DemoSummary
  /** Recipients that were greylisted first. */
  readonly deferredThenSent: number
  readonly failures: Readonly<Record<string, number>>
  /** Replies 451 that the server gave. */
  readonly greylisted: number
  /** One sentence for each count that does not add up. */
  readonly differences: readonly string[]
}

const GREYLISTED = 451
const REFUSED = 550

export function countDemo(input: DemoInput): DemoCount {
  const { status, sink, elapsedMs, rejectedRows, deliveries } = input
  const seconds = Math.round(elapsedMs) / 1000
  const summary: DemoSummary = {
    total: status.total,
    sent: status.sent,
    failed: status.failed,
    rejectedRows,
    copies: countCopies(deliveries, sink.copies()),
    seconds,
    perSecond: Math.round((status.sent / Math.max(seconds, 0.001)) * 10) / 10,
    connections: sink.connections,
  }
  return {
    summary,
    deferredThenSent: deliveries.filter(({ state, attempts }) => state === 'sent' && attempts > 1).length,
    failures: status.failures,
    greylisted: sink.replies.get(GREYLISTED) ?? 0,
    differences: differencesIn(input, summary),
  }
}

function countCopies(
  deliveries: readonly DemoDelivery[],
  copies: ReadonlyMap<string, number>,
): DemoSummary['copies'] {
  const counts = deliveries.map(({ recipient }) => copies.get(recipient) ?? 0)
  const withCount = (test: (count: number) => boolean) => counts.filter(test).length
  return {
    '0': withCount((count) => count === 0),
    '1': withCount((count) => count === 1),
    more: withCount((count) => count > 1),
  }
}

function differencesIn({ rowCount, status, deliveries, sink }: DemoInput, { copies }: DemoSummary): string[] {
  const { total, sent, failed, skipped, unknown, pending, rejected } = status
  const states = (state: DeliveryState) => deliveries.filter((delivery) => delivery.state === state).length
  const retries = deliveries.reduce((sum, { attempts }) => sum + Math.max(0, attempts - 1), 0)
  const strangers =
    sink.messages.length -
    deliveries.reduce((sum, { recipient }) => sum + (sink.copies().get(recipient) ?? 0), 0)
  const wrongCopies = deliveries.filter(
    ({ recipient, state }) => (sink.copies().get(recipient) ?? 0) !== (state === 'sent' ? 1 : 0),
  )
  const pairs: [what: string, one: number, other: string, two: number][] = [
    ['rows handed to the queue', rowCount, 'rows that it accepted or rejected', total + rejected],
    ['deliveries accepted', total, 'deliveries settled', sent + failed + skipped + unknown],
    ['deliveries accepted', total, 'deliveries found in the queue', deliveries.length],
    ['deliveries pending', pending, 'expected at the end', 0],
    ['deliveries counted as sent', sent, 'deliveries found as sent', states('sent')],
    ['deliveries counted as failed', failed, 'deliveries found as failed', states('failed')],
    ['deliveries sent', sent, 'messages that the server recorded', sink.messages.length],
    ['deliveries sent', sent, 'recipients with exactly one copy', copies['1']],
    ['recipients with more than one copy', copies.more, 'expected', 0],
    ['deliveries failed', failed, `replies ${REFUSED} of the server`, sink.replies.get(REFUSED) ?? 0],
    [
      'attempts made again',
      retries,
      `replies ${GREYLISTED} of the server`,
      sink.replies.get(GREYLISTED) ?? 0,
    ],
    ['messages to recipients that are not in the CSV', strangers, 'expected', 0],
    ['recipients whose copies do not fit their outcome', wrongCopies.length, 'expected', 0],
  ]
  return pairs
    .filter(([, one, , two]) => one !== two)
    .map(([what, one, other, two]) => `${what}: ${one}; ${other}: ${two}`)
}
