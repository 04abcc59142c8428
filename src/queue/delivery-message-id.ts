// The Message-ID of a delivery that was given none: it follows from the delivery, so that every attempt at it carries
// the same one, and so that the log of a relay leads back to it.

import { hash } from 'node:crypto'
import { domainOf } from '../message/address.js'
import { createMessageId } from '../message/message-id.js'

/** Thousands of messages have the same sender. */
let last: { readonly sender: string; readonly end: string } | undefined

/** @param name what our keys in Redis begin with */
export function deliveryMessageId(name: string, deliveryId: string, sender: string): string {
  const unique = hash('sha256', `${name} ${deliveryId}`, 'hex').slice(0, 32)
  if (last?.sender !== sender) last = { sender, end: createMessageId('0', domainOf(sender)).slice(2) }
  return `<${unique}${last.end}`
}
