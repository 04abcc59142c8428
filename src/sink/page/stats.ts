// The figures of the sink, one shape for the page and the JSON.

import type { Inbox } from '../inbox.js'
import type { Traffic } from './parts.js'

export interface Stats {
  readonly messages: number
  /** Different addresses that got a message. */
  readonly recipients: number
  /** SMTP connections opened since the start. */
  readonly connections: number
  /** Replies given, by code. */
  readonly replies: Readonly<Record<string, number>>
}

export function readStats(inbox: Inbox, traffic: Traffic): Stats {
  return {
    messages: inbox.received,
    recipients: inbox.recipientCount,
    connections: traffic.opened,
    replies: Object.fromEntries(traffic.replies),
  }
}
