// One kept SMTP connection: it is opened, logged in, and carries one message after another.
// Nothing here decides whether a message is sent again; it says how far the exchange came.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import { systemClock } from '../clock.js'
import type { RelayConfig } from '../config.js'
import type { Exchange } from '../delivery/delivery.js'
import { messageOf } from '../errors.js'
import { unlessAborted } from '../linked-signal.js'
import { within } from '../within.js'
import { type Closing, closingAfter, closingBetween } from './closing.js'
import { Connection } from './connection.js'
import { envelopeOf, exchangeOn, isWorn, type Outgoing, tidy } from './exchange.js'
import { type Broken, faultOf, hungUp, type Place } from './fault.js'
import { type LogIn, prepareLogIn } from './log-in.js'
import { explainTlsFault } from './tls-fault.js'
import { TokenError } from './token-request.js'
import type { WireEvents } from './wire-events.js'

export interface Wire {
  /** False once the connection is gone or going. */
  readonly alive: boolean
  /** Messages that were begun on it. */
  readonly messages: number
  /** Resolves at its end. */
  readonly ended: Promise<void>
  /** Why it ended: resolves at its end, once what was on it has settled. */
  readonly closed: Promise<Closing>
  /** Whether a message may be sent while another one is on the wire: then its envelope goes out with that one's end. */
  readonly pipelines: boolean
  /** Whether it has ended with an envelope that went out ahead and was not answered in time, through no doing of this side. */
  readonly lostAhead: boolean
  send(outgoing: Outgoing, options?: SendOptions): Promise<Sent>
  /** Says QUIT and hangs up. */
  quit(why: Closing): void
  /** Hangs up at once. */
  drop(): void
}

export interface SendOptions {
  /** Hangs up while the message is on the wire; the one before it is let finish. */
  readonly abort?: AbortSignal | undefined
  /** Called when the last of the message is about to go: from now on another one may be sent behind it. */
  readonly ending?: (() => void) | undefined
}

export interface Sent {
  readonly exchange: Exchange
  /** A kept connection failed before the final dot: that says nothing about the message, which a fresh one may carry. */
  readonly stale: boolean
}

/** What a relay said about itself when the connection was opened. */
export interface Greeting {
  readonly capabilities: readonly string[]
  readonly secure: boolean
}

export type OpenedWire = { readonly wire: Wire; readonly greeting: Greeting } | { readonly failure: Broken }

/** How long a message waits for the one before it on its connection, at the most. */
const BEHIND_MS = 10_000
/** How long the answer to QUIT is waited for. */
const QUIT_MS = 5_000
const beforeLogin: Place = { phase: 'connect', stage: 'login' }
const beforeMail: Place = { phase: 'envelope', stage: 'mail' }
/** Why this side ends a connection that an answer may still come over. */
const cutShort: ReadonlySet<Closing | undefined> = new Set(['cut_off', 'closing'])

/** Opens a connection and logs in, or gives up when `signal` is aborted. It never rejects. */
export async function openWire(
  relay: RelayConfig,
  signal?: AbortSignal,
  events?: WireEvents,
): Promise<OpenedWire> {
  try {
    const logIn = await unlessAborted(prepareLogIn(relay), signal)
    return logIn ? await connect(relay, logIn, signal, events) : { failure: hungUp(beforeLogin) }
  } catch (error) {
    const code = error instanceof TokenError ? error.code : 'ECONNECTION'
    return { failure: { kind: 'broken', ...beforeLogin, code, message: messageOf(error) } }
  }
}

function connect(
  relay: RelayConfig,
  logIn: LogIn,
  signal: AbortSignal | undefined,
  events: WireEvents | undefined,
): Promise<OpenedWire> {
  const connection = new Connection(relay, events)
  const ended = new Promise<void>((resolve) => connection.once('end', resolve))
  const hangUp = () => connection.close()
  signal?.addEventListener('abort', hangUp, { once: true })
  const opened = new Promise<OpenedWire>((resolve) => {
    const fail = (error: SMTPError) => {
      resolve({ failure: failureOf(error, connection, relay, logIn) })
      connection.close()
    }
    // Without a listener an error between two messages would be thrown.
    connection.on('error', fail)
    void ended.then(() => resolve({ failure: hungUp(placeOn(connection)) }))
    connection.connect((error) => {
      if (error) return fail(error)
      logIn.run(connection, (refusal) => {
        if (refusal) fail(refusal)
        else resolve(openedWire(connection, relay, ended))
      })
    })
  })
  return opened.finally(() => signal?.removeEventListener('abort', hangUp))
}

function placeOn({ asked }: Connection): Place {
  return { phase: 'connect', stage: asked }
}

/** A relay may quote the login in its refusal. */
function failureOf(error: SMTPError, connection: Connection, relay: RelayConfig, logIn: LogIn): Broken {
  const hide = (text: string) => logIn.hide(text)
  const fault = faultOf(error, placeOn(connection), relay)
  const broken = explainNoLogin(explainTlsFault(fault, relay, error), connection, relay)
  const { message, response } = broken
  if (response === undefined) return { ...broken, message: hide(message) }
  // The first three characters are the code, whatever the password is.
  const hidden = response.slice(0, 3) + hide(response.slice(3))
  return { ...broken, message: message === response ? hidden : hide(message), response: hidden }
}

/** A login that the relay never offered is refused in words that are about anything else. */
function explainNoLogin(broken: Broken, connection: Connection, relay: RelayConfig): Broken {
  const { stage, response = '' } = broken
  if (stage !== 'login' || !response.startsWith('5') || connection.offersLogin) return broken
  const option = relay.auth === undefined ? 'username' : 'auth'
  const advice = `leave ${option} out${connection.secure ? '' : ', or use TLS first (useTls or useSsl)'}`
  const message = `the relay offers no login (AUTH) here: ${advice}; it answered ${response}`
  return { ...broken, message }
}

