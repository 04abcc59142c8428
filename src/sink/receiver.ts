// The SMTP side of the sink: accepts connections, answers RCPT by the orders, records messages.
// It never parses a message: thousands a second arrive here.

import type { AddressInfo, Socket } from 'node:net'
import {
  SMTPServer,
  type SMTPServerDataStream,
  type SMTPServerOptions,
  type SMTPServerSession,
} from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { Clock } from '../clock.js'
import { messageOf } from '../errors.js'
import { SinkConnection } from './connection.js'
import type { Inbox } from './inbox.js'
import { anyOrders, parseOrder, refusalOf, replyDelayMs } from './orders.js'
import { loopback, type SinkLogger, type SinkOptions } from './sink-options.js'
import { Arrivals, type SlowerOrder, type StandingOrders, slowerRefusal } from './standing-orders.js'

const maxMessageBytes = 64 * 1024 * 1024
const idleTimeoutMs = 5 * 60 * 1000

type Done = (error?: Error | null, text?: string) => void

export interface ReceiverParts {
  readonly options: SinkOptions
  readonly inbox: Inbox
  readonly clock: Clock
  readonly logger: SinkLogger | undefined
}

export class Receiver extends SMTPServer {
  /** Connections opened since the start. */
  opened = 0
  /** Replies given, by code. */
  readonly replies = new Map<number, number>()
  readonly arrivals = new Arrivals()
  readonly #parts: ReceiverParts
  #orders: StandingOrders
  readonly #deferrals = new Map<string, number>()
  readonly #open = new Set<SinkConnection>()
  #stopped = false
  readonly #connectionOf = new WeakMap<SMTPServerSession, SinkConnection>()

  constructor(parts: ReceiverParts) {
    super(smtpOptions(parts.options))
    this.#parts = parts
    const { answerMs, latencyMs, slower } = parts.options
    this.#orders = { answerMs, latencyMs, slower }
    this.on('error', (error) => parts.logger?.debug({ err: error }, 'an SMTP connection of the sink failed'))
  }

