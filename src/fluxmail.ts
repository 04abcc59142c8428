// FluxMail: configured once, then it creates emails and sends them now. It holds no email, so one instance
// serves any number of concurrent requests.

import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.js'
import { type Env, processEnv, type RelayConfig } from './config.js'
import { readFileLimited } from './content/read-file.js'
import { showEmail } from './content/render-email.js'
import { parseReply } from './delivery/replies.js'
import { outlookActions, smtpActions } from './email-actions.js'
import { parseEnvironment } from './environment.js'
import { FluxMailError } from './errors.js'
import {
  type FluxMailOptions,
  type FluxMailSettings,
  optionsOfEnvironment,
  parseFluxMailOptions,
} from './fluxmail-options.js'
import { connectionsOf } from './limits/connection-limit.js'
import { linkSignals } from './linked-signal.js'
import {
  Email,
  type EmailActions,
  type EmailFields,
  parseEmailFields,
  type SendOptions,
  type SendResult,
} from './message/email.js'
import { outlookRefusal } from './message/sendable.js'
import { describeFailure } from './send-failed.js'
import { type NowSender, parseSendOptions, sendNow } from './send-now.js'
import { createRelays, type Relays } from './smtp/relays.js'
import { openWire } from './smtp/wire.js'
import { reportConnection, reportRefusal, reportRetry, reportSend } from './telemetry/send-report.js'

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

/** What sends for `smtp`. */
interface Smtp {
  readonly relay: RelayConfig
  readonly relays: Relays
  readonly now: NowSender
}

/** How `mail` sends, for what sends through its connections beside it. Throws `outlook_no_send`. */
export let nowSenderOf: (mail: FluxMail) => NowSender

/** Creates emails, sends them now, and tests the connection. Keeps its connections until `close()`. */
export class FluxMail {
  readonly #settings: FluxMailSettings
  readonly #clock: Clock
  /** Undefined for Outlook. */
  readonly #smtp: Smtp | undefined
  readonly #closing = new AbortController()
  readonly #actions: EmailActions

  static {
    nowSenderOf = (mail) => mail.#requireSmtp('outlook_no_send').now
  }

  /** @throws FluxMailError `invalid_config`, `no_relay`, `invalid_email`, `outlook_no_sender` */
  constructor(options: FluxMailOptions) {
    this.#settings = parseFluxMailOptions(options)
    const { clock, relay, outlook } = this.#settings
    this.#clock = clock
    this.#smtp = relay && this.#smtpOf(relay)
    const send: EmailActions['send'] = (email, sendOptions) => this.#send(email, sendOptions)
    this.#actions = relay ? smtpActions(send) : outlookActions(send, outlook)
  }

  /**
   * Reads the `FLUXMAIL_…` variables.
   *
   * @throws FluxMailError `invalid_config`
   */
  static fromEnv(env: Env = processEnv()): FluxMail {
    return new FluxMail(optionsOfEnvironment(parseEnvironment(env)))
  }

