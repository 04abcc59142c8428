// FluxMail: configured once, then it creates emails and sends them now. It holds no email, so one instance
// serves any number of concurrent requests.

import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { inspect } from 'node:util'
import { z } from 'zod'
import { type Clock, systemClock } from './clock.js'
import {
  type Env,
  parseConfig,
  processEnv,
  type RelayConfig,
  type RelayOptions,
  relaySchema,
} from './config.js'
import { compileContent } from './content/compile.js'
import { bundleEmail } from './content/email-content.js'
import { readFileLimited } from './content/read-file.js'
import type { Exchange, Transmission } from './delivery/delivery.js'
import { parseEnvironment, pickValues, relayValues } from './environment.js'
import { FluxMailError } from './errors.js'
import { defaultMaxAttachmentBytes } from './mail-queue.js'
import { parseMailbox } from './message/address.js'
import {
  Email,
  type EmailActions,
  type EmailFields,
  parseEmailFields,
  type SendOptions,
  type SendResult,
} from './message/email.js'
import type { AddressInput, EmailParts, Mailbox } from './message/email-parts.js'
import { previewEmail } from './message/preview.js'
import { type NowSender, parseSendOptions, sendNow } from './send-now.js'
import { createRelays, type Relays } from './smtp/relays.js'
import { openWire } from './smtp/wire.js'

/** What `objectType` may be. */
export const EmailObject = { SMTP: 'smtp' } as const

/** A relay and the domain that mail through it belongs to. */
export interface EmailInstance {
  relay: string
  domain?: string | undefined
}

export interface FluxMailOptions extends Omit<RelayOptions, 'host'> {
  /** Default `smtp`. */
  objectType?: string | undefined
  /** The relay's name, `relay:domain`, or `{ relay, domain }`. */
  host: string | EmailInstance
  /** From, unless an email names another; default: `username` if it is an address. */
  sender?: AddressInput | undefined
  /** Further tries of `send()` for what is transient; default 0. */
  maxRetries?: number | undefined
  /** Wait before each of them; default 1000. */
  retryDelayMs?: number | undefined
  /** The attachments of one email together; default 25 MB. */
  maxAttachmentBytes?: number | undefined
  clock?: Clock | undefined
}

export interface ConnectionReport {
  readonly ok: true
  readonly relay: string
  readonly port: number
  readonly latencyMs: number
  /** What the relay announced in EHLO. */
  readonly capabilities: readonly string[]
  readonly tls: boolean
}

const RELAY = 'relay'
const retriesSchema = z.object({
  maxRetries: z.number().int().min(0).default(0),
  retryDelayMs: z.number().min(0).default(1000),
  maxAttachmentBytes: z.number().int().min(1).default(defaultMaxAttachmentBytes),
})

/** Creates emails, sends them now, and tests the connection. Keeps its connections until `close()`. */
export class FluxMail {
  readonly #relay: RelayConfig
  readonly #relays: Relays
  readonly #clock: Clock
  readonly #sender: Mailbox | undefined
  readonly #limits: z.output<typeof retriesSchema>
  readonly #closing = new AbortController()
  readonly #actions: EmailActions

