// Which refusals say that a mailbox does not exist or is closed for good, so that nothing more should be sent there.

import type { Reason } from './outcome.js'

/** RFC 3463, 3.2 and 3.3, and RFC 7505 for 5.1.10: no such mailbox or system, moved, null MX, disabled. */
const gone = new Set(['5.1.1', '5.1.2', '5.1.3', '5.1.6', '5.1.10', '5.2.1'])

/** Whether the reply that a delivery failed for is permanent and about its recipient. */
export function isBounce({ reply }: Reason): boolean {
  return reply !== undefined && reply.code >= 500 && gone.has(reply.enhanced ?? '')
}
