// What a relay's reply says: its parts, and whose fault it speaks of.
// A reply decides before an error code does. Judging is pure: no clock, no state.

import type { Reply } from './outcome.js'

/** Takes a reply apart: `550-5.1.1 No such\r\n550 5.1.1 user` is 550, 5.1.1, `No such user`. */
export function parseReply(response: string): Reply | undefined {
  const code = Number(/^(\d{3})(?=[ -]|$)/.exec(response)?.[1])
  if (!code) return undefined
  const enhanced = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?=\s|$)/.exec(response)?.[1]
  const text = response
    .split(/\r?\n/)
    .map((line) => line.replace(/^\d{3}[ -]?/, '').replace(/^[245]\.\d{1,3}\.\d{1,3}(\s|$)/, ''))
    .join(' ')
    .trim()
  return enhanced === undefined ? { code, text } : { code, enhanced, text }
}

/** The group that a reply is counted under: code and enhanced code. */
export function replyGroup(reply: Reply): string {
  return reply.enhanced === undefined ? String(reply.code) : `${reply.code} ${reply.enhanced}`
}

/** The command that a reply answers. `body` is the final dot. */
export type Stage = 'mail' | 'rcpt' | 'data' | 'body'

/** Whom a refusal speaks of, and whether it may change. */
export type Judgement = 'temporary' | 'permanent' | 'sender' | 'relay'

interface Rule {
  readonly when: (reply: Reply, stage: Stage) => boolean
  readonly judgement: Judgement
  /** A reply as a real relay gives it. */
  readonly example: string
}

const enhanced = (reply: Reply, ...codes: string[]) => codes.includes(reply.enhanced ?? '')

/** Rules in order; the first that fits decides. What fits none is judged by the first digit. */
export const replyRules: readonly Rule[] = [
  {
    // Policy about who we are: it fails nobody, it says to stop or to slow down.
    when: (reply) => enhanced(reply, '5.7.515', '4.7.28', '5.7.28') || /\[TSS0\d\]/.test(reply.text),
    judgement: 'relay',
    example: '550 5.7.515 Access denied, sending domain does not meet the required authentication level.',
  },
  {
    when: (reply) => reply.code === 530 || reply.code === 535 || reply.code === 538,
    judgement: 'relay',
    example: '530 5.7.0 Authentication required',
  },
  {
    // RFC 5321, 4.5.3.1.10: too many recipients is temporary, and so is a full mailbox at RCPT.
    when: (reply, stage) => stage === 'rcpt' && reply.code === 552,
    judgement: 'temporary',
    example: '552 5.2.2 Mailbox full',
  },
  {
    when: (reply, stage) => stage === 'mail' && (reply.code === 552 || enhanced(reply, '5.3.4')),
    judgement: 'permanent',
    example: '552 5.3.4 Message size exceeds fixed limit',
  },
  {
    when: (reply, stage) => stage === 'mail' && enhanced(reply, '5.1.7', '5.1.8'),
    judgement: 'permanent',
    example: '553 5.1.8 Sender address rejected: domain not found',
  },
  {
    when: (reply, stage) => stage === 'mail' && reply.code >= 500,
    judgement: 'sender',
    example: '550 5.7.1 Sender not authorised to send as this address',
  },
]

/** Whom a refusal speaks of; any reply that is not 2yz or 3yz. */
export function judgeReply(reply: Reply, stage: Stage): Judgement {
  const rule = replyRules.find(({ when }) => when(reply, stage))
  if (rule) return rule.judgement
  return reply.code >= 500 && reply.code < 600 ? 'permanent' : 'temporary'
}
