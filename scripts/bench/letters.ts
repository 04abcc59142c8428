// The mail of a benchmark: small, each to somebody else, at a domain that names its lane.

import type { MailQueue } from '../../src/index.js'

export const sender = 'news@example.com'
const content = { subject: 'News for {{ name }}', text: 'Dear {{ name }}, all is well.\n', sender }

export interface BacklogOptions {
  /** Default `bulk`. */
  readonly lane?: string
  readonly signal?: AbortSignal | undefined
}

function* rows(count: number, lane: string, signal: AbortSignal | undefined) {
  for (let index = 0; index < count; index += 1) {
    signal?.throwIfAborted()
    yield { to: `r${index}@${lane}.example.com`, name: `Ada ${index}` }
  }
}

/** Rows that wait in a lane. */
export async function enqueueBacklog(
  queue: MailQueue,
  count: number,
  { lane = 'bulk', signal }: BacklogOptions = {},
) {
  return await queue.enqueueBatch(rows(count, lane, signal), content, { lane })
}
