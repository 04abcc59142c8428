// One message on an open connection: how far it came, and what the relay said to it. It always settles.
// A 2yz counts only for a message that was handed over whole, a 4yz or 5yz always, and nothing else ever.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Asked, Exchange, LeaveAnswer, Transmission } from '../delivery/delivery.js'
import type { Stage } from '../delivery/replies.js'
import { messageOf } from '../errors.js'
import { carryBody, sizeOf } from './body.js'
import type { Connection } from './connection.js'
import { piecesOf } from './data.js'
import type { Envelope } from './envelope.js'
import { type Broken, faultOf, hungUp, isRefusal, outOfTurn, type Place } from './fault.js'

/** A message with what stands above it on the wire. */
export interface Outgoing extends Transmission {
  /** Header lines such as its signature, each ended by CRLF. */
  readonly head?: Buffer | undefined
}

/** `ending` is called before the relay is handed the rest of it: what follows may be made ready. */
export function exchangeOn(
  connection: Connection,
  relay: RelayConfig,
  outgoing: Outgoing,
  ending: () => void = () => undefined,
): Promise<Exchange> {
  return new Promise((resolve) => new Going(connection, relay, outgoing, ending, resolve).begin())
}

export function envelopeOf(outgoing: Outgoing): Envelope {
  const { from, to, eightBit = false, smtpUtf8 = false } = outgoing
  return { from, to: [to], size: sizeOf(piecesToSend(outgoing)), use8BitMime: eightBit, smtpUtf8 }
}

function piecesToSend({ bytes, head }: Outgoing): readonly Buffer[] {
  return head ? [head, ...piecesOf(bytes)] : piecesOf(bytes)
}

class Going {
  readonly #connection: Connection
  readonly #relay: RelayConfig
  readonly #outgoing: Outgoing
  readonly #ending: () => void
  readonly #resolve: (exchange: Exchange) => void
  /** A connection that is closed on this side calls nobody back; an error that ends it does, right after this event. */
  readonly #onEnd = () => queueMicrotask(() => this.#settle(hungUp(this.#place)))
  #phase: Broken['phase'] = 'envelope'
  /** Whether the relay waits for the body, or has heard of it. */
  #isBodyBegun = false
  #isSettled = false

  constructor(
    connection: Connection,
    relay: RelayConfig,
    outgoing: Outgoing,
    ending: () => void,
    resolve: (exchange: Exchange) => void,
  ) {
    this.#connection = connection
    this.#relay = relay
    this.#outgoing = outgoing
    this.#ending = ending
    this.#resolve = resolve
  }

  begin(): void {
    const { hasLines = false } = this.#outgoing
    const message = piecesToSend(this.#outgoing)
    this.#connection.once('end', this.#onEnd)
    const done = (error: SMTPError | null | undefined, reply = '') =>
      this.#settle(error ? exchangeOf(error, this.#place, this.#relay) : answered(reply, this.#place))
    this.#connection.carry(envelopeOf(this.#outgoing), () => void this.#carryBody(message, hasLines), done)
  }

  async #carryBody(message: readonly Buffer[], hasLines: boolean): Promise<void> {
    this.#isBodyBegun = true
    try {
      const answer = await carryBody({
        ...{ message, hasLines },
        flushed: () => this.#connection.flushed(),
        write: (pieces) => this.#write(pieces),
        beforeBody: () => this.#leave(),
        openWindow: () => this.#openWindow(),
      })
      if (answer !== undefined && answer !== 'ok') this.#settle({ kind: 'stopped', answer })
    } catch (error) {
      const message = messageOf(error)
      this.#settle({ kind: 'broken', ...this.#place, code: 'ESTREAM', message, cause: error })
    }
  }

  #write(pieces: readonly Buffer[]): void {
    if (this.#phase === 'window') this.#connection.writeEnd(pieces)
    else this.#connection.write(pieces)
  }

  /** It is asked of others than the relay, which waits meanwhile. */
  async #leave(): Promise<LeaveAnswer> {
    this.#ending()
    const { watch } = this.#connection
    watch.stop()
    const answer = await this.#outgoing.beforeBody()
    watch.run('data')
    return answer
  }

  #openWindow(): boolean {
    // Nothing of it would leave here any more; its end settles.
    if (this.#isSettled || !this.#connection.takesBytes) return false
    const early = this.#connection.unreadReply
    if (early !== '') {
      this.#settle(outOfTurn(early, this.#place))
      return false
    }
    this.#phase = 'window'
    this.#connection.setSocketTimeout(this.#relay.finalReplyTimeoutMs)
    return true
  }

  get #place(): Place {
    const phase = this.#phase
    return { phase, stage: phase === 'window' ? 'body' : this.#connection.asked }
  }

  #settle(exchange: Exchange): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#connection.off('end', this.#onEnd)
    if (this.#phase === 'window') this.#connection.setSocketTimeout(this.#relay.timeoutMs)
    // The rest of a body that was answered too early is still on its way: the connection is of no use any more.
    else if (this.#isBodyBegun) this.#connection.close()
    this.#resolve(exchange)
  }
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
