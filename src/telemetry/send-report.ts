// What a FluxMail says of what it sends: retries, refusals and faults of the connection as warnings.
// No address, subject or body stands above `debug`, so what a relay replied is told by its code alone.

import type { Exchange } from '../delivery/delivery.js'
import { judgeExchange } from '../delivery/judge.js'
import { FluxMailError } from '../errors.js'
import type { RejectedRecipient, SendResult } from '../message/email.js'
import type { SendFailedDetails } from '../send-failed.js'
import { errorFields, type Logger } from './log.js'

/** The logger, of which nothing comes back: a log that fails must not look like an email that failed. */
export function quietLogger(logger: Logger): Logger {
  const quiet = (level: Exclude<keyof Logger, 'isLevelEnabled'>) => (fields: object, message: string) => {
    try {
      logger[level](fields, message)
    } catch {
      // There is nowhere left to say so.
    }
  }
  return { debug: quiet('debug'), info: quiet('info'), warn: quiet('warn'), error: quiet('error') }
}

/** Sends, and says how it ended. */
export async function reportSend(
  logger: Logger,
  relay: string,
  send: () => Promise<SendResult>,
): Promise<SendResult> {
  try {
    const result = await send()
    reportResult(logger, result)
    return result
  } catch (error) {
    reportFailure(logger, relay, error)
    throw error
  }
}

function reportResult(logger: Logger, result: SendResult): void {
  const { relay, attempts, accepted, rejected, messageId, response } = result
  const counts = { relay, attempts, accepted: accepted.length, rejected: rejected.length }
  logger.debug({ messageId, accepted, rejected, response }, 'what the relay said')
  if (rejected.length === 0) logger.info(counts, 'email sent')
  else logger.warn({ ...counts, replies: countReplies(rejected) }, 'email refused for some recipients')
}

function reportFailure(logger: Logger, relay: string, error: unknown): void {
  if (!(error instanceof FluxMailError) || error.code !== 'send_failed') {
    reportRefusal(logger, error)
    return
  }
  const { accepted, rejected, attempts, reply, maybeSent, ...details } = error.details as SendFailedDetails
  const fields = {
    relay,
    code: error.code,
    accepted: accepted.length,
    rejected: rejected.length,
    attempts,
    maybeSent,
    // Words may quote what the relay or who aborted it said, so only the code is told of what is no reply.
    ...(reply === undefined
      ? { reason: details.code, stage: details.stage }
      : { reply: [reply.code, reply.enhanced].filter(Boolean).join(' '), replies: countReplies(rejected) }),
  }
  logger.debug({ accepted, rejected, error: error.message }, 'what the relay said')
  logger.warn(fields, 'email not sent')
}

function countReplies(rejected: readonly RejectedRecipient[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { code } of rejected) {
    const word = code === 0 ? 'none' : String(code)
    counts[word] = (counts[word] ?? 0) + 1
  }
  return counts
}

/** A further try of one recipient is about to be waited for. */
export function reportRetry(
  logger: Logger,
  relay: string,
  exchange: Exchange,
  { attempts, delayMs }: { attempts: number; delayMs: number },
): void {
  const outcome = judgeExchange(exchange)
  const { code, reply, message } =
    'reason' in outcome ? outcome.reason : { code: outcome.kind, reply: undefined, message: '' }
  logger.debug({ relay, reason: message }, 'what the relay said')
  logger.warn({ relay, reason: reply?.code ?? code, attempts, delayMs }, 'trying again')
}

/** The connection could not be tested. */
export function reportConnection(logger: Logger, error: unknown): void {
  if (!(error instanceof FluxMailError) || error.code !== 'connection_failed') return
  const { relay, port, code } = error.details
  logger.debug({ error: error.message }, 'what the relay said')
  logger.warn({ relay, port, reason: code }, 'connection failed')
}

/** What the caller gave was refused, which the caller is told by the error. */
export function reportRefusal(logger: Logger, error: unknown): void {
  const field = error instanceof FluxMailError ? error.details.field : undefined
  logger.debug({ ...errorFields(error), field }, 'refused')
}
