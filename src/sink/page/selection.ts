// Which recorded messages a list shows: newest first, by recipient, a window at a time. Pure.

import type { RecordedMessage } from '../inbox.js'

export interface Page {
  readonly total: number
  readonly limit: number
  readonly offset: number
  readonly messages: readonly RecordedMessage[]
}

export interface Selection {
  /** Part of a recipient's address, in any case; empty selects all. */
  readonly to: string
  readonly limit: number
  readonly offset: number
}

/** `all` is oldest first. */
export function selectPage(all: readonly RecordedMessage[], { to, limit, offset }: Selection): Page {
  const wanted = to.toLowerCase()
  const found = wanted === '' ? all : all.filter((message) => isTo(message, wanted))
  const end = Math.max(0, found.length - offset)
  const messages = found.slice(Math.max(0, end - limit), end).reverse()
  return { total: found.length, limit, offset, messages }
}

/** The ids of the messages before and after one, in time. */
export function neighboursOf(all: readonly RecordedMessage[], message: RecordedMessage) {
  const index = all.indexOf(message)
  return { older: all[index - 1]?.id, newer: all[index + 1]?.id }
}

function isTo(message: RecordedMessage, wanted: string): boolean {
  return message.to.some((address) => address.toLowerCase().includes(wanted))
}
