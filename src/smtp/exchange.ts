// One message on an open connection: how far it came, and what the relay said to it. It always settles.
// A 2yz counts only for a message that was handed over whole, a 4yz or 5yz always, and nothing else ever.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Asked, Exchange, Transmission } from '../delivery/delivery.js'
import type { Stage } from '../delivery/replies.js'
import { Body } from './body.js'
import type { Connection } from './connection.js'
import { type Broken, faultOf, hungUp, isRefusal, outOfTurn, type Place } from './fault.js'

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
    let phase: Broken['phase'] = 'envelope'
    const place = (): Place => ({ phase, stage: phase === 'window' ? 'body' : connection.asked })
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
        settle(outOfTurn(early, place()))
        return false
      }
      phase = 'window'
      connection.setSocketTimeout(relay.finalReplyTimeoutMs)
      return true
    }
    // It is asked of others than the relay, which waits meanwhile.
    const leave = async () => {
      connection.watch.stop()
      const answer = await beforeBody()
      connection.watch.run('data')
      return answer
    }
    const body = new Body({
      ...{ bytes, head, openWindow },
      flushed: () => connection.flushed(),
      beforeBody: leave,
    })
    // A connection that is closed on this side calls nobody back; an error that ends it does, right after this event.
    const onEnd = () => queueMicrotask(() => settle(hungUp(place())))
    connection.once('end', onEnd)
    connection.saysSmtpUtf8 = smtpUtf8
    const size = bytes.length + (head?.length ?? 0)
    connection.send({ from, to: [to], size, use8BitMime: eightBit }, body, (error, info) => {
      if (body.refusal !== undefined) settle({ kind: 'stopped', answer: body.refusal })
      else settle(error ? exchangeOf(error, place(), relay) : answered(info?.response ?? '', place()))
    })
  })
}

function answered(response: string, place: Place): Exchange {
  return place.phase === 'window' && /^2\d\d/.test(response)
    ? { kind: 'accepted', response }
    : outOfTurn(response, place)
}

const stages = new Map<string, Stage>([
  ['MAIL FROM', 'mail'],
  ['RCPT TO', 'rcpt'],
  ['DATA', 'data'],
])

function exchangeOf(error: SMTPError, place: Place, relay: RelayConfig): Exchange {
  const { response } = error
  const { phase } = place
  const asked: Asked = stages.get(error.command ?? '') ?? place.stage
  const where: Place = phase === 'window' ? place : { phase, stage: asked }
  if (response && !isRefusal(response)) return outOfTurn(response, where)
  const stage = phase === 'window' ? 'body' : stages.get(error.command ?? '')
  // A 421 that closes the connection is reported against the connection; it still answers the final dot.
  if (response && stage) return { kind: 'refused', stage, response }
  if (error.code === 'EMESSAGE' && phase === 'envelope')
    return { kind: 'refused', stage: 'mail', response: `552 5.3.4 ${error.message}` }
  return faultOf(error, where, relay)
}

/**
 * Whether a kept connection failed before the window, and not the message: lost without a word about it, or closed with
 * 421 in answer to MAIL FROM. On a fresh one it may go out.
 */
export function isWorn(exchange: Exchange): boolean {
  if (exchange.kind === 'refused') return exchange.stage === 'mail' && exchange.response.startsWith('421')
  if (exchange.kind !== 'broken' || exchange.phase !== 'envelope') return false
  return exchange.response === undefined && exchange.code !== 'ECONNABORTED'
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
