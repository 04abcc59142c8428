// What is said of deliveries in this process: their metrics, and a log line for each attempt. No subject, no body, no
// address unless asked for; and no label that is not of a closed or a configured set.

import type { Clock } from '../clock.js'
import type { Attempt } from '../delivery/delivery.js'
import type { Outcome, Reason } from '../delivery/outcome.js'
import { errorCodes } from '../errors.js'
import type { Logger } from './log.js'
import { maskRecipient } from './mask.js'
import type { Metrics } from './metrics.js'
import { codeLabel } from './smtp-report.js'

type Ended = Attempt & { readonly outcome: Outcome }

export interface DeliveryReport {
  /** An attempt has ended. */
  attempt(attempt: Ended, durationMs: number): void
  /** A job that cannot be read was counted as failed; `code` says why. */
  unreadable(lane: string, code: string): void
  /** A delivery that was replayed is taken up. */
  replayed(lane: string): void
  /** A delivery was found that has lost its worker. */
  stalled(lane: string): void
  rendered(lane: string, seconds: number): void
  /** Sets the gauges, at each scrape; each lane with how many deliveries of it are worked on. */
  measure(lanes: Iterable<{ readonly lane: string; readonly active: number }>): void
}

export interface DeliveryReportOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly logger: Logger
  readonly logAddresses: boolean
  /** Asked for at each use. */
  metrics(): Metrics
  /** The provider of an address, as far as it is known now. */
  providerOf(address: string): string
}

/** Where no relay was asked, and where nobody can say whose address it was. */
const noRelay = 'none'
const noProvider = 'other'

export function createDeliveryReport(options: DeliveryReportOptions): DeliveryReport {
  const { clock, logger, logAddresses, metrics, providerOf } = options
  let progressAt = clock.now()
  return {
    attempt(attempt, durationMs) {
      progressAt = clock.now()
      const { delivery, relay = noRelay } = attempt
      const where = { relay, lane: delivery.lane, provider: providerOf(delivery.recipient.address) }
      countAttempt(attempt, where, progressAt, metrics())
      logAttempt(attempt, durationMs, logger, logAddresses)
    },
    unreadable(lane, code) {
      const where = { relay: noRelay, lane, provider: noProvider }
      countSettled('failed', where, metrics())
      countFailure({ code, message: '' }, where, metrics())
    },
    replayed: (lane) => metrics().count('fluxmail_replayed_total', { lane }),
    stalled: (lane) => metrics().count('fluxmail_stalled_total', { lane }),
    rendered: (lane, seconds) => metrics().observe('fluxmail_render_seconds', { lane }, seconds),
    measure(lanes) {
      metrics().set('fluxmail_last_progress_timestamp_seconds', {}, progressAt / 1000)
      for (const { lane, active } of lanes) metrics().set('fluxmail_deliveries_active', { lane }, active)
    },
  }
}

interface Where {
  readonly relay: string
  readonly lane: string
  readonly provider: string
}

function countAttempt(attempt: Ended, where: Where, now: number, metrics: Metrics): void {
  const { delivery, outcome, alreadySettled, late = false, resent = 0 } = attempt
  const { relay, lane } = where
  if (alreadySettled) {
    if (outcome.kind === 'sent' && outcome.prevented)
      metrics.count('fluxmail_duplicates_prevented_total', { lane })
    return
  }
  metrics.count('fluxmail_attempts_total', { outcome: outcome.kind, ...where })
  if (outcome.kind === 'deferred' || outcome.kind === 'held') return
  if (resent > 0) metrics.count('fluxmail_resent_total', { lane }, resent)
  // Whoever found it unknown has counted it among all that were settled.
  if (late) metrics.count('fluxmail_late_verdicts_total', { lane, outcome: outcome.kind })
  else countSettled(outcome.kind, where, metrics)
  if (outcome.kind === 'sent') {
    metrics.count('fluxmail_messages_sent_total', { lane, relay })
    metrics.set('fluxmail_last_success_timestamp_seconds', { relay }, now / 1000)
  }
  if (outcome.kind === 'failed') countFailure(outcome.reason, where, metrics)
  metrics.observe('fluxmail_queue_seconds', { lane }, Math.max(0, now - delivery.createdAt) / 1000)
}

function countSettled(outcome: Outcome['kind'], where: Where, metrics: Metrics): void {
  const { relay, lane } = where
  metrics.count('fluxmail_deliveries_total', { outcome, ...where })
  metrics.count('fluxmail_messages_total', { lane, relay })
}

function countFailure(given: Reason, where: Where, metrics: Metrics): void {
  const { relay, lane } = where
  metrics.count('fluxmail_messages_failed_total', { lane, relay })
  const code = given.reply === undefined ? '' : codeLabel(given.reply.code)
  metrics.count('fluxmail_failures_total', { ...where, reason: reasonLabel(given), code })
}

/** Of ours its own word; what a relay said is told by its code. */
function reasonLabel({ code, reply }: Reason): string {
  if (code === 'expired') return code
  if (reply !== undefined) return 'refused'
  return Object.hasOwn(errorCodes, code) ? code : 'other'
}

function logAttempt(
  { delivery, outcome, relay }: Ended,
  durationMs: number,
  logger: Logger,
  logAddresses: boolean,
): void {
  const { address } = delivery.recipient
  const reason = 'reason' in outcome ? outcome.reason : undefined
  const reply = reason?.reply ?? (outcome.kind === 'sent' ? outcome.reply : undefined)
  const fields = {
    delivery: delivery.id,
    lane: delivery.lane,
    ...(delivery.batch ? { batch: delivery.batch.id } : {}),
    ...(relay ? { relay } : {}),
    outcome: outcome.kind,
    ...(reply ? { code: reply.code } : {}),
    ...(reason ? { reason: logAddresses ? reason.message : maskRecipient(reason.message, address) } : {}),
    durationMs: Math.round(durationMs),
    ...(logAddresses ? { recipient: address } : {}),
  }
  // What waits does so by the thousand, for a reason that is told once where it was found.
  if (outcome.kind === 'held') logger.debug(fields, 'delivery')
  else logger.info(fields, 'delivery')
}
