// How long a connection lives: from its greeting to its time limits, to draining, to its end.
// It knows smtp-server's traps, so that ending one at any moment neither hangs nor crashes.

import type { Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { errorFields } from '../telemetry/log.js'
import type { Desk } from './desk.js'

export interface ConnectionParts {
  readonly desk: Desk
  /** Whether STARTTLS is offered. */
  readonly startTls: boolean
  readonly onClosed: () => void
}

const enhancedCode = /^[245]\.\d{1,3}\.\d{1,3} /

export class ConnectionLifetime extends SMTPConnection {
  readonly desk: Desk
  readonly startTls: boolean
  readonly #onClosed: () => void
  readonly #gone = new AbortController()
  #topSocket: Socket
  #draining = false
  #lastError: Error | undefined
  #admitted = false
  #endLogin: () => void = () => undefined
  #endMessage: () => void = () => undefined

  constructor(server: SMTPServer, socket: Socket, options: SMTPConnectionOptions, parts: ConnectionParts) {
    super(server, socket, options)
    this.desk = parts.desk
    this.startTls = parts.startTls
    this.#onClosed = parts.onClosed
    this.#topSocket = socket
  }

  /** Aborted when the client is gone. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Waiting for a command, with nothing under way. */
  get #isIdle(): boolean {
    return !this._handlerPending && !this._dataStream && !this._closing
  }

  // Without its pause of 100 ms, which is meant for strangers.
  override init(): void {
    const { accounts, loginTimeoutMs } = this.desk.settings
    const late = '4.7.0 No login came in time, closing the connection'
    if (accounts) this.#endLogin = this.desk.clock.after(loginTimeoutMs, () => this.send(421, late))
    this._setListeners(() => this.connectionReady())
  }

  /** Whether there is room for this connection. */
  admit(): boolean {
    this.#admitted = this.desk.enter()
    return this.#admitted
  }

  loggedIn(): void {
    this.#endLogin()
  }

  messageBegins(): void {
    const { clock, settings } = this.desk
    const late = '4.4.2 The message took too long, closing the connection'
    this.#endMessage = clock.after(settings.messageTimeoutMs, () => this.send(421, late))
  }

  messageEnds(): void {
    this.#endMessage()
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const hasOwnCode = typeof data === 'string' && enhancedCode.test(data)
    super.send(code, data, hasOwnCode ? false : context)
    if (this.#draining && this.#isIdle && code !== 421) this.#sayGoodbye()
  }

  // Called with each socket in turn, the TLS one from the start of its handshake.
  override _armTimeout(socket: Socket = this._socket): void {
    this.#topSocket = socket
    super._armTimeout(socket)
  }

  // During a handshake smtp-server would close the socket below the TLS one, which has to go first.
  override close(): void {
    if (this._upgrading) this.drop()
    else super.close()
  }

  override _onError(error: Error): void {
    this.#lastError = error
    super._onError(error)
  }

  override _onClose(): void {
    if (!this.#gone.signal.aborted) this.#tellHandshake()
    this.#gone.abort()
    this.#endLogin()
    this.#endMessage()
    super._onClose()
    if (this.#admitted) this.desk.leave()
    this.#admitted = false
    this.#onClosed()
  }

  /** Says 421 now, or after what is under way. */
  drain(): void {
    this.#draining = true
    if (this._upgrading) this.drop()
    else if (this.#isIdle) this.#sayGoodbye()
  }

  /** Ends at once. */
  drop(): void {
    this.#topSocket.destroy()
  }

  // A client that does not like the certificate breaks off, or some say so by leaving right after the handshake.
  #tellHandshake(): void {
    const isSilent = this.secure && !this.hostNameAppearsAs && !this._closing && this.#admitted
    if (this.#draining || !(this._upgrading || isSilent)) return
    const why = this.#lastError === undefined ? {} : errorFields(this.#lastError)
    this.desk.turnedAway.tell('handshake', { remote: this.remoteAddress, ...why })
  }

  #sayGoodbye(): void {
    super.send(421, '4.3.2 Shutting down; try again later', false)
  }
}
