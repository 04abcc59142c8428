// The Message-ID of a delivery that was given none: it follows from the delivery, so that every attempt at it carries
// the same one, and so that the log of a relay leads back to it.

import { createHash } from 'node:crypto'
import { domainOf } from '../message/address.js'
import { createMessageId } from '../message/message-id.js'

/** @param name what our keys in Redis begin with */
export function deliveryMessageId(name: string, deliveryId: string, sender: string): string {
  const unique = createHash('sha256').update(`${name} ${deliveryId}`).digest('hex').slice(0, 32)
  return createMessageId(unique, domainOf(sender))
}
