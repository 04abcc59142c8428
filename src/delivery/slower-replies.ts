// Replies by which one relay asks for less, in its own words: as they are configured, or come with its preset.
// A reply is one of them when it has the codes that are named and all the words, in that order.

import type { Reply } from './outcome.js'
import { parseReply } from './replies.js'

const startsWithCode = /^\d{3}(?!\d)/

/** Whether the reply is one of those named, such as `454 Throttling failure`, `421 4.7.0` or `slow down`. */
export function isOneOf(named: readonly string[], reply: Reply): boolean {
  return named.some((each) => isThis(each, reply))
}

function isThis(named: string, { code, enhanced, text }: Reply): boolean {
  const parsed = startsWithCode.test(named) ? parseReply(named) : undefined
  if (parsed === undefined) return holds(text, named)
  const isCoded = parsed.code === code && (parsed.enhanced ?? enhanced) === enhanced
  return isCoded && holds(text, parsed.text)
}

function holds(text: string, words: string): boolean {
  return text.toLowerCase().includes(words.trim().toLowerCase())
}
