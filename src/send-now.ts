// Sending without the queue: each recipient is an exchange of its own over kept connections, judged as in a worker.
// What may have reached the relay is never repeated.

import { z } from 'zod'
import type { Clock } from './clock.js'
import type { Exchange } from './delivery/delivery.js'
import { judgeExchange } from './delivery/judge.js'
import type { Outcome, Reason } from './delivery/outcome.js'
import { FluxMailError, messageOf } from './errors.js'
import type { Email, RejectedRecipient, SendOptions, SendResult } from './message/email.js'

export interface NowSender {
  readonly host: string
  readonly clock: Clock
  readonly maxRetries: number
  readonly retryDelayMs: number
  /** One try at one recipient, which `signal` ends at once, also on the wire. */
  transmit(to: string, bytes: Buffer, signal: AbortSignal): Promise<Exchange>
}

const optionsSchema = z.strictObject({
  dryRun: z.boolean().optional(),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  allowPartial: z.boolean().optional(),
})

/** @throws FluxMailError `invalid_params` with a line for each option that is wrong */
export function parseSendOptions(options: unknown): SendOptions {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'options'}: ${message}`,
  )
  throw new FluxMailError('invalid_params', `the options of send() are wrong:\n  ${problems.join('\n  ')}`, {
    details: { problems },
  })
}

interface Ended {
  readonly recipient: string
  readonly outcome: Outcome
  readonly attempts: number
  readonly response: string
}

/** @throws FluxMailError `send_failed` when any recipient was not accepted, unless `allowPartial` and some were */
export async function sendNow(
  sender: NowSender,
  email: Email,
  bytes: Buffer,
  options: { signal: AbortSignal; allowPartial: boolean },
): Promise<SendResult> {
  const { signal, allowPartial } = options
  const ended = await Promise.all(
    email.recipients.map(({ address }) => sendTo(sender, address, bytes, signal)),
  )
  const accepted = ended.filter(({ outcome }) => outcome.kind === 'sent')
  const refused = ended.filter(({ outcome }) => outcome.kind !== 'sent')
  const result: SendResult = {
    messageId: email.messageId,
    accepted: accepted.map(({ recipient }) => recipient),
    rejected: refused.map(rejection),
    response: accepted.at(-1)?.response ?? '',
    relay: sender.host,
    attempts: Math.max(...ended.map(({ attempts }) => attempts)),
  }
  if (refused.length === 0 || (allowPartial && accepted.length > 0)) return result
  throw sendFailed(result, refused, signal)
}

async function sendTo(
  sender: NowSender,
  recipient: string,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<Ended> {
  for (let attempts = 1; ; attempts += 1) {
    const exchange = await sender.transmit(recipient, bytes, signal)
    const outcome = judgeExchange(exchange)
    const response = exchange.kind === 'accepted' ? exchange.response : ''
    const ended = { recipient, outcome, attempts, response }
    if (attempts > sender.maxRetries || !isWorthRepeating(outcome)) return ended
    await sender.clock.sleep(sender.retryDelayMs, signal)
    if (signal.aborted) return ended
  }
}

/** Transient, or lost before the final dot. A refused login is neither, though a worker would wait for it. */
function isWorthRepeating(outcome: Outcome): boolean {
  if (outcome.kind === 'deferred') return true
  return outcome.kind === 'held' && (outcome.reason.reply?.code ?? 0) < 500
}

function rejection({ recipient, outcome }: Ended): RejectedRecipient {
  const reason = reasonOf(outcome)
  return { recipient, reply: reason.reply?.text ?? reason.message, code: reason.reply?.code ?? 0 }
}

function reasonOf(outcome: Outcome): Reason {
  return 'reason' in outcome ? outcome.reason : { code: 'sent', message: 'sent' }
}

function sendFailed(result: SendResult, refused: readonly Ended[], signal: AbortSignal): FluxMailError {
  const [first] = refused
  const reason = first ? reasonOf(first.outcome) : undefined
  const reply = reason?.reply
  const why = reply ? [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ') : reason?.message
  const count = result.accepted.length + refused.length
  const unknown = refused.some(({ outcome }) => outcome.kind === 'unknown')
  const verb = unknown ? 'may or may not have accepted' : 'did not accept'
  const scope =
    count === 1
      ? `the relay ${result.relay} ${verb} the email`
      : `the relay ${result.relay} ${verb} it for ${refused.length} of ${count} recipients`
  const cause = signal.aborted ? signal.reason : undefined
  const aborted = cause === undefined ? '' : ` (${messageOf(cause)})`
  return new FluxMailError('send_failed', `${scope}: ${why}${aborted}`, {
    cause,
    details: {
      accepted: result.accepted,
      rejected: result.rejected,
      attempts: result.attempts,
      reply,
      maybeSent: unknown,
    },
  })
}
