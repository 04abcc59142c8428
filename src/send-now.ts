// Sending without the queue: each recipient is an exchange of its own over kept connections, judged as in a worker.
// What may have reached the relay is never repeated.

import { z } from 'zod'
import type { Clock } from './clock.js'
import { parseWith } from './config.js'
import type { Exchange, Transmission } from './delivery/delivery.js'
import { judgeExchange } from './delivery/judge.js'
import { parseReply } from './delivery/replies.js'
import type { Email, SendOptions, SendResult } from './message/email.js'
import { requireSendable } from './message/sendable.js'
import { type Ended, rejection, sendFailed } from './send-failed.js'
import type { Acquired } from './smtp/relays.js'
import { isLastingFault } from './smtp/tls-fault.js'

/** A relay to send through now, with its kept connections and its rule for trying again. */
export interface NowSender {
  readonly host: string
  readonly port: number
  readonly maxConnections: number
  /** What is configured for the relay; batches keep it, a single send waits for nothing. */
  readonly ratePerSecond?: number | undefined
  readonly clock: Clock
  readonly maxRetries: number
  readonly retryDelayMs: number
  /** Aborted when the mailer was closed. */
  readonly closing: AbortSignal
  /** Waits for a connection to the relay, until `signal` is aborted. */
  acquire(signal: AbortSignal): Promise<Acquired>
  /** Told before each wait for a further try. */
  retrying(exchange: Exchange, attempts: number, delayMs: number): void
}

/** Who decides about the tries at one recipient. */
export interface Tries {
  /** What ends it without a try, if anything does; asked before each. */
  refusal?(signal: AbortSignal): Promise<Exchange | undefined>
  /** Waits for leave to use the connection that is held; false when `signal` was aborted first. */
  permit?(signal: AbortSignal): Promise<boolean>
  /** How long to wait for the next try; undefined when there is none. */
  waitAfter(exchange: Exchange): number | undefined
  /** Called once there are no more, however it ended. */
  close?(): void
}

export interface NowOptions {
  /** Ends waiting: for a connection, for leave, for the next try. */
  readonly signal: AbortSignal
  /** Ends what is on the wire as well. */
  readonly hangUp: AbortSignal
  readonly allowPartial: boolean
  /** Made for each recipient. Default: `maxRetries` of the sender. */
  readonly tries?: () => Tries
}

const optionsSchema = z.strictObject({
  dryRun: z.boolean().optional(),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  allowPartial: z.boolean().optional(),
})

/** @throws FluxMailError `invalid_params` with a line for each option that is wrong */
export function parseSendOptions(options: unknown): SendOptions {
  const names = {
    code: 'invalid_params',
    where: 'options',
    wrong: 'the options of send() are wrong',
  } as const
  return parseWith(optionsSchema, options, names)
}

/** @throws FluxMailError `send_failed` when any recipient was not accepted, unless `allowPartial` and some were */
export async function sendNow(
  sender: NowSender,
  email: Email,
  bytes: Buffer,
  options: NowOptions,
): Promise<SendResult> {
  const { signal, allowPartial } = options
  const from = requireSendable(email.parts, 'outlook_no_send').sender.address
  const ended = await Promise.all(
    email.recipients.map(({ address }) => sendTo(sender, { from, to: address, bytes }, options)),
  )
  const accepted = ended.filter(({ exchange }) => exchange.kind === 'accepted')
  const refused = ended.filter(({ exchange }) => exchange.kind !== 'accepted')
  const result: SendResult = {
    messageId: email.messageId,
    accepted: accepted.map(({ recipient }) => recipient),
    rejected: refused.map(rejection),
    response: accepted.map(({ exchange }) => responseOf(exchange)).at(-1) ?? '',
    relay: sender.host,
    attempts: ended.reduce((most, { attempts }) => Math.max(most, attempts), 0),
  }
  if (refused.length === 0 || (allowPartial && accepted.length > 0)) return result
  throw sendFailed(sender, result, refused, signal)
}

type Letter = Pick<Transmission, 'from' | 'to' | 'bytes'>

async function sendTo(sender: NowSender, letter: Letter, options: NowOptions): Promise<Ended> {
  const { tries = () => retriesOf(sender) } = options
  const own = tries()
  try {
    return await tryUntilEnded(sender, letter, own, options)
  } finally {
    own.close?.()
  }
}

async function tryUntilEnded(
  sender: NowSender,
  letter: Letter,
  own: Tries,
  options: NowOptions,
): Promise<Ended> {
  const { signal } = options
  for (let attempts = 1; ; attempts += 1) {
    const refusal = await own.refusal?.(signal)
    if (refusal) return endedBy(refusal, letter, attempts - 1)
    const exchange = await transmit(sender, letter, own, options)
    // What was stopped had not begun.
    if (exchange.kind === 'stopped') return endedBy(exchange, letter, attempts - 1)
    const waitMs = own.waitAfter(exchange)
    if (waitMs === undefined) return endedBy(exchange, letter, attempts)
    if (!signal.aborted) {
      sender.retrying(exchange, attempts, waitMs)
      await sender.clock.sleep(waitMs, signal)
    }
    if (signal.aborted) return { ...endedBy(exchange, letter, attempts), wasGivenUp: true }
  }
}

/** The connection first and leave right before the wire, so that no leave grows old over a connection. */
async function transmit(
  sender: NowSender,
  letter: Letter,
  { permit }: Tries,
  { signal, hangUp }: NowOptions,
): Promise<Exchange> {
  const acquired = await sender.acquire(signal)
  if (acquired.kind === 'missing') throw new TypeError(`there is no route ${acquired.route}`)
  if (acquired.kind === 'refused') return acquired.exchange
  const { lease } = acquired
  if (permit && !(await permit(signal))) {
    lease.release()
    return { kind: 'stopped', answer: 'closing' }
  }
  return lease.transmit({ ...letter, signal, beforeBody: async () => 'ok' }, { abort: hangUp })
}

function endedBy(exchange: Exchange, { to }: Letter, attempts: number): Ended {
  return { recipient: to, exchange, attempts }
}

/** Tries again what is worth it, `maxRetries` times. */
export function retriesOf({ maxRetries, retryDelayMs }: NowSender): Tries {
  let left = maxRetries
  return {
    waitAfter: (exchange) => (isWorthRepeating(exchange) && left-- > 0 ? retryDelayMs : undefined),
  }
}

/** A transient reply, or a connection that was lost before the final dot or could not be had. */
function isWorthRepeating(exchange: Exchange): boolean {
  if (exchange.kind === 'stopped') return false
  const outcome = judgeExchange(exchange)
  if (outcome.kind !== 'deferred' && outcome.kind !== 'held') return false
  return !isLasting(exchange)
}

/** Whether it would be the same the next time: a 5yz, a refused login, a certificate that is not right. */
export function isLasting(exchange: Exchange): boolean {
  if (exchange.kind === 'broken' && isLastingFault(exchange.code) && exchange.response === undefined)
    return true
  return replyCodeOf(exchange) >= 500
}

export function replyCodeOf(exchange: Exchange): number {
  return parseReply(responseOf(exchange))?.code ?? 0
}

function responseOf(exchange: Exchange): string {
  return 'response' in exchange ? (exchange.response ?? '') : ''
}
