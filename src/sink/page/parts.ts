// What the page is given to show: the recorded messages, the SMTP side's figures, and how to clear both.

import type { Clock } from '../../clock.js'
import type { Inbox } from '../inbox.js'

export interface Traffic {
  /** SMTP connections opened since the start. */
  readonly opened: number
  /** Replies given, by code. */
  readonly replies: ReadonlyMap<number, number>
  readonly host: string
  readonly port: number
}

export interface PageParts {
  readonly inbox: Inbox
  readonly traffic: Traffic
  readonly clear: () => Promise<void>
  readonly clock: Clock
}
