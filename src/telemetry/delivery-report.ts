// What is said of one attempt: its metrics and its log line. No subject, no body, no address unless asked for.

import type { Attempt } from '../delivery/delivery.js'
import type { Outcome } from '../delivery/outcome.js'
import type { Logger } from './log.js'
import { maskRecipient } from './mask.js'
import type { Metrics } from './metrics.js'

export interface AttemptReport {
  readonly attempt: Attempt & { readonly outcome: Outcome }
  readonly durationMs: number
  readonly now: number
}

export function reportAttempt(
  report: AttemptReport,
  metrics: Metrics,
  logger: Logger,
  logAddresses: boolean,
): void {
  countAttempt(report, metrics)
  logAttempt(report, logger, logAddresses)
}

function countAttempt({ attempt, now }: AttemptReport, metrics: Metrics): void {
  const { delivery, outcome, relay = 'none', alreadySettled, late = false, resent = 0 } = attempt
  const { lane } = delivery
  if (alreadySettled) {
    if (outcome.kind === 'sent' && outcome.prevented)
      metrics.count('fluxmail_duplicates_prevented_total', { lane })
    return
  }
  metrics.count('fluxmail_attempts_total', { lane, outcome: outcome.kind })
  if (outcome.kind === 'deferred' || outcome.kind === 'held') return
  if (resent > 0) metrics.count('fluxmail_resent_total', { lane }, resent)
  // Whoever found it unknown has counted it among all that were settled.
  if (late) metrics.count('fluxmail_late_verdicts_total', { lane, outcome: outcome.kind })
  else metrics.count('fluxmail_messages_total', { lane, relay })
  if (outcome.kind === 'sent') metrics.count('fluxmail_messages_sent_total', { lane, relay })
  if (outcome.kind === 'failed') metrics.count('fluxmail_messages_failed_total', { lane, relay })
  metrics.observe('fluxmail_queue_seconds', { lane }, Math.max(0, now - delivery.createdAt) / 1000)
}

function logAttempt({ attempt, durationMs }: AttemptReport, logger: Logger, logAddresses: boolean): void {
  const { delivery, outcome, relay } = attempt
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
