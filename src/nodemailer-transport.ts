// A transport for Nodemailer: Nodemailer composes the message, the queue takes it, a worker sends it.
// Files, streams and URLs are read here, while the caller waits; what is enqueued is bytes and an envelope.

import { EventEmitter } from 'node:events'
import { systemClock } from './clock.js'
import { FluxMailError, messageOf } from './errors.js'
import { defaultMaxAttachmentBytes, MailQueue } from './mail-queue.js'
import { readKnownFields } from './message/known-fields.js'
import { createRawMessage, type RawMessage } from './message/raw-message.js'
import type { EnqueueOptions, Receipt } from './queue/enqueue.js'
import { readComposedBytes } from './transport/composed-bytes.js'
import { type ComposedMail, fieldOf, type MailData } from './transport/composed-mail.js'
import { readEnvelope } from './transport/envelope.js'
import { refuseFields } from './transport/refused-fields.js'

/** What every message is enqueued with unless its own `fluxmail` says otherwise. */
export interface FluxmailTransportOptions extends Omit<EnqueueOptions, 'idempotencyKey'> {
  /** A composed message, attachments in base64 included; default 25 MB of attachments and 1 MB beside them. */
  maxMessageBytes?: number | undefined
}

/** Beside Nodemailer's own fields: `const mail: SendMailOptions & QueuedMail = { …, fluxmail: { lane: 'bulk' } }`. */
export interface QueuedMail {
  fluxmail?: EnqueueOptions | undefined
}

/** What `sendMail` resolves with: the queue has the message. A type, since Nodemailer wants it open to other fields. */
export type QueuedMessageInfo = {
  messageId: string
  /** `from` is false for the null sender, as Nodemailer has it. */
  envelope: { from: string | false; to: string[] }
  accepted: string[]
  rejected: string[]
  pending: string[]
  response: string
  deliveries: { id: string; recipient: string }[]
  /** True when the same idempotency key had enqueued the same message before. */
  repeated: boolean
}

type SendCallback = (error: FluxMailError | null, info: QueuedMessageInfo) => void
type VerifyCallback = (error: FluxMailError | null, success: true) => void

const enqueueOptions = ['lane', 'route', 'idempotencyKey', 'idempotencyTtlSeconds', 'sendAt', 'expiresAt']
const transportOptions = ['lane', 'route', 'sendAt', 'expiresAt', 'maxMessageBytes']
const base64Growth = (4 / 3) * (78 / 76)
const defaultMaxMessageBytes = Math.ceil(defaultMaxAttachmentBytes * base64Growth) + 1024 * 1024
/** How many messages are composed at once before `isIdle()` asks the caller to wait. */
const manyAtOnce = 10

/**
 * For `nodemailer.createTransport(fluxmailTransport(queue))`. The queue is lent: `transporter.close()` leaves it open.
 *
 * @throws FluxMailError `invalid_config`
 */
export function fluxmailTransport(
  queue: MailQueue,
  defaults: FluxmailTransportOptions = {},
): FluxmailTransport {
  if (!(queue instanceof MailQueue)) {
    throw new FluxMailError('invalid_config', 'fluxmailTransport(queue) needs a MailQueue')
  }
  const rule = { path: 'fluxmailTransport', known: transportOptions, code: 'invalid_config' } as const
  const { maxMessageBytes = defaultMaxMessageBytes, ...shared } = readKnownFields(defaults, rule)
  if (typeof maxMessageBytes === 'number' && Number.isInteger(maxMessageBytes) && maxMessageBytes > 0) {
    return new FluxmailTransport(queue, shared, maxMessageBytes)
  }
  throw new FluxMailError('invalid_config', 'fluxmailTransport.maxMessageBytes: it is no whole number over 0')
}

/** Made by `fluxmailTransport()`. Any Nodemailer from 6 on can drive it. */
export class FluxmailTransport extends EventEmitter {
  readonly name = 'fluxmail'
  /** Of this transport, for Nodemailer's log. */
  readonly version = '1'
  readonly supportsAbortSignal = true
  readonly #queue: MailQueue
  readonly #defaults: EnqueueOptions
  readonly #maxMessageBytes: number
  #taking = 0

