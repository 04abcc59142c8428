// nodemailer's connection, with what it leaves out: SMTPUTF8 for the sake of the header, an envelope ahead of its turn,
// and what it knows of the relay but tells nobody. The only place that knows its inner names.

import SMTPConnection, { type SMTPEnvelope, type SMTPError } from 'nodemailer/lib/smtp-connection'
import { systemClock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Asked } from '../delivery/delivery.js'
import { Ahead } from './ahead.js'
import { connectionOptions } from './connection-options.js'
import { type Envelope, toNodemailer, withSmtpUtf8 } from './envelope.js'
import { Stopwatch } from './stopwatch.js'
import type { Answered, WireEvents } from './wire-events.js'

interface Hidden {
  readonly _supportedExtensions?: readonly string[]
  readonly _supportedAuth?: readonly string[]
  readonly upgrading: boolean
  readonly _responseQueue: readonly string[]
  readonly _responsePartial: boolean
  readonly _remainder: string
  readonly _responseActions: ((reply: string) => void)[]
  readonly _maxAllowedSize: number
  _connectToHost(options: object, secure: boolean): void
  _onConnect(): void
  _onData(chunk: Buffer): void
  _onError(error: Error, type: string, reply: string, command: string): void
  _onTimeout(): void
  _sendCommand(command: string, logged?: string): void
  _upgradeConnection(done: Upgraded): void
  _processResponse(): void
  _setEnvelope(envelope: SMTPEnvelope, done: (error?: SMTPError | null) => void): void
  _actionSMTPStream(reply: string, done: Replied): void
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
  ['.', 'body'],
  ['RSET', 'mail'],
  ['QUIT', 'mail'],
])
/** Part of no message. */
const betweenMessages = new Set(['RSET', 'QUIT'])
/** nodemailer wants a message; what is sent is written by whoever sends it. */
const writtenElsewhere = 'the body'
const noEvents: WireEvents = { timed: () => undefined, replied: () => undefined }

const hidden = SMTPConnection.prototype as unknown as Hidden

type Replied = (error: SMTPError | null | undefined, reply?: string) => void
type Upgraded = (error?: Error | null, isSecure?: boolean) => void

/** Where an envelope is rehearsed. */
interface Stage {
  readonly _responseActions: unknown[]
  readonly commands: string[]
}

interface Command {
  readonly asked: Asked
  readonly isOther: boolean
}

export class Connection extends SMTPConnection {
  /** The phases of what goes on; waiting for anybody but the relay is to stop it. */
  readonly watch: Stopwatch
  readonly #events: WireEvents
  /** What has been asked for and not been answered, the oldest first. */
  readonly #unanswered: Command[] = [{ asked: 'greeting', isOther: false }]
  #isInBody = false
  #beginBody: () => void = () => undefined
  #saysSmtpUtf8 = false
  /** Commands that are to go out in one write. */
  #batch: string | undefined
  readonly #ahead = new Ahead()
  /** Whether this message's own commands went out ahead. */
  #wentAhead = false
  #stage: Stage | undefined

  constructor(relay: RelayConfig, events: WireEvents = noEvents) {
    super(connectionOptions(relay))
    this.#events = events
    this.watch = new Stopwatch(systemClock, (phase, seconds) => events.timed(phase, seconds))
  }

  /** What the relay announced in EHLO, as far as nodemailer knows it. */
  get capabilities(): readonly string[] {
    return (this as unknown as Hidden)._supportedExtensions ?? []
  }

  /** Whether it announced a login. */
  get offersLogin(): boolean {
    return ((this as unknown as Hidden)._supportedAuth ?? []).length > 0
  }

  /** Whether what is written may still leave. */
  get takesBytes(): boolean {
    const socket = this._socket
    return !this.destroyed && !!socket && socket.writable
  }

  /** Whether the envelope of the next message may go out with the end of this one (RFC 2920). */
  get pipelines(): boolean {
    return this.capabilities.includes('PIPELINING')
  }

  /** Whether an envelope went out ahead, and the relay has not said a word about it. */
  get isAheadUnheard(): boolean {
    return this.#ahead.isUnheard
  }

