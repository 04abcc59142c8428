// nodemailer's connection, with what it leaves out: SMTPUTF8 for the sake of the header, and what it knows of the
// relay but tells nobody. The only place that knows its inner names.

import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { systemClock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Asked } from '../delivery/delivery.js'

interface Hidden {
  readonly _supportedExtensions?: readonly string[]
  readonly _supportedAuth?: readonly string[]
  readonly upgrading: boolean
  readonly _responseQueue: readonly string[]
  readonly _remainder: string
  _onTimeout(): void
  _sendCommand(command: string, logged?: string): void
  _upgradeConnection(done: (error?: Error) => void): void
  _processResponse(): void
}

/** Long enough for what waits at the socket to be read. */
const READ_FIRST_MS = 10
/** What a command asks for. What is none of them answers a challenge of the login. */
const askedBy = new Map<string, Asked>([
  ['EHLO', 'hello'],
  ['HELO', 'hello'],
  ['STARTTLS', 'tls'],
  ['MAIL', 'mail'],
  ['RCPT', 'rcpt'],
  ['DATA', 'data'],
  ['RSET', 'mail'],
  ['QUIT', 'mail'],
])

const hidden = SMTPConnection.prototype as unknown as Hidden

export class Connection extends SMTPConnection {
  /** Says SMTPUTF8 in MAIL FROM also when both addresses are ASCII. */
  saysSmtpUtf8 = false
  /** What has been asked for and not been answered, the oldest first. */
  readonly #unanswered: Asked[] = ['greeting']

  constructor(relay: RelayConfig) {
    super(connectionOptions(relay))
  }

  /** What the relay announced in EHLO, as far as nodemailer knows it. */
  get capabilities(): readonly string[] {
    return (this as unknown as Hidden)._supportedExtensions ?? []
  }

  /** Whether it announced a login. */
  get offersLogin(): boolean {
    return ((this as unknown as Hidden)._supportedAuth ?? []).length > 0
  }

  /** What the relay owes an answer to. */
  get asked(): Asked {
    if (this.stage === 'init') return 'connection'
    return (this as unknown as Hidden).upgrading ? 'tls' : (this.#unanswered[0] ?? 'data')
  }

  /** What the relay said although it was not its turn. */
  get unreadReply(): string {
    const { _responseQueue, _remainder } = this as unknown as Hidden
    return [..._responseQueue, _remainder].join(' ').trim()
  }

  /** Resolves when nothing that was written waits in this process any more; false when it will never leave it. */
  async flushed(): Promise<boolean> {
    const socket = this._socket
    if (!socket || socket.destroyed) return false
    if (socket.writableLength === 0) return true
    return new Promise((resolve) => {
      socket.write('', (error) => resolve(!error))
    })
  }

  setSocketTimeout(timeoutMs: number): void {
    const socket = this._socket
    if (socket) socket.setTimeout(timeoutMs)
  }

  /** A process that stood still finds its timers over before it has read the reply that came meanwhile. */
  _onTimeout(): void {
    const socket = this._socket
    if (!socket) return
    const { bytesRead } = socket
    systemClock.after(READ_FIRST_MS, () => {
      if (!this.destroyed && socket.bytesRead === bytesRead) hidden._onTimeout.call(this)
    })
  }

  /** Says QUIT; waiting for its answer keeps no process alive. */
  override quit(): void {
    super.quit()
    const socket = this._socket
    if (socket) socket.unref()
  }

  /** nodemailer looks at the addresses alone. */
  _sendCommand(command: string, logged?: string): void {
    const adds = this.saysSmtpUtf8 && command.startsWith('MAIL FROM:') && !command.includes('> SMTPUTF8')
    this.#unanswered.push(askedBy.get(command.split(' ', 1)[0] ?? '') ?? 'login')
    hidden._sendCommand.call(this, adds ? command.replace('>', '> SMTPUTF8') : command, logged)
  }

  /** A reply is taken off once it has been acted on, so that its error is still about it. */
  _processResponse(): void {
    const isReply = ((this as unknown as Hidden)._responseQueue[0] ?? '').trim() !== ''
    hidden._processResponse.call(this)
    if (isReply) this.#unanswered.shift()
  }

  /** nodemailer drops what came in clear text after the relay's leave for TLS and goes on (RFC 3207, 6). */
  _upgradeConnection(done: (error?: Error) => void): void {
    if (this.unreadReply === '') hidden._upgradeConnection.call(this, done)
    else done(new Error(`clear text came after the answer to STARTTLS: ${this.unreadReply}`))
  }
}

function connectionOptions(relay: RelayConfig) {
  return {
    host: relay.host,
    port: relay.port,
    secure: relay.useSsl,
    requireTLS: relay.useTls,
    ignoreTLS: !relay.useTls && !relay.useSsl,
    ...(relay.domain === undefined ? {} : { name: relay.domain }),
    // Said outright, or NODE_TLS_REJECT_UNAUTHORIZED would turn the check off for what never asked for it.
    tls: { ...relay.tls, rejectUnauthorized: relay.tls?.rejectUnauthorized !== false },
    connectionTimeout: relay.timeoutMs,
    greetingTimeout: relay.timeoutMs,
    dnsTimeout: relay.timeoutMs,
    socketTimeout: relay.timeoutMs,
    // What is hung up here must not trickle out of the socket's buffer afterwards.
    socketCloseTimeout: 0,
    // Loopback and private relays are what many people have.
    allowInternalNetworkInterfaces: true,
  }
}