  constructor(queue: MailQueue, defaults: EnqueueOptions, maxMessageBytes: number) {
    super()
    this.#queue = queue
    this.#defaults = defaults
    this.#maxMessageBytes = maxMessageBytes
    // Who sends from an «idle» listener waits for the first one, and can listen only once Nodemailer does.
    this.on('newListener', (event) => {
      if (event === 'idle') systemClock.after(0, () => this.#tellIdle())
    })
  }

  /** Called by Nodemailer. Every error is a FluxMailError; then nothing was enqueued, except when Redis was lost. */
  send(mail: ComposedMail, callback: SendCallback): void {
    this.#taking += 1
    const settle = (error: FluxMailError | null, info?: QueuedMessageInfo) => {
      this.#taking -= 1
      // Nodemailer's types have a result also beside an error.
      callback(error, info as QueuedMessageInfo)
      this.#tellIdle()
    }
    this.#take(mail).then(
      (info) => settle(null, info),
      (thrown: unknown) => settle(toFluxMailError(thrown)),
    )
  }

  /** Resolves to true when Redis can be reached; rejects with `queue_unavailable` or `closed`. */
  verify(): Promise<true>
  verify(callback: VerifyCallback): void
  verify(callback?: VerifyCallback): Promise<true> | undefined {
    const reached = this.#queue.status().then((): true => true)
    if (callback === undefined) return reached
    const settle = (error: FluxMailError | null, success?: true) => callback(error, success as true)
    reached.then(
      () => settle(null, true),
      (thrown: unknown) => settle(toFluxMailError(thrown)),
    )
    return undefined
  }

  /** False while ten messages are being taken: «idle» then tells when there is room again. */
  isIdle(): boolean {
    return this.#taking < manyAtOnce
  }

  /** The queue stays open: close it where it was opened. */
  close(): void {
    this.emit('close')
  }

  async #take(mail: ComposedMail): Promise<QueuedMessageInfo> {
    refuseFields(mail.data)
    const options = { ...this.#defaults, ...readOwnOptions(mail.data) }
    const envelope = readEnvelope(mail)
    const signal = signalOf(mail.data)
    const bytes = await readComposedBytes(mail.message, { maxBytes: this.#maxMessageBytes, signal })
    const raw = createRawMessage({ ...envelope, bytes })
    return infoOf(raw, await this.#queue.enqueue(raw, options))
  }

  #tellIdle(): void {
    if (this.isIdle()) this.emit('idle')
  }
}

function readOwnOptions(data: MailData): EnqueueOptions {
  const given = fieldOf(data, 'fluxmail')
  return given === undefined ? {} : readKnownFields(given, { path: 'fluxmail', known: enqueueOptions })
}

function signalOf(data: MailData): AbortSignal | undefined {
  const signal = fieldOf(data, 'signal')
  return signal instanceof AbortSignal ? signal : undefined
}

function infoOf(raw: RawMessage, { messageId, deliveries, repeated }: Receipt): QueuedMessageInfo {
  const recipients = deliveries.map(({ recipient }) => recipient)
  const more = deliveries.length > 1 ? ` and ${deliveries.length - 1} more` : ''
  return {
    messageId,
    envelope: { from: raw.sender === '' ? false : raw.sender, to: recipients },
    accepted: [...recipients],
    rejected: [],
    pending: [],
    response: `queued as ${deliveries[0]?.id}${more}`,
    deliveries: deliveries.map(({ id, recipient }) => ({ id, recipient })),
    repeated,
  }
}

function toFluxMailError(thrown: unknown): FluxMailError {
  if (thrown instanceof FluxMailError) return thrown
  return new FluxMailError('invalid_params', `the message cannot be read: ${messageOf(thrown)}`, {
    cause: thrown,
  })
}
