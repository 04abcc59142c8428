// What broke a connection, in words that follow "the relay …:" and say each thing once.
// Nothing here decides what comes of it.

import type { SMTPError } from 'nodemailer/lib/smtp-connection'
import type { RelayConfig } from '../config.js'
import type { Asked, Exchange } from '../delivery/delivery.js'

export type Broken = Exchange & { readonly kind: 'broken' }
type Phase = Broken['phase']

/** Where it broke. */
export interface Place {
  readonly phase: Phase
  readonly stage: Asked
}

type Limits = Pick<RelayConfig, 'timeoutMs' | 'finalReplyTimeoutMs'>

const awaited: Readonly<Record<Asked, string>> = {
  connection: 'connection',
  greeting: 'greeting',
  hello: 'answer to EHLO',
  tls: 'TLS',
  login: 'answer to the login',
  mail: 'answer to MAIL',
  rcpt: 'answer to RCPT',
  data: 'answer to DATA',
  body: 'answer to the final dot',
}

export function faultOf(error: SMTPError, place: Place, limits: Limits): Broken {
  const code = typeof error.originalCode === 'string' ? error.originalCode : (error.code ?? 'ECONNECTION')
  const { response } = error
  const message = response ? saidWith(response) : wordsOf(error, place, limits)
  return {
    kind: 'broken',
    ...place,
    code,
    message,
    ...(response && isRefusal(response) ? { response } : {}),
    ...(response ? {} : { cause: error }),
  }
}

export function isRefusal(response: string): boolean {
  return /^[45]\d\d/.test(response)
}

export function outOfTurn(response: string, place: Place): Broken {
  return { kind: 'broken', ...place, code: 'EPROTOCOL', message: nonsense(response) }
}

/** The connection was given up on this side. */
export function hungUp(place: Place): Broken {
  return { kind: 'broken', ...place, code: 'ECONNABORTED', message: 'the connection was hung up here' }
}

/** nodemailer says what it made of a reply as well, and some of it twice. */
function saidWith(response: string): string {
  return isRefusal(response) ? response : nonsense(response)
}

function nonsense(response: string): string {
  return `an answer that makes no sense here: ${response}`
}

function wordsOf(error: SMTPError, place: Place, limits: Limits): string {
  const isFinal = place.phase === 'window'
  const what = awaited[place.stage]
  // The system has a time limit of its own for connecting, and names the address.
  if (error.code === 'ETIMEDOUT' && !/ETIMEDOUT/.test(error.message)) {
    const option = isFinal ? 'finalReplyTimeoutMs' : 'timeoutMs'
    return `${isFinal ? 'nothing came' : `no ${what}`} within ${limits[option] / 1000} s (${option})`
  }
  if (error.message === 'Connection closed unexpectedly' && error.code === 'ECONNECTION')
    return isFinal ? 'the connection was closed' : `the connection was closed in place of the ${what}`
  return error.message.replace(/^Error initiating TLS - /, '')
}
