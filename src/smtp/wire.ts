// One kept SMTP connection: it is opened, logged in, and carries one message after another.
// Nothing here decides whether a message is sent again; it says how far the exchange came.

import SMTPConnection, { type SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Exchange, Transmission } from '../delivery/delivery.js'
import { type Broken, brokenBy, exchangeOn, hungUp, isUnheard, setSocketTimeout, tidy } from './exchange.js'

export interface Wire {
  /** False once the connection is gone or going. */
  readonly alive: boolean
  /** Messages that were begun on it. */
  readonly messages: number
  /** Resolves at its end. */
  readonly ended: Promise<void>
  /** `abort` hangs up while the message is on the wire. */
  send(transmission: Transmission, abort?: AbortSignal): Promise<Sent>
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

/** What nodemailer's connection has and its types leave out. */
interface Capabilities {
  readonly _supportedExtensions?: readonly string[]
}

/** Opens a connection and logs in, or gives up when `signal` is aborted. It never rejects. */
export function openWire(relay: RelayConfig, signal?: AbortSignal): Promise<OpenedWire> {
  if (signal?.aborted) return Promise.resolve({ failure: hungUp('connect') })
  const connection = new SMTPConnection(connectionOptions(relay))
  const ended = new Promise<void>((resolve) => connection.once('end', resolve))
  const hangUp = () => connection.close()
  signal?.addEventListener('abort', hangUp, { once: true })
  const opened = new Promise<OpenedWire>((resolve) => {
    const fail = (error: SMTPError) => {
      resolve({ failure: failureOf(error, relay) })
      connection.close()
    }
    // Without a listener an error between two messages would be thrown.
    connection.on('error', fail)
    void ended.then(() => resolve({ failure: hungUp('connect') }))
    connection.connect((error) => {
      if (error) return fail(error)
      logIn(connection, relay, (refusal) => {
        if (refusal) fail(refusal)
        else resolve(openedWire(connection, relay, ended))
      })
    })
  })
  return opened.finally(() => signal?.removeEventListener('abort', hangUp))
}

function logIn(connection: SMTPConnection, relay: RelayConfig, done: (error?: SMTPError | null) => void) {
  const { username: user, password: pass } = relay
  if (user === undefined || pass === undefined) done()
  else connection.login({ user, pass }, done)
}

function connectionOptions(relay: RelayConfig) {
  return {
    host: relay.host,
    port: relay.port,
    secure: relay.useSsl,
    requireTLS: relay.useTls,
    ignoreTLS: !relay.useTls && !relay.useSsl,
    ...(relay.domain === undefined ? {} : { name: relay.domain }),
    ...(relay.tls === undefined ? {} : { tls: relay.tls }),
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

/** A relay may quote the login in its refusal. */
function failureOf(error: SMTPError, { username, password }: RelayConfig): Broken {
  const broken = brokenBy(error, 'connect')
  if (!error.response || username === undefined || password === undefined) return broken
  const secrets = [toBase64(`\0${username}\0${password}`), toBase64(password), password]
  const hide = (text: string) => secrets.reduce((left, secret) => left.replaceAll(secret, '(password)'), text)
  const { message, response } = broken
  if (response === undefined) return { ...broken, message: hide(message) }
  // The first three characters are the code, whatever the password is.
  return { ...broken, message: hide(message), response: response.slice(0, 3) + hide(response.slice(3)) }
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function openedWire(connection: SMTPConnection, relay: RelayConfig, ended: Promise<void>): OpenedWire {
  const capabilities = (connection as unknown as Capabilities)._supportedExtensions ?? []
  const greeting = { capabilities, secure: connection.secure }
  return { wire: createWire(connection, relay, ended, capabilities.includes('SMTPUTF8')), greeting }
}

function createWire(
  connection: SMTPConnection,
  relay: RelayConfig,
  ended: Promise<void>,
  smtpUtf8: boolean,
): Wire {
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
    async send(transmission, abort) {
      messages += 1
      if (!smtpUtf8 && isInternational(transmission)) return { exchange: noSmtpUtf8, stale: false }
      if (abort?.aborted) return { exchange: hungUp('envelope'), stale: false }
      connection.lastServerResponse = false
      abort?.addEventListener('abort', drop, { once: true })
      const exchange = await exchangeOn(connection, relay, transmission)
      abort?.removeEventListener('abort', drop)
      const stale = messages > 1 && isUnheard(exchange, connection)
      await tidy(connection, exchange)
      return { exchange, stale }
    },
    quit() {
      if (connection.destroyed) return
      setSocketTimeout(connection, Math.min(relay.timeoutMs, QUIT_MS))
      connection.quit()
    },
    drop,
  }
}

const noSmtpUtf8: Exchange = {
  kind: 'refused',
  stage: 'rcpt',
  response: '553 5.6.7 the address has letters that are not ASCII and this relay does not announce SMTPUTF8',
}

function isInternational({ from, to }: Transmission): boolean {
  return /[^\p{ASCII}]/u.test(from + to)
}