  /** What the relay owes an answer to. */
  get asked(): Asked {
    if (this.stage === 'init') return 'connection'
    return (this as unknown as Hidden).upgrading ? 'tls' : (this.#unanswered[0]?.asked ?? 'data')
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

  /**
   * Hands over the envelope, and has `beginBody` write the body once the relay waits for it. `done` is called once: with
   * an error, or with the reply that came after.
   */
  carry(envelope: Envelope, beginBody: () => void, done: Replied): void {
    this.#beginBody = beginBody
    this.#ahead.begin()
    this.#saysSmtpUtf8 = envelope.smtpUtf8
    super.send(toNodemailer(envelope), writtenElsewhere, (error, info) => done(error, info?.response))
    // What was said ahead and is not said now would be taken for the message after this one.
    if (this.#ahead.isOut) this.close()
    // The answers to what went out ahead may be here already.
    else if (this.#hasAwaitedReply) this._processResponse()
  }

  /**
   * Hands over the envelope of the message after this one: it goes out with this one's final dot, or right behind it
   * (RFC 2920, 3.1). Its turn comes with `carry`, once this message is done.
   */
  follow(envelope: Envelope): void {
    const now = this.#ahead.follow(this.#rehearse(envelope))
    if (now) this.write([now])
  }

  /** Takes back what is to follow; false when it has gone out. */
  unfollow(): boolean {
    return this.#ahead.unfollow()
  }

  /** The last of a body, and the envelope that is to follow it, in one write. */
  writeEnd(pieces: readonly Buffer[]): void {
    const following = this.#ahead.end()
    this.write(following ? [...pieces, following] : pieces)
  }

  write(pieces: readonly Buffer[]): void {
    const socket = this._socket
    if (!socket) return
    const [only] = pieces
    if (only && pieces.length === 1) {
      socket.write(only)
      return
    }
    socket.cork()
    for (const piece of pieces) socket.write(piece)
    socket.uncork()
  }

  setSocketTimeout(timeoutMs: number): void {
    const socket = this._socket
    if (socket) socket.setTimeout(timeoutMs)
  }

  override connect(done?: Parameters<SMTPConnection['connect']>[0]): void {
    this.watch.run('connect')
    super.connect(done)
  }

  /** With TLS from the beginning the handshake begins where the connection stands. */
  _connectToHost(options: object, secure: boolean): void {
    hidden._connectToHost.call(this, options, secure)
    const socket = this._socket
    if (secure && socket) socket.once('connect', () => this.watch.run('tls'))
  }

  _onConnect(): void {
    if (this.secure) {
      this.watch.end('tls')
      this.watch.run('connect')
    }
    hidden._onConnect.call(this)
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

  _sendCommand(command: string, logged?: string): void {
    const verb = command.split(' ', 1)[0] ?? ''
    const asked = askedBy.get(verb) ?? 'login'
    const isOther = betweenMessages.has(verb)
    this.#unanswered.push({ asked, isOther })
    if (!isOther) this.#begin(asked)
    const said = this.#saysSmtpUtf8 ? withSmtpUtf8(command) : command
    if (this.#batch === undefined) hidden._sendCommand.call(this, said, logged)
    else this.#batch += this.#batch === '' ? said : `\r\n${said}`
  }

  /** With PIPELINING the whole of it goes out in one write. */
  _setEnvelope(envelope: SMTPEnvelope, done: (error?: SMTPError | null) => void): void {
    this.#batch = ''
    hidden._setEnvelope.call(this, envelope, done)
    const batch = this.#batch
    this.#batch = undefined
    this.#wentAhead = this.#ahead.claim(batch)
    if (!this.#wentAhead && batch !== '') hidden._sendCommand.call(this, batch)
  }

  /** nodemailer would pipe the message through two streams and write the final dot by itself. */
  _createSendStream(done: Replied) {
    const { _responseActions: actions } = this as unknown as Hidden
    // A relay that said one thing too many would be a reply ahead: this is not its leave for the body.
    const said = this.lastServerResponse || ''
    if (this.#wentAhead && !said.startsWith('3')) {
      hidden._onError.call(this, new Error('Unexpected Response'), 'EPROTOCOL', said, 'DATA')
      return { outByteCount: 0, write: () => undefined, end: () => undefined }
    }
    actions.push((reply) => hidden._actionSMTPStream.call(this, reply, done))
    const write = () => this.#beginBody()
    return { outByteCount: 0, write, end: () => undefined }
  }

  /** nodemailer acts on nothing while a reply is cut short, also on what came whole before it. */
  _onData(chunk: Buffer): void {
    hidden._onData.call(this, chunk)
    if (this.#hasAwaitedReply) this._processResponse()
  }

  /** Replies that came together are acted on together; nodemailer would take a turn of the event loop for each. */
  _processResponse(): void {
    do this.#processOne()
    while (this.#hasAwaitedReply)
  }

  get #hasAwaitedReply(): boolean {
    const { _responseQueue: queue, _responsePartial: isPartial, _responseActions } = this as unknown as Hidden
    return !this.destroyed && _responseActions.length > 0 && queue.length > (isPartial ? 1 : 0)
  }

  /** A reply is taken off once it has been acted on, so that its error is still about it. */
  #processOne(): void {
    const { _responseQueue: queue, _responsePartial } = this as unknown as Hidden
    const [reply = ''] = queue
    // Of one whose end is still to come nothing is taken.
    const isReply = reply.trim() !== '' && !(_responsePartial && queue.length === 1)
    if (isReply) this.#hear(reply)
    hidden._processResponse.call(this)
    if (isReply) this.#unanswered.shift()
  }

  /** nodemailer drops what came in clear text after the relay's leave for TLS and goes on (RFC 3207, 6). */
  _upgradeConnection(done: Upgraded): void {
    const upgraded: Upgraded = (...result) => {
      if (!result[0]) this.watch.end('tls')
      done(...result)
    }
    if (this.unreadReply === '') hidden._upgradeConnection.call(this, upgraded)
    else done(new Error(`clear text came after the answer to STARTTLS: ${this.unreadReply}`))
  }

  /** The commands that nodemailer would send, without sending them; none where it would refuse the message itself. */
  #rehearse(envelope: Envelope): string {
    const { _maxAllowedSize: most } = this as unknown as Hidden
    if (!this.pipelines || (most > 0 && envelope.size > most)) return ''
    this.#stage ??= this.#buildStage()
    const { _responseActions: actions, commands } = this.#stage
    actions.length = 0
    commands.length = 0
    hidden._setEnvelope.call(this.#stage, toNodemailer(envelope), () => undefined)
    return (envelope.smtpUtf8 ? commands.map(withSmtpUtf8) : commands).join('\r\n')
  }

  /** This connection as nodemailer sees it, but for what it would send and wait for. */
  #buildStage(): Stage {
    const commands: string[] = []
    const _socket = { cork: () => undefined, uncork: () => undefined }
    const _sendCommand = (command: string) => void commands.push(command)
    const own = { _responseActions: [], _socket, _sendCommand, commands }
    return Object.assign(Object.create(this), own)
  }

  #begin(asked: Asked): void {
    if (asked === 'tls') this.watch.run('tls')
    if (asked === 'login') this.watch.run('auth')
    if (asked === 'mail') {
      this.watch.reset()
      this.watch.run('envelope')
    }
  }

  #hear(reply: string): void {
    const code = /^\d{3}/.test(reply) ? Number(reply.slice(0, 3)) : Number.NaN
    const to = this.#answeredNext
    this.#events.replied(to, code)
    const isChallenge = code >= 300 && code < 400
    const isRefused = code >= 400 && (to === 'mail' || to === 'rcpt')
    if (to === 'greeting') this.watch.end('connect')
    if (to === 'login' && !isChallenge) this.watch.end('auth')
    if (to === 'mail') this.#ahead.hear()
    if (to === 'data' || isRefused) this.watch.end('envelope')
    if (to === 'body') this.watch.end('data')
    this.#isInBody = to === 'data' && code < 400
    if (this.#isInBody) this.watch.run('data')
  }

  get #answeredNext(): Answered {
    const [next] = this.#unanswered
    if (next === undefined) return this.#isInBody ? 'body' : 'other'
    return next.isOther || next.asked === 'connection' ? 'other' : next.asked
  }
}
