// BulkSender: many emails now, over the kept connections of one FluxMail.
// It reads no further ahead than it sends, and a connection that is lost costs no message.

import { z } from 'zod'
import { type BulkBar, type BulkProgress, openBulkBar } from './bulk/bar.js'
import { Outage } from './bulk/outage.js'
import { BulkPace } from './bulk/pace.js'
import { type Numbered, Source } from './bulk/source.js'
import { type BulkResult, Tally } from './bulk/tally.js'
import type { Clock } from './clock.js'
import { parseWith } from './config.js'
import { FluxMailError, guarded, messageOf } from './errors.js'
import { FluxMail, nowSenderOf } from './fluxmail.js'
import { linkSignals } from './linked-signal.js'
import { Email, type EmailFields, type SendResult } from './message/email.js'
import { type NowSender, sendNow } from './send-now.js'

export type { BulkProgress } from './bulk/bar.js'
export type { BulkResult } from './bulk/tally.js'

/** What is sent: emails, or the fields of emails, which are then created as they are sent. */
export type BulkMessages = Iterable<EmailFields | Email> | AsyncIterable<EmailFields | Email>

export interface BulkOptions {
  /** Hears of each message that the relay accepted for all of its recipients. Awaited, for 1 s once the batch ends. */
  readonly onSuccess?: ((index: number, result: SendResult) => unknown) | undefined
  /** Hears of each message that failed, also for some of its recipients only. Awaited. */
  readonly onError?: ((index: number, error: FluxMailError) => unknown) | undefined
  /** A bar on a terminal, and nothing elsewhere; or a function to call after each message. Default: false. */
  readonly progress?: boolean | ((progress: BulkProgress) => unknown) | undefined
  /**
   * Messages that the relay is handed in a second, one for each recipient, tries that fail included. It holds for
   * all that this BulkSender sends meanwhile; of several limits the lowest does, and the `ratePerSecond` of the
   * FluxMail is one of them. Default: 0, which is no limit of its own.
   */
  readonly maxPerSecond?: number | undefined
  /** Messages read and being sent at the same time. Default: as many as the FluxMail has connections. */
  readonly concurrency?: number | undefined
  /**
   * Ends the reading. What is on the wire is finished; what waits to be fails with `details.code` `ABORTED`, and has
   * not been sent unless `details.maybeSent`.
   */
  readonly signal?: AbortSignal | undefined
  /**
   * How long a relay is waited for that is there and takes no connection (4yz, reset), or was there and cannot be
   * reached any more. Default: 10 000.
   */
  readonly maxOutageMs?: number | undefined
  /** How many failures `errors` keeps; all are counted, and `onError` hears of all. Default: 10 000. */
  readonly maxErrors?: number | undefined
}

const DEFAULT_MAX_OUTAGE_MS = 10_000
const DEFAULT_MAX_ERRORS = 10_000
const MOST_AT_ONCE = 10_000

type Callback<Name extends 'onSuccess' | 'onError' | 'progress'> = Exclude<
  BulkOptions[Name],
  boolean | undefined
>

function callback<Name extends 'onSuccess' | 'onError' | 'progress'>() {
  return z.custom<Callback<Name>>((value) => typeof value === 'function', 'must be a function')
}

const optionsSchema = z.strictObject({
  onSuccess: callback<'onSuccess'>().optional(),
  onError: callback<'onError'>().optional(),
  progress: z
    .union([z.boolean(), callback<'progress'>()], { error: 'must be true, false or a function' })
    .default(false),
  maxPerSecond: z.number().min(0).default(0),
  concurrency: z.number().int().min(1).max(MOST_AT_ONCE).optional(),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  maxOutageMs: z.number().min(0).default(DEFAULT_MAX_OUTAGE_MS),
  maxErrors: z.number().int().min(0).default(DEFAULT_MAX_ERRORS),
})

/** The pace of a FluxMail with a `ratePerSecond`: one for all BulkSenders that it has. */
const relayPaces = new WeakMap<FluxMail, BulkPace>()

function relayPaceOf(mail: FluxMail, { clock, ratePerSecond }: NowSender): readonly BulkPace[] {
  if (ratePerSecond === undefined) return []
  const standing = relayPaces.get(mail)
  if (standing) return [standing]
  const pace = new BulkPace(clock)
  pace.limit(ratePerSecond)
  relayPaces.set(mail, pace)
  return [pace]
}

interface Shared {
  readonly sender: NowSender
  readonly pace: BulkPace
  readonly outage: Outage
}

interface Sending extends Shared {
  readonly source: Source
  readonly tally: Tally
  readonly signal: AbortSignal
  readonly maxOutageMs: number
}

/** Sends many emails over the connections of `mail`, which stay its own: closing it is left to its owner. */
export class BulkSender {
  readonly #mail: FluxMail
  #shared: Shared | undefined

  /** @throws FluxMailError `invalid_params` */
  constructor(mail: FluxMail) {
    if (!guarded('invalid_params', 'mail', () => mail instanceof FluxMail))
      throw new FluxMailError('invalid_params', 'new BulkSender(mail) needs a FluxMail')
    this.#mail = mail
  }

