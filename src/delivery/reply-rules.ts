// Judges a reply by the table: the first rule that fits decides. Pure, total, and it never throws.
// A fault of the relay, of the sender or of ours must never come out as `permanent`.

import type { Reply } from './outcome.js'
import type { ReplyStage } from './replies.js'
import { fits, type Judgement, type Rule } from './reply-rule.js'
import { rulesByCommand } from './rules-by-command.js'
import { rulesByTag } from './rules-by-tag.js'
import { rulesByWords } from './rules-by-words.js'
import { isOneOf } from './slower-replies.js'

export type { Judgement } from './reply-rule.js'

/** What a rule reads of a text; a relay may send a megabyte. */
const LONGEST_TEXT = 2_000
/** Whoever chose an address must not choose the judgement with it: `<relaying@denied.example>: user unknown`. */
const address = /[^\s<>"'(),;:[\]]+@[^\s<>"'(),;:[\]]+/g

/** Rules in order; the first that fits decides. */
export const replyRules: readonly Rule[] = [...rulesByTag, ...rulesByWords, ...rulesByCommand]

/**
 * Whom a refusal speaks of. Before MAIL FROM nobody's recipient can be at fault.
 * `slower`: replies by which this relay asks for less, which go before the table.
 */
export function judgeReply(reply: Reply, stage: ReplyStage, slower: readonly string[] = []): Judgement {
  const read = { ...reply, text: reply.text.slice(0, LONGEST_TEXT).replace(address, '@') }
  if (isOneOf(slower, read)) return 'slower'
  const rule = replyRules.find((each) => fits(each, read, stage))
  if (rule) return rule.judgement
  if (stage === 'connect') return 'relay'
  return reply.code >= 500 && reply.code < 600 ? 'permanent' : 'temporary'
}
