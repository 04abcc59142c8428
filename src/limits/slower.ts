// Which bucket a reply speaks of that asks for less: the relay's own, or that of the provider whose mail it was.
// Pure. It is not asked what else a reply means; that is the judge's.

import type { Exchange } from '../delivery/delivery.js'
import type { Reply } from '../delivery/outcome.js'
import { parseReply } from '../delivery/replies.js'
import { isOneOf } from '../delivery/slower-replies.js'
import { type LimitState, relayBucket } from './limit.js'

/** Yahoo, Google, Microsoft and Outlook.com, NetEase, Comcast: said by nobody else, whoever hands it on. */
const providerTag = /\[(?:IP)?TSS?\d\d\]|\b(?:RP-00\d|AUP#|HL:(?:ICC|IFC)|DT:SPM)|\bgsmtp\b/i
const providerCode = /^[45]\.7\.(?:28|508|6\d\d)$/
/** The words of a server behind the relay, which may be anybody's: they are no reason to slow down for everybody. */
const quotesAnother = /\bsaid:|\(in reply to |SMTP error from remote/i
/** What only a relay says of itself. */
const relayWords =
  /throttling failure|maximum sending rate|smtp relay limit|concurrent (?:smtp )?connections/i
const connectionWords = /\b(?:connections|connexions|sessions)\b/i
/** When two providers ask for less within this time, it is the relay that does. */
const TOGETHER_MS = 10_000

export interface SlowerReply {
  readonly exchange: Exchange
  readonly reply: Reply | undefined
  readonly provider: string
  /** The replies in which the relay itself asks for less. */
  readonly ownReplies: readonly string[]
}

/** The buckets that the reply cuts, at `now`. */
export function bucketsOf(
  { exchange, reply, provider, ownReplies }: SlowerReply,
  { tuned }: LimitState,
  now: number,
): readonly string[] {
  if (isBeforeRecipient(exchange) || reply === undefined) return [relayBucket]
  if (isOfProvider(reply)) return [provider]
  const isOwn = reply.code === 421 || relayWords.test(reply.text) || isOneOf(ownReplies, reply)
  if (isOwn) return [relayBucket]
  const isShared = Object.entries(tuned).some(
    ([bucket, { at, reply: said = '' }]) =>
      bucket !== relayBucket &&
      bucket !== provider &&
      now - at < TOGETHER_MS &&
      !isOfProvider(parseReply(said)),
  )
  return isShared ? [provider, relayBucket] : [provider]
}

function isOfProvider(reply: Reply | undefined): boolean {
  const { text = '', enhanced = '' } = reply ?? {}
  return providerTag.test(text) || providerCode.test(enhanced) || quotesAnother.test(text)
}

/** Whether it asks for fewer connections, and not only for fewer messages. */
export function isAboutConnections({ exchange, reply }: SlowerReply): boolean {
  return (
    (exchange.kind === 'broken' && exchange.phase === 'connect') || connectionWords.test(reply?.text ?? '')
  )
}

function isBeforeRecipient(exchange: Exchange): boolean {
  if (exchange.kind === 'broken') return exchange.phase === 'connect'
  return exchange.kind === 'refused' && exchange.stage === 'mail'
}
