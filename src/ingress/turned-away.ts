// Clients that got nothing done: who came without a login or without TLS, or broke the handshake off. Each is counted.
// A flood of them is a line a second, with how many there were since the line before.

import type { Clock } from '../clock.js'
import type { Logger } from '../telemetry/log.js'
import type { Metrics } from '../telemetry/metrics.js'

const messages = {
  no_login: 'mail without a login was refused',
  no_tls: 'a client without STARTTLS was refused',
  handshake: 'a TLS handshake came to nothing; does the client trust the certificate?',
} as const

export type TurnedAwayReason = keyof typeof messages

interface Silence {
  until: number
  unsaid: number
}

const QUIET_MS = 1_000

export class TurnedAway {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: Metrics | undefined
  readonly #silences = new Map<TurnedAwayReason, Silence>()

  constructor({ clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: Metrics | undefined }) {
    this.#clock = clock
    this.#logger = logger
    this.#metrics = metrics
  }

  /** Counts one, and logs it unless one like it was logged within the second. */
  tell(reason: TurnedAwayReason, fields: object): void {
    this.#metrics?.count('fluxmail_ingress_connections_refused_total', { reason })
    const now = this.#clock.monotonicMs()
    const silence = this.#silences.get(reason)
    if (silence && now < silence.until) {
      silence.unsaid += 1
      return
    }
    const count = 1 + (silence?.unsaid ?? 0)
    this.#silences.set(reason, { until: now + QUIET_MS, unsaid: 0 })
    this.#logger.info({ ...fields, reason, count }, messages[reason])
  }
}
