// One rule of the table that judges replies: what a reply must show for it to fit, and the real reply behind it.
// Only data: it must never look at anything but the reply and the command that it answers.

import type { Reply } from './outcome.js'
import type { ReplyStage } from './replies.js'

/**
 * Whom a refusal speaks of, and whether it may change. `permanent` is about this recipient or this message,
 * `slower` asks for less, `policy` is about us; `auth`, `relay` and `sender` wait for somebody to mend something.
 * `identity` is `sender` in words that only the relay that we log in to can say: our login may not use this sender.
 */
export type Judgement =
  | 'permanent'
  | 'temporary'
  | 'slower'
  | 'policy'
  | 'sender'
  | 'identity'
  | 'relay'
  | 'auth'

export interface Example {
  readonly stage: ReplyStage
  readonly reply: string
  /** Where the reply was found: a page, or a repository on GitHub and a file in it. */
  readonly source: string
}

export interface Rule {
  readonly judgement: Judgement
  /** Any unless named. */
  readonly stages?: readonly ReplyStage[]
  readonly code?: RegExp
  readonly enhanced?: RegExp
  readonly words?: RegExp
  readonly example: Example
}

/** From MAIL FROM on. */
export const inTransaction = ['mail', 'rcpt', 'data', 'body'] as const satisfies ReplyStage[]
/** When a recipient is on the table. */
export const afterSender = ['rcpt', 'data', 'body'] as const satisfies ReplyStage[]
export const permanentCode = /^5/

/** Whether the reply shows all that the rule names. */
export function fits(rule: Rule, reply: Reply, stage: ReplyStage): boolean {
  const { stages, code, enhanced, words } = rule
  return (
    (stages === undefined || stages.includes(stage)) &&
    (code === undefined || code.test(String(reply.code))) &&
    (enhanced === undefined || enhanced.test(reply.enhanced ?? '')) &&
    (words === undefined || words.test(reply.text))
  )
}
