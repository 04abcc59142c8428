// What is said of deliveries in this process: their metrics, and a log line for each attempt. No subject, no body, no
// address unless asked for; and no label that is not of a closed or a configured set.

import type { Clock } from '../clock.js'
import type { Attempt } from '../delivery/delivery.js'
import type { Outcome, Reason } from '../delivery/outcome.js'
import { errorCodes } from '../errors.js'
import type { Logger } from './log.js'
import { maskRecipient } from './mask.js'
import { type Metrics, seriesBy } from './metrics.js'
import { createPlaces, type Place } from './place.js'
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
  const placeOf = createPlaces(metrics)
  let progressAt = clock.now()
  return {
    attempt(attempt, durationMs) {
      progressAt = clock.now()
      const { delivery, relay = noRelay, outcome } = attempt
      const provider = providerOf(delivery.recipient.address)
      countAttempt(attempt, placeOf(relay, delivery.lane, provider, outcome.kind), progressAt, metrics())
      logAttempt(attempt, durationMs, logger, logAddresses)
    },
    unreadable(lane, code) {
      const place = placeOf(noRelay, lane, noProvider, 'failed')
      countSettled(place)
      countFailure({ code, message: '' }, place, metrics())
    },
    replayed: (lane) => metrics().count('fluxmail_replayed_total', { lane }),
    stalled: (lane) => metrics().count('fluxmail_stalled_total', { lane }),
    rendered: seriesBy('fluxmail_render_seconds', 'lane', metrics),
    measure(lanes) {
      metrics().set('fluxmail_last_progress_timestamp_seconds', {}, progressAt / 1000)
      for (const { lane, active } of lanes) metrics().set('fluxmail_deliveries_active', { lane }, active)
    },
  }
}

function countAttempt(attempt: Ended, place: Place, now: number, metrics: Metrics): void {
  const { delivery, outcome, alreadySettled, late = false, resent = 0 } = attempt
  if (alreadySettled) {
    if (outcome.kind === 'sent' && outcome.prevented) place.write('fluxmail_duplicates_prevented_total', 1)
    return
  }
  place.write('fluxmail_attempts_total', 1)
  if (outcome.kind === 'deferred' || outcome.kind === 'held') return
  if (resent > 0) place.write('fluxmail_resent_total', resent)
  // Whoever found it unknown has counted it among all that were settled.
  if (late) place.write('fluxmail_late_verdicts_total', 1)
  else countSettled(place)
  if (outcome.kind === 'sent') {
    place.write('fluxmail_messages_sent_total', 1)
    place.write('fluxmail_last_success_timestamp_seconds', now / 1000)
  }
  if (outcome.kind === 'failed') countFailure(outcome.reason, place, metrics)
  place.write('fluxmail_queue_seconds', Math.max(0, now - delivery.createdAt) / 1000)
}

function countSettled(place: Place): void {
  place.write('fluxmail_deliveries_total', 1)
  place.write('fluxmail_messages_total', 1)
}

function countFailure(given: Reason, place: Place, metrics: Metrics): void {
  place.write('fluxmail_messages_failed_total', 1)
  const { relay, lane, provider } = place.labels
  const code = given.reply === undefined ? '' : codeLabel(given.reply.code)
  metrics.count('fluxmail_failures_total', { relay, lane, provider, reason: reasonLabel(given), code })
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
  // What waits does so by the thousand, for a reason that is told once where it was found.
  const level = outcome.kind === 'held' ? 'debug' : 'info'
  if (logger.isLevelEnabled?.(level) === false) return
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
  logger[level](fields, 'delivery')
}
