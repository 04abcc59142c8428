// One SMTP connection of the sink: smtp-server's own, with what its handlers cannot order:
// a greeting without its 100 ms pause, no 354, addresses and repeats as sent, a count of replies.
// It decides nothing by itself; the orders are in orders.ts.

import type { Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { Clock } from '../clock.js'
import { holdBack } from './hold-back.js'
import { anyOrders } from './orders.js'

const enhancedCode = /^[245]\.\d{1,3}\.\d{1,3} /

export interface ConnectionHooks {
  readonly number: number
  readonly clock: Clock
  /** How long what comes in is held back, asked for each time. */
  readonly answerMs: () => number
  readonly countReply: (code: number) => void
  readonly onBody: (connection: SinkConnection) => void
  readonly onClosed: (connection: SinkConnection) => void
}

export class SinkConnection extends SMTPConnection {
  /** From 1, in the order of connecting. */
  readonly number: number
  /** The recipients accepted in this transaction, repeats included. */
  recipients: string[] = []
  /** Messages accepted on this connection. */
  accepted = 0
  readonly #hooks: ConnectionHooks
  #topSocket: Socket

  constructor(server: SMTPServer, socket: Socket, options: SMTPConnectionOptions, hooks: ConnectionHooks) {
    super(server, socket, options)
    this.number = hooks.number
    this.#hooks = hooks
    this.#topSocket = socket
  }

  override init(): void {
    this._setListeners(() => this.connectionReady())
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    this.#hooks.countReply(code)
    const hasOwnCode = typeof data === 'string' && enhancedCode.test(data)
    super.send(code, data, hasOwnCode ? false : context)
  }

  override _createParser(): ReturnType<SMTPConnection['_createParser']> {
    // smtp-server's own constructor makes the first one, before there are hooks.
    return holdBack(
      super._createParser(),
      () => this.#hooks.answerMs(),
      () => this.#hooks.clock,
    )
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    const recipients = this.session.envelope.rcptTo.map(({ address }) => address)
    if (anyOrders(recipients, 'cut')) {
      this.close()
      callback()
    } else {
      if (recipients.length > 0) this.#hooks.onBody(this)
      super.handler_DATA(command, callback)
    }
  }

  // smtp-server shows domains in Unicode; what is recorded has to be what was on the wire.
  override _parseAddressCommand(
    name: string,
    command: Buffer | string,
  ): ReturnType<SMTPConnection['_parseAddressCommand']> {
    const parsed = super._parseAddressCommand(name, command)
    const sent = /<([^<>]*)>/.exec(command.toString())?.[1]
    return parsed && sent !== undefined ? { ...parsed, address: sent } : parsed
  }

  // Called with each socket in turn, the TLS one from the start of its handshake.
  override _armTimeout(socket: Socket = this._socket): void {
    this.#topSocket = socket
    super._armTimeout(socket)
  }

  override _onClose(): void {
    super._onClose()
    this.#hooks.onClosed(this)
  }

  /** Ends at once. Destroying the socket below a TLS one would crash Node, so it is the topmost. */
  drop(): void {
    this.#topSocket.destroy()
  }

  /** Waits, or stops waiting at once when the client goes away. */
  async pause(ms: number, clock: Clock): Promise<void> {
    const left = new AbortController()
    const leave = () => left.abort()
    this.#topSocket.once('close', leave)
    await clock.sleep(ms, left.signal)
    this.#topSocket.off('close', leave)
  }
}
