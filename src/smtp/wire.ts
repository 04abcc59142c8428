// One kept SMTP connection: it is opened, logged in, and carries one message after another.
// Nothing here decides whether a message is sent again; it says how far the exchange came.

import type { Socket } from 'node:net'
import SMTPConnection, { type SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Exchange, Transmission } from '../delivery/delivery.js'
import type { Stage } from '../delivery/replies.js'
import { Body } from './body.js'

export interface Wire {
  /** False once the connection is gone. */
  readonly alive: boolean
  /** Messages that were begun on it. */
  readonly messages: number
  send(transmission: Transmission): Promise<Exchange>
  /** Says QUIT and hangs up. */
  quit(): void
  /** Hangs up at once. */
  drop(): void
}

export type Broken = Exchange & { readonly kind: 'broken' }

/** What nodemailer's connection has and its types leave out. */
interface Capabilities {
  _supportedExtensions?: readonly string[]
}

/** What a relay said about itself when the connection was opened. */
export interface Greeting {
  readonly capabilities: readonly string[]
  readonly secure: boolean
}

export type OpenedWire = { readonly wire: Wire; readonly greeting: Greeting } | { readonly failure: Broken }

/** Opens a connection and logs in; `onEnd` hears of its end, once. It never rejects. */
export function openWire(relay: RelayConfig, onEnd: () => void): Promise<OpenedWire> {
  const connection = new SMTPConnection(connectionOptions(relay))
  return new Promise((resolve) => {
    let opened = false
    const fail = (error: SMTPError) => {
      if (opened) return
      opened = true
      connection.close()
      resolve({ failure: brokenBy(error, 'connect') })
    }
    const succeed = () => {
      if (opened) return
      opened = true
      const capabilities = (connection as unknown as Capabilities)._supportedExtensions ?? []
      const greeting = { capabilities, secure: connection.secure }
      connection.once('end', onEnd)
      resolve({ wire: createWire(connection, relay, capabilities.includes('SMTPUTF8')), greeting })
    }
    // Without a listener an error between two messages would be thrown.
    connection.on('error', fail)
    connection.connect((error) => {
      if (error) return fail(error)
      const { username: user, password: pass } = relay
      if (user === undefined || pass === undefined) return succeed()
      connection.login({ user, pass }, (refusal) => (refusal ? fail(refusal) : succeed()))
    })
  })
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
    // Loopback and private relays are what many people have.
    allowInternalNetworkInterfaces: true,
  }
}

function createWire(connection: SMTPConnection, relay: RelayConfig, smtpUtf8: boolean): Wire {
  let messages = 0
  return {
    get alive() {
      return !connection.destroyed
    },
    get messages() {
      return messages
    },
    async send(transmission) {
      messages += 1
      if (!smtpUtf8 && isInternational(transmission)) return noSmtpUtf8
      const exchange = await exchangeOn(connection, relay, transmission)
      await settle(connection, exchange)
      return exchange
    },
    quit() {
      if (!connection.destroyed) connection.quit()
    },
    drop: () => connection.close(),
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

function exchangeOn(
  connection: SMTPConnection,
  relay: RelayConfig,
  transmission: Transmission,
): Promise<Exchange> {
  const { from, to, bytes, beforeBody } = transmission
  return new Promise((resolve) => {
    let inWindow = false
    const onWindow = () => {
      inWindow = true
      setSocketTimeout(connection, relay.finalReplyTimeoutMs)
    }
    const body = new Body({ bytes, beforeBody, onWindow })
    connection.send({ from, to: [to], size: bytes.length }, body, (error, info) => {
      if (inWindow) setSocketTimeout(connection, relay.timeoutMs)
      // A reply in the middle of the body leaves the rest of it on its way: the connection is of no use any more.
      else if (body.begun) connection.close()
      if (body.refusal !== undefined) resolve({ kind: 'stopped', answer: body.refusal })
      else if (error) resolve(exchangeOf(error, inWindow))
      else resolve({ kind: 'accepted', response: info?.response ?? '' })
    })
  })
}

function setSocketTimeout(connection: SMTPConnection, timeoutMs: number): void {
  const socket: Socket | false | null = connection._socket
  if (socket) socket.setTimeout(timeoutMs)
}

const stages: Readonly<Record<string, Stage>> = { 'MAIL FROM': 'mail', 'RCPT TO': 'rcpt', DATA: 'data' }

function exchangeOf(error: SMTPError, inWindow: boolean): Exchange {
  const { response } = error
  const stage = inWindow ? 'body' : stages[error.command ?? '']
  // A 421 that closes the connection is reported against the connection; it still answers the final dot.
  if (response && stage) return { kind: 'refused', stage, response }
  if (error.code === 'EMESSAGE' && !inWindow)
    return { kind: 'refused', stage: 'mail', response: `552 5.3.4 ${error.message}` }
  return brokenBy(error, inWindow ? 'window' : 'envelope')
}

function brokenBy(error: SMTPError, phase: Broken['phase']): Broken {
  const code = typeof error.originalCode === 'string' ? error.originalCode : (error.code ?? 'ECONNECTION')
  const { response, message } = error
  return { kind: 'broken', phase, code, message, ...(response ? { response } : {}) }
}

/** Leaves the connection ready for the next message, or gone. */
async function settle(connection: SMTPConnection, exchange: Exchange): Promise<void> {
  if (exchange.kind === 'accepted' || connection.destroyed) return
  if (exchange.kind !== 'refused') return connection.close()
  // The transaction of a refused body is over; any other is still open at the relay.
  if (exchange.stage === 'body') return
  await new Promise<void>((resolve) => {
    connection.once('end', resolve)
    connection.reset((error) => {
      connection.off('end', resolve)
      if (error) connection.close()
      resolve()
    })
  })
}
