// One message on an open connection: how far it came, and what the relay said to it. It always settles.
// A 2yz counts only for a message that was handed over whole, a 4yz or 5yz always, and nothing else ever.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Exchange, Transmission } from '../delivery/delivery.js'
import type { Stage } from '../delivery/replies.js'
import { Body } from './body.js'
import type { Connection } from './connection.js'

export type Broken = Exchange & { readonly kind: 'broken' }
type Phase = Broken['phase']

/** A message with what stands above it on the wire. */
export interface Outgoing extends Transmission {
  /** Header lines such as its signature, each ended by CRLF. */
  readonly head?: Buffer | undefined
}

export function exchangeOn(
  connection: Connection,
  relay: RelayConfig,
  outgoing: Outgoing,
): Promise<Exchange> {
  const { from, to, bytes, head, beforeBody, eightBit = false, smtpUtf8 = false } = outgoing
  return new Promise((resolve) => {
    let phase: Phase = 'envelope'
    const settle = (exchange: Exchange) => {
      connection.off('end', onEnd)
      if (phase === 'window') connection.setSocketTimeout(relay.timeoutMs)
      // The rest of a body that was answered too early is still on its way: the connection is of no use any more.
      else if (body.begun) connection.close()
      resolve(exchange)
    }
    const openWindow = () => {
      const early = connection.unreadReply
      if (early !== '') {
        settle(outOfTurn(early, phase))
        return false
      }
      phase = 'window'
      connection.setSocketTimeout(relay.finalReplyTimeoutMs)
      return true
    }
    const body = new Body({ bytes, head, beforeBody, openWindow })
    // A connection that is closed on this side calls nobody back; an error that ends it does, right after this event.
    const onEnd = () => queueMicrotask(() => settle(hungUp(phase)))
    connection.once('end', onEnd)
    connection.saysSmtpUtf8 = smtpUtf8
    const size = bytes.length + (head?.length ?? 0)
    connection.send({ from, to: [to], size, use8BitMime: eightBit }, body, (error, info) => {
      if (body.refusal !== undefined) settle({ kind: 'stopped', answer: body.refusal })
      else settle(error ? exchangeOf(error, phase) : answered(info?.response ?? '', phase))
    })
  })
}

function answered(response: string, phase: Phase): Exchange {
  return phase === 'window' && /^2\d\d/.test(response)
    ? { kind: 'accepted', response }
    : outOfTurn(response, phase)
}

const stages = new Map<string, Stage>([
  ['MAIL FROM', 'mail'],
  ['RCPT TO', 'rcpt'],
  ['DATA', 'data'],
])

function exchangeOf(error: SMTPError, phase: Phase): Exchange {
  const { response } = error
  if (response && !isRefusal(response)) return outOfTurn(response, phase)
  const stage = phase === 'window' ? 'body' : stages.get(error.command ?? '')
  // A 421 that closes the connection is reported against the connection; it still answers the final dot.
  if (response && stage) return { kind: 'refused', stage, response }
  if (error.code === 'EMESSAGE' && phase === 'envelope')
    return { kind: 'refused', stage: 'mail', response: `552 5.3.4 ${error.message}` }
  return brokenBy(error, phase)
}

function isRefusal(response: string): boolean {
  return /^[45]\d\d/.test(response)
}

function outOfTurn(response: string, phase: Phase): Broken {
  const message = `the relay gave an answer that makes no sense here: ${response}`
  return { kind: 'broken', phase, code: 'EPROTOCOL', message }
}

export function brokenBy(error: SMTPError, phase: Phase): Broken {
  const code = typeof error.originalCode === 'string' ? error.originalCode : (error.code ?? 'ECONNECTION')
  const { response, message } = error
  return { kind: 'broken', phase, code, message, ...(response && isRefusal(response) ? { response } : {}) }
}

/** The connection was given up on this side. */
export function hungUp(phase: Phase): Broken {
  return { kind: 'broken', phase, code: 'ECONNABORTED', message: 'the connection was hung up here' }
}

/** Whether the relay was gone before it heard of the message: closed without a word, or with 421 to its MAIL FROM. */
export function isUnheard(exchange: Exchange, connection: Connection): boolean {
  if (exchange.kind === 'refused') return exchange.stage === 'mail' && exchange.response.startsWith('421')
  if (exchange.kind !== 'broken' || exchange.phase !== 'envelope') return false
  const silent = connection.lastServerResponse === false
  return silent && exchange.code !== 'ETIMEDOUT' && exchange.code !== 'ECONNABORTED'
}

/** Leaves the connection ready for the next message, or gone. */
export async function tidy(connection: Connection, exchange: Exchange): Promise<void> {
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