  /** @throws FluxMailError `invalid_config`, `no_relay`, `invalid_email` */
  constructor(options: FluxMailOptions) {
    if (typeof options !== 'object' || options === null) {
      throw new FluxMailError(
        'invalid_config',
        'new FluxMail({ host }) needs options; host names the SMTP relay',
      )
    }
    const {
      objectType = EmailObject.SMTP,
      host,
      sender,
      maxRetries,
      retryDelayMs,
      maxAttachmentBytes,
      clock,
      ...relay
    } = options
    if (typeof objectType !== 'string' || objectType.toLowerCase() !== EmailObject.SMTP) {
      throw new FluxMailError('invalid_config', `objectType must be smtp, and is ${inspect(objectType)}`)
    }
    this.#clock = clock ?? systemClock
    this.#relay = parseConfig(relaySchema, { ...relay, ...hostOf(host) }, 'the configuration of FluxMail')
    this.#limits = parseConfig(
      retriesSchema,
      { maxRetries, retryDelayMs, maxAttachmentBytes },
      'the configuration of FluxMail',
    )
    this.#sender = defaultSender(sender, this.#relay.username)
    const events = { opened: () => undefined, closed: () => undefined }
    // Every further try is a try: it connects again, however short ago the last one failed.
    this.#relays = createRelays({ [RELAY]: this.#relay }, {}, this.#clock, events, { restMs: 0 })
    // Each recipient that waits or is on the wire listens to it.
    setMaxListeners(0, this.#closing.signal)
    this.#actions = {
      send: (email, sendOptions) => this.#send(email, sendOptions),
      toMime: (email) => render(email.parts),
      display: (email) => previewEmail(email.parts),
    }
  }

  /**
   * Reads the `FLUXMAIL_…` variables.
   *
   * @throws FluxMailError `invalid_config`
   */
  static fromEnv(env: Env = processEnv()): FluxMail {
    const values = parseEnvironment(env)
    const { host } = values
    if (host === undefined)
      throw new FluxMailError('invalid_config', 'FLUXMAIL_HOST is not set; it names the SMTP relay')
    const own = ['objectType', 'sender', 'maxRetries', 'retryDelayMs', ...relayValues] as const
    return new FluxMail({ host, ...pickValues(values, own) })
  }

  /**
   * Checks the fields and makes an immutable email of them. Files named by path are read now, and once.
   *
   * @throws FluxMailError `invalid_params`, `invalid_email`, `no_email`, `sender_required`, `invalid_header`,
   * `invalid_priority`, `attachment_not_found`, `attachment_too_large`, `read_error`
   */
  create(fields: EmailFields): Email {
    const { domain } = this.#relay
    const parts = parseEmailFields(fields, {
      ...(this.#sender === undefined ? {} : { defaultSender: this.#sender }),
      ...(domain === undefined ? {} : { domain }),
      readFile: readFileLimited,
      now: () => this.#clock.now(),
      randomId: () => randomBytes(16).toString('hex'),
      maxAttachmentBytes: this.#limits.maxAttachmentBytes,
    })
    return new Email(parts, this.#actions)
  }

  /**
   * Creates and sends now.
   *
   * @throws FluxMailError what `create()` throws, and `not_created`, `send_failed`, `closed`
   */
  async send(fields: EmailFields, options: SendOptions = {}): Promise<SendResult> {
    if (fields === undefined || fields === null)
      throw new FluxMailError('not_created', 'there is nothing to send: pass the fields of an email')
    return this.create(fields).send(options)
  }

  /**
   * Connects, logs in and hangs up, without sending anything.
   *
   * @throws FluxMailError `connection_failed`, `closed`
   */
  async testConnection(): Promise<ConnectionReport> {
    this.#refuseIfClosed()
    const startedAt = this.#clock.monotonicMs()
    const opened = await openWire(this.#relay, this.#closing.signal)
    const { host, port } = this.#relay
    if ('failure' in opened) {
      const { message, code, response } = opened.failure
      throw new FluxMailError('connection_failed', `${host}:${port} ${message}`, {
        details: { relay: host, port, code, reply: response },
      })
    }
    opened.wire.quit()
    const { capabilities, secure } = opened.greeting
    return {
      ok: true,
      relay: host,
      port,
      latencyMs: Math.round(this.#clock.monotonicMs() - startedAt),
      capabilities,
      tls: secure,
    }
  }

  isSmtp(): boolean {
    return true
  }

  isOutlook(): boolean {
    return false
  }

  /** Hangs up at once: sends in progress fail, and say whether the relay may have had the message. */
  async close(): Promise<void> {
    this.#closing.abort(new FluxMailError('closed', 'this FluxMail was closed'))
    this.#relays.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #send(email: Email, options: SendOptions): Promise<SendResult> {
    const { dryRun, allowPartial = false, signal: given } = parseSendOptions(options)
    this.#refuseIfClosed()
    if (dryRun) return dryRunOf(email, this.#relay.host)
    const signal = given ? AbortSignal.any([given, this.#closing.signal]) : this.#closing.signal
    setMaxListeners(0, signal)
    const sender: NowSender = {
      host: this.#relay.host,
      clock: this.#clock,
      maxRetries: this.#limits.maxRetries,
      retryDelayMs: this.#limits.retryDelayMs,
      transmit: (to, bytes, abort) => this.#transmit(email.parts.sender.address, to, bytes, abort),
    }
    return sendNow(sender, email, render(email.parts), { signal, allowPartial })
  }

  async #transmit(from: string, to: string, bytes: Buffer, signal: AbortSignal): Promise<Exchange> {
    const acquired = await this.#relays.acquire(undefined, signal)
    if (acquired.kind === 'missing') throw new TypeError(`there is no route ${acquired.route}`)
    if (acquired.kind === 'refused') return acquired.exchange
    const transmission: Transmission = { from, to, bytes, signal, beforeBody: async () => 'ok' }
    return acquired.lease.transmit(transmission, { abort: signal })
  }

  #refuseIfClosed(): void {
    if (this.#closing.signal.aborted)
      throw new FluxMailError('closed', 'this FluxMail was closed; create another one')
  }
}

function hostOf(host: unknown): { host: unknown; domain?: unknown } {
  const { relay, domain } =
    typeof host === 'object' && host !== null ? (host as EmailInstance) : { relay: host, domain: undefined }
  if (relay === '') throw new FluxMailError('no_relay', 'host: the name of the relay is empty')
  return { host: relay, ...(domain === undefined || domain === '' ? {} : { domain }) }
}

function defaultSender(sender: AddressInput | undefined, username: string | undefined): Mailbox | undefined {
  if (sender !== undefined) return parseMailbox(sender, 'sender')
  if (username === undefined || !username.includes('@')) return undefined
  return parseMailbox(username, 'username')
}

function render(parts: EmailParts): Buffer {
  const { content, files } = bundleEmail(parts)
  const bytesOf = new Map(files.map((file) => [file.hash, file.content]))
  const compiled = compileContent(content, (hash) => bytesOf.get(hash) ?? Buffer.alloc(0))
  return compiled.render({
    to: parts.sender,
    variables: {},
    messageId: () => parts.messageId,
    date: parts.date,
  }).bytes
}

function dryRunOf(email: Email, relay: string): SendResult {
  const preview = previewEmail(email.parts)
  return { messageId: email.messageId, accepted: [], rejected: [], response: '', relay, attempts: 0, preview }
}
