// A run told in a few lines, for the checker: what was acknowledged, what the sink saw, what is claimed.

import type { End, Evidence } from '../../scripts/chaos/evidence.js'
import { subjectOf, tokenOf } from '../../scripts/chaos/letter.js'
import type { ReceiptLine, SinkLine, Stopped } from '../../scripts/chaos/records.js'

export interface Told {
  readonly end: End
  /** What the product said, one word after the other; default its end. */
  readonly said?: readonly string[]
  /** Who it is for. */
  readonly to?: string
  readonly policy?: 'hold' | 'resend'
  /** That its batch was paused or cancelled. */
  readonly stopped?: Omit<Stopped, 'kind' | 'batch'>
  /** What the sink saw, in the order of its lines. */
  readonly seen: readonly Seen[]
}

export type Seen =
  /** A body: how far it came, over which connection, from which worker. */
  | {
      readonly body: 'begun' | 'whole' | 'answered'
      /** When; default 100 ms after what was seen before. */
      readonly at?: number
      readonly connection?: number
      readonly client?: string
      readonly token?: string
      readonly lines?: number
      readonly to?: string
      readonly messageId?: string
    }
  /** The worker was at work with something else, on this connection. */
  | { readonly other: string; readonly connection: number; readonly at?: number }
  | { readonly closed: number }

export const recipient = 'r0@example.com'
const token = tokenOf(1, 1)

/** Of a batch one delivery, whose letter has 3 lines; the counts say what is claimed. */
export function evidenceOf(story: Told): Evidence {
  const { end, policy = 'hold', seen, to = recipient, said = end === 'pending' ? [] : [end] } = story
  const receipts: ReceiptLine[] = [
    { kind: 'intent', token, lines: 3, recipients: [to], lane: 'bulk' },
    { kind: 'acknowledged', lane: 'bulk', batch: 'b', deliveries: [{ id: 'b.0', recipient: to }] },
  ]
  if (story.stopped) receipts.push({ kind: 'stopped', batch: 'b', ...story.stopped })
  const ends = { sent: 0, failed: 0, skipped: 0, unknown: 0, pending: 0, [end]: 1 }
  const sink = seen.flatMap((each, index) => linesOf(each, (index + 1) * 100))
  const copies = sink.filter((line) => line.kind === 'whole' && line.to[0] === to).length
  const counts = { ...ends, resent: Math.max(0, copies - 1) }
  return {
    receipts,
    sink,
    words: said.map((outcome, index) => ({ id: 'b.0', outcome, at: 1_000 + index })),
    states: new Map([['b.0', end]]),
    counts: [{ lane: 'bulk', accepted: 1, ...counts }],
    batches: [{ id: 'b', total: 1, ...counts }],
    policies: { bulk: policy, transactional: policy },
    surprises: [],
    startedAt: 0,
  }
}

function linesOf(seen: Seen, turn: number): SinkLine[] {
  if ('closed' in seen) return [{ kind: 'closed', at: turn, connection: seen.closed }]
  const { at = turn } = seen
  if ('other' in seen) {
    const to = ['someone.else@example.com']
    return [{ kind: 'begun', at, connection: seen.connection, client: seen.other, to }]
  }
  const {
    body,
    connection = 1,
    client = 'w1',
    to = recipient,
    messageId = '<m@example.com>',
    lines = 3,
  } = seen
  const id = String(at)
  const tokens = [seen.token ?? token]
  const letter = { tokens, subject: subjectOf(tokens[0] ?? ''), messageId, lines }
  const all: SinkLine[] = [
    { kind: 'begun', at, connection, client, to: [to] },
    { kind: 'whole', at: at + 1, connection, id, to: [to], ...letter },
    { kind: 'answered', at: at + 2, connection, id },
  ]
  return all.slice(0, ['begun', 'whole', 'answered'].indexOf(body) + 1)
}