  /**
   * Checks the fields and makes an immutable email of them. Files named by path are read now, and once.
   *
   * @throws FluxMailError `invalid_params`, `invalid_email`, `no_email`, `sender_required`, `invalid_header`,
   * `invalid_priority`, `attachment_not_found`, `attachment_too_large`, `read_error`, `outlook_no_sender`
   */
  create(fields: EmailFields): Email {
    const { limits, logger, sender, relay } = this.#settings
    try {
      const parts = parseEmailFields(fields, {
        ...(sender === undefined ? {} : { defaultSender: sender }),
        ...(relay?.domain === undefined ? {} : { domain: relay.domain }),
        forOutlook: relay === undefined,
        readFile: readFileLimited,
        now: () => this.#clock.now(),
        randomId: () => randomBytes(16).toString('hex'),
        maxAttachmentBytes: limits.maxAttachmentBytes,
      })
      return new Email(parts, this.#actions)
    } catch (error) {
      reportRefusal(logger, error)
      throw error
    }
  }

  /**
   * Creates and sends now.
   *
   * @throws FluxMailError what `create()` throws, and `not_created`, `send_failed`, `closed`, `outlook_no_send`
   */
  async send(fields: EmailFields, options: SendOptions = {}): Promise<SendResult> {
    if (fields === undefined || fields === null)
      throw new FluxMailError('not_created', 'there is nothing to send: pass the fields of an email')
    return this.create(fields).send(options)
  }

  /**
   * Connects, logs in and hangs up, without sending anything.
   *
   * @throws FluxMailError `connection_failed`, `closed`, `outlook_no_connect`
   */
  async testConnection(): Promise<ConnectionReport> {
    const { relay } = this.#requireSmtp('outlook_no_connect')
    this.#refuseIfClosed()
    const startedAt = this.#clock.monotonicMs()
    const opened = await openWire(relay, this.#closing.signal)
    const { host, port } = relay
    if ('failure' in opened) {
      const { code, response, stage, cause } = opened.failure
      const error = new FluxMailError(
        'connection_failed',
        describeFailure(relay, opened.failure, ' anything'),
        {
          cause,
          details: { relay: host, port, code, stage, reply: response && parseReply(response) },
        },
      )
      reportConnection(this.#settings.logger, error)
      throw error
    }
    opened.wire.quit('closing')
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
    return this.#smtp !== undefined
  }

  isOutlook(): boolean {
    return this.#smtp === undefined
  }

  /**
   * Hangs up: sends in progress fail, and say whether the relay may have had the message. Connections that are not in
   * use say QUIT, which keeps no process alive.
   */
  async close(): Promise<void> {
    this.#closing.abort(new FluxMailError('closed', 'this FluxMail was closed'))
    this.#smtp?.relays.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #send(email: Email, options: SendOptions): Promise<SendResult> {
    const { dryRun, allowPartial = false, signal: given } = parseSendOptions(options)
    this.#refuseIfClosed()
    if (dryRun) return dryRunOf(email, this.#smtp?.relay.host ?? '')
    const { now } = this.#requireSmtp('outlook_no_send')
    const bytes = email.toMime()
    using linked = linkSignals(...(given ? [given] : []), this.#closing.signal)
    const { signal } = linked
    return await reportSend(this.#settings.logger, now.host, () =>
      sendNow(now, email, bytes, { signal, hangUp: signal, allowPartial }),
    )
  }

  #smtpOf(relay: RelayConfig): Smtp {
    const { clock, limits, logger } = this.#settings
    const { maxRetries, retryDelayMs } = limits
    const warned = (_: string, problem: string) => logger.warn({ host: relay.host }, problem)
    const events = { opened: () => undefined, closed: () => undefined, warned }
    // Every further try is a try: it connects again, however short ago the last one failed.
    const relays = createRelays({ [RELAY]: relay }, {}, clock, events, { restMs: 0 })
    const { host, port, ratePerSecond } = relay
    const now: NowSender = {
      host,
      port,
      maxConnections: connectionsOf(relay),
      ratePerSecond,
      clock,
      maxRetries,
      retryDelayMs,
      closing: this.#closing.signal,
      acquire: (signal) => relays.acquire(undefined, signal),
      retrying: (exchange, attempts, delayMs) => reportRetry(logger, host, exchange, { attempts, delayMs }),
    }
    return { relay, relays, now }
  }

  #requireSmtp(code: 'outlook_no_send' | 'outlook_no_connect'): Smtp {
    if (this.#smtp !== undefined) return this.#smtp
    throw outlookRefusal(code)
  }

  #refuseIfClosed(): void {
    if (this.#closing.signal.aborted)
      throw new FluxMailError('closed', 'this FluxMail was closed; create another one')
  }
}

function dryRunOf(email: Email, relay: string): SendResult {
  const preview = showEmail(email.parts)
  return { messageId: email.messageId, accepted: [], rejected: [], response: '', relay, attempts: 0, preview }
}
