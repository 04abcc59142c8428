// One SMTP connection of the ingress: smtp-server's own, with the commands that carry an address, a login or a message
// answered here, since its own ones rewrite addresses, merge recipients and offer AUTH before TLS.

import type { Readable } from 'node:stream'
import { type Account, maySend } from './account.js'
import { ConnectionLifetime } from './connection-lifetime.js'
import type { Credentials } from './logins.js'
import { parseMailFrom, parseRcptTo } from './path-command.js'
import { noRoom, receiveBytes, tooLarge } from './receive.js'
import { Refusal } from './refusal.js'

const MAX_FAILED_LOGINS = 3
/** Addresses that were refused since the last message that was taken. */
const MAX_REFUSALS = 100
const extensions = ['PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8'] as const

export class IngressConnection extends ConnectionLifetime {
  #failedLogins = 0
  #refusals = 0
  #wasTurnedAway = false

  get #account(): Account | undefined {
    return this.session.user ? (this.session.user as Account) : undefined
  }

  /** Whether a login has to wait for TLS. */
  get #needsTls(): boolean {
    return !this.secure && this.startTls
  }

  override send(...[code, data, context]: Parameters<ConnectionLifetime['send']>): void {
    if (code === 530) super.send(code, this.#loginFirst())
    else super.send(code, data, context)
    if (code === 530 || code === 538) this.#tellTurnedAway()
  }

  override handler_EHLO(command: Buffer, callback: () => void): void {
    const [, name] = /^EHLO +([!-~\u0080-\uffff]{1,300}) *$/i.exec(command.toString()) ?? []
    if (name === undefined) {
      this.send(501, 'Syntax: EHLO client.example.com', false)
    } else {
      this.hostNameAppearsAs = name
      this._resetSession()
      this.send(250, [this.name, ...this.#features()], false)
    }
    callback()
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    if (this.#needsTls)
      this.#refuse(new Refusal(538, '5.7.11 Encryption required: STARTTLS comes first'), callback)
    else if (this.session.envelope.mailFrom)
      this.#refuse(new Refusal(503, '5.5.1 AUTH cannot come after MAIL'), callback)
    else super.handler_AUTH(command, callback)
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    this.#answer(callback, () => {
      const { envelope } = this.session
      if (envelope.mailFrom) throw new Refusal(503, '5.5.1 MAIL was given already')
      const sender = parseMailFrom(command)
      this.#checkSender(sender.address)
      this.#checkSize(sender.declaredBytes)
      envelope.smtpUtf8 = sender.smtpUtf8
      envelope.mailFrom = { address: sender.address, args: false }
      return '2.1.0 Sender ok'
    })
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    this.#answer(callback, () => {
      const { mailFrom, rcptTo, smtpUtf8 } = this.session.envelope
      if (!mailFrom) throw new Refusal(503, '5.5.1 MAIL comes first')
      const { address } = parseRcptTo(command, smtpUtf8 === true)
      if (this._rcptIndex.has(address)) return '2.1.5 Recipient ok, once'
      const { maxRecipients } = this.desk.settings
      if (rcptTo.length >= maxRecipients) {
        throw new Refusal(
          452,
          `4.5.3 No more than ${maxRecipients} recipients; send the rest after this message`,
        )
      }
      this._rcptIndex.set(address, rcptTo.length)
      rcptTo.push({ address, args: false })
      return '2.1.5 Recipient ok'
    })
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    const { envelope } = this.session
    if (!/^DATA *$/i.test(command.toString())) {
      this.#refuse(new Refusal(501, '5.5.4 DATA takes no parameter'), callback)
    } else if (!envelope.mailFrom || envelope.rcptTo.length === 0) {
      this.#refuse(new Refusal(503, `5.5.1 ${envelope.mailFrom ? 'RCPT' : 'MAIL'} comes first`), callback)
    } else if (this.desk.room.free <= 0) {
      this.#refuse(noRoom(), callback)
    } else {
      this.messageBegins()
      super.handler_DATA(command, callback)
    }
  }

  /** Receives the message behind a 354, and resolves with the text of the 250. Rejects with what refuses it. */
  async take(stream: Readable): Promise<string> {
    const { room, settings } = this.desk
    const lease = room.lease()
    try {
      const bytes = await this.#receive(() => receiveBytes(stream, settings.maxMessageBytes, lease))
      const text = await this.desk.accept({ ...this.#envelope(), bytes })
      this.#refusals = 0
      return text
    } finally {
      lease.release()
    }
  }

  /** Resolves with the account. Rejects with a Refusal, and after the third with one that closes. */
  async login(credentials: Credentials): Promise<Account> {
    try {
      const account = await this.desk.login(credentials, this.remoteAddress, this.gone)
      this.loggedIn()
      return account
    } catch (error) {
      this.#failedLogins += 1
      if (this.#failedLogins < MAX_FAILED_LOGINS) throw error
      throw new Refusal(421, '4.7.0 Too many failed logins, closing the connection', { cause: error })
    }
  }

  /** smtp-server knows one text for all connections of a port, in the clear or not. */
  #loginFirst(): string {
    return `5.7.0 Authentication required; ${this.#needsTls ? 'STARTTLS comes before AUTH' : 'log in first'}`
  }

  /** Once for each connection, however many commands it repeats. */
  #tellTurnedAway(): void {
    if (this.#wasTurnedAway) return
    this.#wasTurnedAway = true
    const reason = this.#needsTls ? 'no_tls' : 'no_login'
    this.desk.turnedAway.tell(reason, { remote: this.remoteAddress })
  }

  #features(): string[] {
    const { accounts, maxMessageBytes } = this.desk.settings
    const mayLogIn = accounts && !this.#needsTls && !this.#account
    return [
      ...extensions,
      `SIZE ${maxMessageBytes}`,
      ...(this.#needsTls ? ['STARTTLS'] : []),
      ...(mayLogIn ? ['AUTH PLAIN LOGIN'] : []),
    ]
  }

  #checkSender(address: string): void {
    const account = this.#account
    if (account === undefined || maySend(account, address)) return
    const what = address === '' ? 'an empty sender' : `${address} as sender`
    throw new Refusal(550, `5.7.1 This login may not use ${what}`)
  }

  #checkSize(declaredBytes: number): void {
    const { room, settings } = this.desk
    const { maxMessageBytes } = settings
    if (declaredBytes > maxMessageBytes) throw new Refusal(552, `5.3.4 ${tooLarge(maxMessageBytes)}`)
    if (declaredBytes > room.free) throw noRoom()
  }

  async #receive(read: () => Promise<Buffer>): Promise<Buffer> {
    try {
      return await read()
    } catch (error) {
      this.desk.refused(error)
      throw error
    } finally {
      this.messageEnds()
    }
  }

  #envelope() {
    const { mailFrom, rcptTo, smtpUtf8 } = this.session.envelope
    return {
      account: this.#account,
      sender: mailFrom ? mailFrom.address : '',
      recipients: rcptTo.map(({ address }) => address),
      from: {
        helloName: this.hostNameAppearsAs || '',
        remoteAddress: this.remoteAddress,
        extended: this.openingCommand === 'EHLO',
        smtpUtf8: smtpUtf8 === true,
        secure: this.secure,
        authenticated: this.#account !== undefined,
      },
    }
  }

  #answer(callback: () => void, work: () => string): void {
    try {
      this.send(250, work())
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.desk.commandRefused(error, this.remoteAddress)
      this.#refusals += 1
      if (this.#refusals >= MAX_REFUSALS) this.send(421, '4.7.0 Too many refused commands')
      else this.send(error.responseCode, error.message)
    }
    callback()
  }

  #refuse({ responseCode, message }: Refusal, callback: () => void): void {
    this.send(responseCode, message)
    callback()
  }
}