function openedWire(connection: Connection, relay: RelayConfig, ended: Promise<void>): OpenedWire {
  const { capabilities, secure } = connection
  return { wire: new KeptWire(connection, relay, ended), greeting: { capabilities, secure } }
}

class KeptWire implements Wire {
  readonly ended: Promise<void>
  readonly closed: Promise<Closing>
  readonly #connection: Connection
  readonly #relay: RelayConfig
  #messages = 0
  #sending: Promise<unknown> | undefined
  #why: Closing | undefined

  constructor(connection: Connection, relay: RelayConfig, ended: Promise<void>) {
    this.#connection = connection
    this.#relay = relay
    this.ended = ended
    this.closed = ended.then(async () => {
      await this.#sending?.catch(() => undefined)
      return this.#why ?? closingBetween(undefined)
    })
    connection.on('error', ({ code }: SMTPError) => {
      if (this.#sending === undefined) this.#why ??= closingBetween(code)
    })
  }

  get alive(): boolean {
    const { destroyed, _socket } = this.#connection
    return !destroyed && !!_socket && _socket.writable
  }

  get messages(): number {
    return this.#messages
  }

  get pipelines(): boolean {
    return this.#connection.pipelines
  }

  get lostAhead(): boolean {
    return this.#connection.isAheadUnheard && !this.alive && !cutShort.has(this.#why)
  }

  async send(outgoing: Outgoing, options: SendOptions = {}): Promise<Sent> {
    this.#messages += 1
    const refusal = refusalHere(outgoing, this.#connection.capabilities)
    if (refusal) return { exchange: refusal, stale: false }
    if (options.abort?.aborted) return { exchange: hungUp(beforeMail), stale: false }
    const before = this.#sending
    return (
      (before && (await this.#follow(before, outgoing, options))) ?? (await this.#start(outgoing, options))
    )
  }

  /** Waits behind the message that is on the wire; undefined when its turn has come. */
  async #follow(
    before: Promise<unknown>,
    outgoing: Outgoing,
    { abort }: SendOptions,
  ): Promise<Sent | undefined> {
    this.#connection.follow(envelopeOf(outgoing))
    const patienceMs = Math.min(this.#relay.timeoutMs, BEHIND_MS)
    const isDone = await within(unlessAborted(before, abort), patienceMs, systemClock)
    const isAborted = abort?.aborted === true
    if (isDone && !isAborted && this.alive) return undefined
    // Once the relay has heard of it the connection is of no use when the message before it is done.
    if (this.alive && !this.#connection.unfollow())
      void before.then(() => this.#hangUp(isAborted ? 'cut_off' : 'fault'))
    // Not a word of it was answered.
    return { exchange: hungUp(beforeMail), stale: !isAborted }
  }

  async #start(outgoing: Outgoing, options: SendOptions): Promise<Sent> {
    const sending = this.#exchange(outgoing, options)
    this.#sending = sending
    try {
      return await sending
    } finally {
      if (this.#sending === sending) this.#sending = undefined
    }
  }

  quit(why: Closing): void {
    if (this.#connection.destroyed) return
    this.#why ??= why
    this.#connection.setSocketTimeout(Math.min(this.#relay.timeoutMs, QUIT_MS))
    this.#connection.quit()
  }

  drop(): void {
    this.#hangUp(this.#sending === undefined ? 'closing' : 'cut_off')
  }

  #hangUp(why: Closing): void {
    this.#why ??= why
    this.#connection.close()
  }

  async #exchange(outgoing: Outgoing, { abort, ending }: SendOptions): Promise<Sent> {
    // What is sent behind it makes no kept connection of a new one.
    const isKept = this.#messages > 1
    const drop = () => this.drop()
    abort?.addEventListener('abort', drop, { once: true })
    const exchange = await exchangeOn(this.#connection, this.#relay, outgoing, ending)
    abort?.removeEventListener('abort', drop)
    const stale = isKept && isWorn(exchange)
    if (exchange.kind !== 'accepted') await tidy(this.#connection, exchange)
    if (this.#connection.destroyed) this.#why ??= closingAfter(exchange)
    return { exchange, stale }
  }
}

/** What the relay cannot carry. RCPT is where it is said, so that it is about this delivery alone. */
function refusalHere(outgoing: Outgoing, capabilities: readonly string[]): Exchange | undefined {
  const { from, to, eightBit, smtpUtf8 } = outgoing
  const refused = (response: string): Exchange => ({ kind: 'refused', stage: 'rcpt', response })
  // Only what did not come through our own way in; nodemailer would call it a fault of the connection.
  if (/[\p{Cc}<>]/u.test(to)) return refused('553 5.1.3 the address cannot stand in a command')
  const lacks = (name: string) => `and this relay does not announce ${name}`
  if (!capabilities.includes('SMTPUTF8')) {
    if (/[^\p{ASCII}]/u.test(from + to))
      return refused(`553 5.6.7 the address has letters that are not ASCII ${lacks('SMTPUTF8')}`)
    if (smtpUtf8) return refused(`550 5.6.9 the header has letters that are not ASCII ${lacks('SMTPUTF8')}`)
  }
  if (eightBit && !capabilities.includes('8BITMIME'))
    return refused(`554 5.6.3 the body has bytes over 127 ${lacks('8BITMIME')}`)
  return undefined
}
