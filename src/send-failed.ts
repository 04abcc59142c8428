// The error of an email that was not accepted for everybody: which relay, how far it came, and whose fault it is.

import { blameOf } from './delivery/blame.js'
import type { Asked, Exchange } from './delivery/delivery.js'
import { judgeExchange } from './delivery/judge.js'
import type { Reason, Reply } from './delivery/outcome.js'
import { FluxMailError, messageOf } from './errors.js'
import type { RejectedRecipient, SendResult } from './message/email.js'

/** The `details` of `send_failed`: `error.details as SendFailedDetails`. Of several recipients the first that failed. */
export interface SendFailedDetails extends Readonly<Record<string, unknown>> {
  readonly relay: string
  readonly port: number
  readonly accepted: readonly string[]
  readonly rejected: readonly RejectedRecipient[]
  /** The most tries at one recipient; 0 when none was begun. */
  readonly attempts: number
  /** Whether the relay may have accepted it for one of `rejected`, whose answer to the final dot did not come. */
  readonly maybeSent: boolean
  /** What the relay was asked for last; `body` is the final dot. Absent where nothing was asked. */
  readonly stage?: Asked
  /** A word for what is no plain refusal: `ECONNREFUSED`, `ETIMEDOUT`, `EPROTOCOL`, `EAUTH`, `ABORTED` and the like. */
  readonly code?: string
  readonly reply?: Reply
}

/** How the tries at one recipient ended. */
export interface Ended {
  readonly recipient: string
  readonly exchange: Exchange
  readonly attempts: number
  /** There would have been a further try. */
  readonly wasGivenUp?: true
}

/** How a connection to a relay is named that failed. */
export interface RelayName {
  readonly host: string
  readonly port: number
}

export function rejection({ recipient, exchange }: Ended): RejectedRecipient {
  const { reply, message } = reasonOf(exchange)
  return { recipient, reply: reply?.text ?? message, code: reply?.code ?? 0, about: blameOf(exchange) }
}

export function sendFailed(
  relay: RelayName,
  result: SendResult,
  refused: readonly Ended[],
  signal: AbortSignal,
): FluxMailError {
  // Where one may have arrived, that is what has to be known.
  const first = refused.find(({ exchange }) => isUnknown(exchange)) ?? refused[0]
  if (first === undefined) throw new TypeError('nobody was refused')
  const { exchange } = first
  const all = result.accepted.length + refused.length
  const share = all === 1 ? '' : ` for ${refused.length} of ${all} recipients`
  const others = result.accepted.length > 0 ? `; ${sentToOthers(result.accepted.length)}` : ''
  const ended = signal.aborted ? ` (${messageOf(signal.reason)})` : ''
  const cause = signal.aborted ? signal.reason : 'cause' in exchange ? exchange.cause : undefined
  const message = `${describeFailure(relay, exchange, all === 1 ? ' the email' : ` it${share}`, share)}${ended}${others}`
  return new FluxMailError('send_failed', message, {
    cause,
    details: detailsOf(relay, result, refused, first, signal.aborted),
  })
}

function sentToOthers(count: number): string {
  return `it was sent to the other ${count}: do not repeat it for them`
}

function detailsOf(
  { host, port }: RelayName,
  { accepted, rejected, attempts }: SendResult,
  refused: readonly Ended[],
  first: Ended,
  isAborted: boolean,
): SendFailedDetails {
  const { exchange } = first
  const { reply } = reasonOf(exchange)
  const stage = 'stage' in exchange ? exchange.stage : undefined
  const code = codeOf(first, isAborted)
  return {
    relay: host,
    port,
    accepted,
    rejected,
    attempts,
    maybeSent: refused.some((each) => isUnknown(each.exchange)),
    ...(stage === undefined ? {} : { stage }),
    ...(code === undefined ? {} : { code }),
    ...(reply === undefined ? {} : { reply }),
  }
}

function codeOf({ exchange, wasGivenUp }: Ended, isAborted: boolean): string | undefined {
  if (exchange.kind === 'stopped' || wasGivenUp) return 'ABORTED'
  if (exchange.kind !== 'broken') return undefined
  return isAborted && exchange.code === 'ECONNABORTED' ? 'ABORTED' : exchange.code
}

/** `the relay mx.example:25 could not be reached: connect ECONNREFUSED …`. `object` follows a verb that takes one. */
export function describeFailure(
  { host, port }: RelayName,
  exchange: Exchange,
  object: string,
  share = '',
): string {
  return `the relay ${host}:${port} ${phraseOf(exchange, object, share)}`
}

function phraseOf(exchange: Exchange, object: string, share: string): string {
  if (exchange.kind === 'stopped') return `was not asked${share}`
  const { message, reply } = reasonOf(exchange)
  if (isUnknown(exchange)) {
    const isNonsense = exchange.kind === 'broken' && exchange.code === 'EPROTOCOL'
    return `may or may not have accepted${object}: ${isNonsense ? exchange.message : message}`
  }
  if (exchange.kind === 'broken') return `${brokenPhrase(exchange, object, share)}: ${message}`
  const said = reply ? [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ') : message
  return `did not accept${object}: ${said}`
}

function brokenPhrase(
  { stage, response }: Exchange & { readonly kind: 'broken' },
  object: string,
  share: string,
): string {
  switch (stage) {
    case 'connection':
      return `could not be reached${share}`
    case 'greeting':
    case 'hello':
      return response === undefined ? `could not be talked to${share}` : `refused the connection${share}`
    case 'tls':
      return `could not be reached over TLS${share}`
    case 'login':
      return `could not be logged in to${share}`
    default:
      return `did not get${object}`
  }
}

function isUnknown(exchange: Exchange): boolean {
  return judgeExchange(exchange).kind === 'unknown'
}

function reasonOf(exchange: Exchange): Reason {
  const outcome = judgeExchange(exchange)
  return 'reason' in outcome ? outcome.reason : { code: 'sent', message: 'sent' }
}
