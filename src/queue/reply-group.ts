// What makes replies alike: what a relay says with all that belongs to one message taken out of it.
// Pure. No address of anybody may be left in a group, and two meanings must never become one.

import { createHash } from 'node:crypto'

/** What deliveries that ended for the same reason share. */
export interface ReplyGroup {
  /** Eight characters that stand for it on a command line. */
  readonly id: string
  readonly code: string
  /** The reason, with what differs from message to message as `<address>`, `<host>`, `<ip>`, `<url>`, `<id>`, `<n>`. */
  readonly text: string
}

const MAX_LENGTH = 200
/** More than any reply has to say before it gets long-winded; what is read for each must have a bound. */
const MAX_READ = 1_000

/** Words that a reply uses of anybody, so that they are nobody's name. */
const plainWords = new Set(
  `account address admin bounce bounces client contact contacts customer delivery domain email help host info invalid
   mail mailbox mailer message news newsletter noreply office postmaster recipient recipients reject relay sales sender
   server service spam support team test unknown user users webmaster`.split(/\s+/),
)

type Rule = readonly [pattern: RegExp, instead: string | ((found: string) => string)]

/** In this order: what may hold another of these is replaced before it. */
const rules: readonly Rule[] = [
  [/[\p{Cc}\p{Cf}\s]+/gu, ' '],
  // Where a line of a reply begins depends on how long what stands before it is.
  [/(?<!said: |[\w.-])[245]\d\d[- ][245]\.\d{1,3}\.\d{1,3}(?=[ ;:]|$)/g, ' '],
  [/<?\b(?:https?|ftp):\/[^\s<>"]*>?|\bwww\.[^\s<>"]+/gi, '<url>'],
  [/<?"[^"<>]*"@[^\s<>"]+>?|<?[^\s<>()[\]{},;"'`]*@[^\s<>()[\]{},;"'`]*>?/g, '<address>'],
  [/(?<![\w.])\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?/g, '<n>'],
  [/(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/gi, '<ip>'],
  [/(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.-]*\w)/g, '<ip>'],
  // Codes of Exchange such as RESOLVER.ADR.RecipNotFound look like hosts but for their last word.
  [/(?<![\w.])(?:[\w-]+\.)+(?:[a-z]{2,}|[A-Z]{2,})(?![\w-]|\.\w)/g, '<host>'],
  [/[A-Za-z0-9_.+/=#-]*\d[A-Za-z0-9_.+/=#-]*/g, withoutNumbers],
  [/(<(?:address|host|ip|url|id|n)>)(?:[\s,]*\1)+/g, '$1'],
  [/^ +| +$/g, ''],
  [/ {2,}/g, ' '],
]

/** @param recipient whose own name is taken out as well, where the reply tells it without its domain */
export function replyGroupOf(code: string, text: string, recipient?: string): ReplyGroup {
  const normal = normalReply(recipient === undefined ? text : withoutRecipient(text, recipient))
  const id = createHash('sha256').update(`${code} ${normal}`).digest('hex').slice(0, 8)
  return { id, code, text: normal }
}

/** The text of a reply without what belongs to one message. The same again for what it has given. */
export function normalReply(text: string): string {
  let normal = cutAtWord(text, MAX_READ)
  // One replacement may uncover another; each makes the text simpler, so that this ends.
  for (let round = 0; round < 10; round += 1) {
    const next = cutAtWord(rules.reduce(applied, normal), MAX_LENGTH)
    if (next === normal) return normal
    normal = next
  }
  return normal
}

function applied(text: string, [pattern, instead]: Rule): string {
  return typeof instead === 'string' ? text.replace(pattern, instead) : text.replace(pattern, instead)
}

const enhancedCode = /^[245]\.\d{1,3}\.\d{1,3}$/
const bothCodes = /^[245]\d\d[- ]?[245]\.\d{1,3}\.\d{1,3}$/
/** Names that providers give to their reasons: S3150, OFR_417, RP-001, AUP#In-1310. Names of hosts are in lower case. */
const tag = /^(?=.*[A-Z])[A-Z]+[A-Z0-9_/-]{0,11}$|^[A-Z]{2,}#[\w-]{1,12}$/
const queueId = /^[0-9A-F]{8,}$|\d{5}/

function withoutNumbers(found: string): string {
  const word = found.replace(/[.=-]+$/, '')
  const end = found.slice(word.length)
  if (enhancedCode.test(word) || bothCodes.test(word)) return found
  if (tag.test(word) && !queueId.test(word)) return found
  // A word with its value: what it is called says more than what it is.
  const [, name] = /^([A-Za-z_]{2,20}=)\S+$/.exec(word) ?? []
  const plain = /^[\d.+/=_-]+$/.test(word) ? '<n>' : '<id>'
  return (name === undefined ? plain : `${name}<id>`) + end
}

function withoutRecipient(text: string, recipient: string): string {
  const local = recipient.slice(0, recipient.lastIndexOf('@'))
  const isWord = local.length >= 3 && !plainWords.has(local.toLowerCase())
  const whole = text.replaceAll(`<${recipient}>`, '<address>').replaceAll(recipient, '<address>')
  if (!isWord) return whole
  const name = local.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
  return whole.replace(new RegExp(`(?<![\\w.@<])${name}(?![\\w@>])|<${name}>`, 'gi'), '<address>')
}

function cutAtWord(text: string, length: number): string {
  if (text.length <= length) return text
  const head = text.slice(0, length)
  const space = head.lastIndexOf(' ')
  return head.slice(0, space > 0 ? space : length).trimEnd()
}
