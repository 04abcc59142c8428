// One kept SMTP connection: it is opened, logged in, and carries one message after another.
// Nothing here decides whether a message is sent again; it says how far the exchange came.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Exchange } from '../delivery/delivery.js'
import { messageOf } from '../errors.js'
import { Connection } from './connection.js'
import { type Broken, brokenBy, exchangeOn, hungUp, isUnheard, type Outgoing, tidy } from './exchange.js'
import { type LogIn, prepareLogIn } from './log-in.js'
import { explainTlsFault } from './tls-fault.js'
import { TokenError } from './token-request.js'

export interface Wire {
  /** False once the connection is gone or going. */
  readonly alive: boolean
  /** Messages that were begun on it. */
  readonly messages: number
  /** Resolves at its end. */
  readonly ended: Promise<void>
  /** `abort` hangs up while the message is on the wire. */
  send(outgoing: Outgoing, abort?: AbortSignal): Promise<Sent>
  /** Says QUIT and hangs up. */
  quit(): void
  /** Hangs up at once. */
  drop(): void
}

export interface Sent {
  readonly exchange: Exchange
  /** A kept connection turned out to be gone: that says nothing about the message, and nothing of it was sent. */
  readonly stale: boolean
}

/** What a relay said about itself when the connection was opened. */
export interface Greeting {
  readonly capabilities: readonly string[]
  readonly secure: boolean
}

export type OpenedWire = { readonly wire: Wire; readonly greeting: Greeting } | { readonly failure: Broken }

/** How long the answer to QUIT is waited for. */
const QUIT_MS = 5_000

/** Opens a connection and logs in, or gives up when `signal` is aborted. It never rejects. */
export async function openWire(relay: RelayConfig, signal?: AbortSignal): Promise<OpenedWire> {
  try {
    const logIn = await unlessAborted(prepareLogIn(relay), signal)
    return logIn ? await connect(relay, logIn, signal) : { failure: hungUp('connect') }
  } catch (error) {
    const code = error instanceof TokenError ? error.code : 'ECONNECTION'
    return { failure: { kind: 'broken', phase: 'connect', code, message: messageOf(error) } }
  }
}

/** Undefined once `signal` is aborted. */
function unlessAborted<T>(work: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const leave = () => resolve(undefined)
    if (signal?.aborted) leave()
    signal?.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal?.removeEventListener('abort', leave))
  })
}

function connect(relay: RelayConfig, logIn: LogIn, signal?: AbortSignal): Promise<OpenedWire> {
  const connection = new Connection(relay)
  const ended = new Promise<void>((resolve) => connection.once('end', resolve))
  const hangUp = () => connection.close()
  signal?.addEventListener('abort', hangUp, { once: true })
  const opened = new Promise<OpenedWire>((resolve) => {
    const fail = (error: SMTPError) => {
      resolve({ failure: failureOf(error, relay, logIn) })
      connection.close()
    }
    // Without a listener an error between two messages would be thrown.
    connection.on('error', fail)
    void ended.then(() => resolve({ failure: hungUp('connect') }))
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

/** A relay may quote the login in its refusal. */
function failureOf(error: SMTPError, relay: RelayConfig, logIn: LogIn): Broken {
  const hide = (text: string) => logIn.hide(text)
  const broken = explainTlsFault(brokenBy(error, 'connect'), relay, error)
  const { message, response } = broken
  if (response === undefined) return { ...broken, message: hide(message) }
  // The first three characters are the code, whatever the password is.
  return { ...broken, message: hide(message), response: response.slice(0, 3) + hide(response.slice(3)) }
}

function openedWire(connection: Connection, relay: RelayConfig, ended: Promise<void>): OpenedWire {
  const { capabilities, secure } = connection
  return { wire: createWire(connection, relay, ended), greeting: { capabilities, secure } }
}

function createWire(connection: Connection, relay: RelayConfig, ended: Promise<void>): Wire {
  let messages = 0
  const drop = () => connection.close()
  return {
    ended,
    get alive() {
      return !connection.destroyed && !!connection._socket && connection._socket.writable
    },
    get messages() {
      return messages
    },
    async send(outgoing, abort) {
      messages += 1
      const refusal = refusalHere(outgoing, connection.capabilities)
      if (refusal) return { exchange: refusal, stale: false }
      if (abort?.aborted) return { exchange: hungUp('envelope'), stale: false }
      connection.lastServerResponse = false
      abort?.addEventListener('abort', drop, { once: true })
      const exchange = await exchangeOn(connection, relay, outgoing)
      abort?.removeEventListener('abort', drop)
      const stale = messages > 1 && isUnheard(exchange, connection)
      await tidy(connection, exchange)
      return { exchange, stale }
    },
    quit() {
      if (connection.destroyed) return
      connection.setSocketTimeout(Math.min(relay.timeoutMs, QUIT_MS))
      connection.quit()
    },
    drop,
  }
}

/** What the relay cannot carry. RCPT is where it is said, so that it is about this delivery alone. */
function refusalHere(outgoing: Outgoing, capabilities: readonly string[]): Exchange | undefined {
  const { from, to, eightBit, smtpUtf8 } = outgoing
  const refused = (response: string): Exchange => ({ kind: 'refused', stage: 'rcpt', response })
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
