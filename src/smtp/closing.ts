// Why a connection was closed, in a word of a closed set, so that it can be counted by.
// It says nothing of the message that was on it: that is what the exchange is for.

import type { Exchange } from '../delivery/delivery.js'

/** Every reason with what it means. Where several are true it is the first that came about. */
export const closings = {
  idle: 'no message for idleMs',
  used_up: 'carried maxMessagesPerConnection',
  over_share: 'another process is to have it',
  relay_closed: 'the relay closed it, or said 421',
  fault: 'it broke, went silent, or carried what makes no sense',
  stopped: 'its message lost leave to be sent',
  cut_off: 'hung up here with a message on it',
  closing: 'whoever had it closes',
} as const

export type Closing = keyof typeof closings

/** What nodemailer and the system call a connection that the other side ended. */
const endedThere = new Set(['ECONNECTION', 'ECONNRESET', 'EPIPE'])

/** Why a connection ends after this exchange, if it does. */
export function closingAfter(exchange: Exchange): Closing {
  if (exchange.kind === 'stopped') return 'stopped'
  if (exchange.kind === 'accepted') return 'relay_closed'
  if (exchange.response !== undefined) return exchange.response.startsWith('421') ? 'relay_closed' : 'fault'
  return exchange.kind === 'broken' && endedThere.has(exchange.code) ? 'relay_closed' : 'fault'
}

/** Why a connection ends on which no message was; `code` is that of the error, if there was one. */
export function closingBetween(code: string | undefined): Closing {
  // The time limit of the relay may be shorter than the time that a connection is kept.
  if (code === 'ETIMEDOUT') return 'idle'
  return code === 'EPROTOCOL' ? 'fault' : 'relay_closed'
}