  /**
   * Sends each message as it is read and resolves once all have been answered. A message that is not accepted for
   * all of its recipients has failed, and so has one that cannot be created; neither ends the batch.
   *
   * A connection lost before the final dot costs no message, whatever `maxRetries` is; a relay that turns connections
   * away for now (4yz, reset), or was there and cannot be reached any more, is waited for, `maxOutageMs` long. After
   * that, or where it never could be reached or refuses the login, messages fail at once, and one every five seconds
   * asks again.
   *
   * @throws FluxMailError `invalid_params`, `outlook_no_send`, `closed`. When `messages` throws (`invalid_params`) or
   * the FluxMail is closed meanwhile, `details.result` says what became of those that were read.
   */
  async sendBatch(messages: BulkMessages, options: BulkOptions = {}): Promise<BulkResult> {
    const shared = this.#share()
    const parsed = parseBulkOptions(options)
    const { closing, clock, maxConnections } = shared.sender
    if (closing.aborted) throw new FluxMailError('closed', 'this FluxMail was closed; create another one')
    const { signal: given, maxPerSecond, maxOutageMs, concurrency = maxConnections } = parsed
    using linked = linkSignals(closing, ...(given ? [given] : []))
    const { signal } = linked
    const source = guarded('invalid_params', 'messages', () => new Source(messages, signal, clock))
    using bar = parsed.progress === true ? await openBulkBar() : undefined
    const tally = createTally(parsed, { messages, bar, signal, clock })
    const sending = { ...shared, source, tally, signal, maxOutageMs }
    const ends = [shared.outage.begin(), ...(maxPerSecond > 0 ? [shared.pace.limit(maxPerSecond)] : [])]
    try {
      await Promise.all(Array.from({ length: concurrency }, () => this.#sendAll(sending)))
    } finally {
      for (const end of ends) end()
      await source.close()
    }
    return resultOf(sending, given?.aborted === true)
  }

  #share(): Shared {
    if (this.#shared) return this.#shared
    // What is repeated here is no news: the result tells what became of it.
    const sender = { ...nowSenderOf(this.#mail), retrying: () => undefined }
    const pace = new BulkPace(sender.clock)
    const paces = [pace, ...relayPaceOf(this.#mail, sender)]
    this.#shared = { sender, pace, outage: new Outage(sender, paces) }
    return this.#shared
  }

  async #sendAll(sending: Sending): Promise<void> {
    for (;;) {
      const next = await sending.source.next()
      if (next === undefined) return
      await this.#sendOne(next, sending)
    }
  }

  async #sendOne({ index, message }: Numbered, sending: Sending): Promise<void> {
    let result: SendResult
    try {
      result = await this.#send(message, sending)
    } catch (thrown) {
      await sending.tally.failed(index, asFluxMailError(thrown))
      return
    }
    await sending.tally.succeeded(index, result)
  }

  #send(message: unknown, { sender, outage, signal, maxOutageMs }: Sending): Promise<SendResult> {
    const email = guarded('invalid_params', 'the message', () =>
      message instanceof Email ? message : this.#mail.create(message as EmailFields),
    )
    const tries = () => outage.tries(maxOutageMs)
    return sendNow(sender, email, email.toMime(), {
      signal,
      hangUp: sender.closing,
      allowPartial: false,
      tries,
    })
  }
}

type ParsedOptions = z.output<typeof optionsSchema>

function parseBulkOptions(options: unknown): ParsedOptions {
  const names = {
    code: 'invalid_params',
    where: 'options',
    wrong: 'the options of sendBatch() are wrong',
  } as const
  return parseWith(optionsSchema, options, names)
}

interface Surroundings {
  readonly messages: unknown
  readonly bar: BulkBar | undefined
  readonly signal: AbortSignal
  readonly clock: Clock
}

function createTally(options: ParsedOptions, { messages, bar, signal, clock }: Surroundings): Tally {
  const { onSuccess, onError, progress, maxErrors } = options
  const onProgress = typeof progress === 'function' ? progress : undefined
  const total = lengthOf(messages)
  return new Tally({ onSuccess, onError, onProgress }, { bar, maxErrors, total, signal, clock })
}

function lengthOf(messages: unknown): number | undefined {
  if (Array.isArray(messages)) return messages.length
  return messages instanceof Set || messages instanceof Map ? messages.size : undefined
}

function resultOf({ source, tally, sender }: Sending, aborted: boolean): BulkResult {
  const result = tally.result(aborted)
  if (source.fault) {
    const cause = source.fault.thrown
    const message = `messages threw after ${source.count} of them: ${messageOf(cause)}; details.result says what became of those`
    throw new FluxMailError('invalid_params', message, { cause, details: { result } })
  }
  if (sender.closing.aborted && !source.exhausted) {
    const message = `the FluxMail was closed after ${source.count} messages; details.result says what became of them`
    throw new FluxMailError('closed', message, { details: { result } })
  }
  return result
}

function asFluxMailError(thrown: unknown): FluxMailError {
  if (thrown instanceof FluxMailError) return thrown
  return new FluxMailError('invalid_params', `the message cannot be sent: ${messageOf(thrown)}`, {
    cause: thrown,
  })
}