  get host(): string {
    return this.#parts.options.host ?? loopback
  }

  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0
  }

  override connect(socket: Socket, socketOptions?: SMTPConnectionOptions | null): void {
    if (this.#stopped) {
      socket.destroy()
      return
    }
    this.opened += 1
    const countReply = (code: number) => this.replies.set(code, (this.replies.get(code) ?? 0) + 1)
    const { options, clock } = this.#parts
    const { witness } = options
    const answerMs = () => this.#orders.answerMs ?? 0
    const onClosed = (closed: SinkConnection) => {
      this.#open.delete(closed)
      witness?.({ kind: 'closed', connection: closed.number })
    }
    const onBody = ({ number, session, recipients }: SinkConnection) => {
      const client = session.hostNameAppearsAs || ''
      witness?.({ kind: 'begun', connection: number, client, to: [...recipients] })
    }
    const hooks = { number: this.opened, clock, answerMs, countReply, onBody, onClosed }
    const connection = new SinkConnection(this, socket, socketOptions ?? {}, hooks)
    this.#connectionOf.set(connection.session, connection)
    this.connections.add(connection)
    this.#open.add(connection)
    connection.on('error', (error) => this._onError(error))
    connection.on('connect', (data) => this._onClientConnect(data))
    connection.init()
  }

  // smtp-server starts TLS one turn after accepting; on a socket that close() took meanwhile, Node crashes.
  override _upgrade(...[socket, callback]: Parameters<SMTPServer['_upgrade']>): void {
    if (!socket.destroyed) super._upgrade(socket, callback)
  }

  override onAuth(...[login, , callback]: Parameters<SMTPServer['onAuth']>): void {
    const { auth } = this.#parts.options
    const known = auth && login.username === auth.username && login.password === auth.password
    const wrong = { message: '5.7.8 Authentication credentials invalid', responseCode: 535 }
    callback(null, known ? { user: auth.username } : wrong)
  }

  override onConnect(_session: SMTPServerSession, callback: Done): void {
    callback()
  }

  override onMailFrom(...[, session, callback]: Parameters<SMTPServer['onMailFrom']>): void {
    const connection = this.#connectionOf.get(session)
    const limit = this.#parts.options.maxMessagesPerConnection ?? Number.POSITIVE_INFINITY
    this.arrivals.offer(this.#parts.clock.monotonicMs())
    if (connection && connection.accepted < limit) {
      connection.recipients = []
      callback(this.#slowed('mail'))
    } else callback(reply(421, '4.7.0 Too many messages on this connection, closing it'))
  }

  override onRcptTo(...[recipient, session, callback]: Parameters<SMTPServer['onRcptTo']>): void {
    const { address } = recipient
    const key = address.toLowerCase()
    const deferrals = this.#deferrals.get(key) ?? 0
    const refusal = refusalOf(parseOrder(address), address, deferrals)
    if (refusal?.code === 451) this.#deferrals.set(key, deferrals + 1)
    const refused = refusal ? reply(refusal.code, refusal.text) : this.#slowed('rcpt')
    if (!refused) this.#connectionOf.get(session)?.recipients.push(address)
    callback(refused)
  }

  override onData(stream: SMTPServerDataStream, session: SMTPServerSession, callback: Done): void {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => {
      if (!stream.sizeExceeded) chunks.push(chunk)
    })
    stream.on('end', () => {
      const connection = this.#connectionOf.get(session)
      if (!connection || stream.sizeExceeded) return callback()
      const from = session.envelope.mailFrom ? session.envelope.mailFrom.address : ''
      void this.#accept(connection, from, Buffer.concat(chunks), callback)
    })
  }

  /** Holds from now on, with what was ordered before and is not named. */
  order(orders: StandingOrders): void {
    this.#orders = { ...this.#orders, ...orders }
  }

  #slowed(at: NonNullable<SlowerOrder['at']>): Error | null {
    const { slower } = this.#orders
    if (!slower || (slower.at ?? 'mail') !== at) return null
    if (this.arrivals.take(this.#parts.clock.monotonicMs(), slower)) return null
    const { code, text } = slowerRefusal(slower)
    return reply(code, text)
  }

  /** Forgets how often each address was deferred, the replies given and what came. */
  clear(): void {
    this.arrivals.clear()
    this.#deferrals.clear()
    this.replies.clear()
  }

  /** Stops listening and drops every connection, whatever it was doing. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#stopped = true
      super.close(() => resolve())
      for (const connection of this.#open) connection.drop()
    })
  }

  async #accept(connection: SinkConnection, from: string, bytes: Buffer, callback: Done): Promise<void> {
    const { inbox, options, clock, logger } = this.#parts
    const to = connection.recipients
    try {
      const { id } = await inbox.record({ connection: connection.number, from, to }, bytes)
      connection.accepted += 1
      options.witness?.({ kind: 'whole', connection: connection.number, id })
      const delayMs = replyDelayMs(to, this.#orders.latencyMs ?? 0)
      if (delayMs > 0) await connection.pause(delayMs, clock)
      if (anyOrders(to, 'lost')) connection.close()
      else {
        options.witness?.({ kind: 'answered', connection: connection.number, id })
        callback(null, `2.0.0 Ok: queued as ${id}`)
      }
    } catch (error) {
      logger?.error({ err: error }, 'the sink could not record a message')
      callback(reply(452, `4.3.1 The message could not be recorded: ${messageOf(error)}`))
    }
  }
}

function reply(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code })
}

function smtpOptions({ tls, secure, auth, smtpUtf8 }: SinkOptions): SMTPServerOptions {
  const disabledCommands = [...(tls && !secure ? [] : ['STARTTLS']), ...(auth ? [] : ['AUTH'])]
  return {
    ...tls,
    secure: secure === true,
    name: 'sink.fluxmail.localhost',
    disabledCommands,
    allowInsecureAuth: tls === undefined,
    hideENHANCEDSTATUSCODES: false,
    hideSMTPUTF8: smtpUtf8 === false,
    disableReverseLookup: true,
    size: maxMessageBytes,
    rejectOversized: true,
    socketTimeout: idleTimeoutMs,
  }
}
