// Whom an exchange that did not end well is about. Pure. In doubt it is not the recipient, since addresses that
// are blamed get suppressed.

import type { RejectedRecipient } from '../message/email.js'
import type { Exchange } from './delivery.js'
import { parseReply, type Stage } from './replies.js'
import type { Judgement } from './reply-rule.js'
import { judgeReply } from './reply-rules.js'

type Blamed = RejectedRecipient['about']

export function blameOf(exchange: Exchange): Blamed {
  if (exchange.kind === 'refused') return blameOfReply(exchange.response, exchange.stage)
  const spoke = exchange.kind === 'broken' && (exchange.response !== undefined || exchange.stage === 'login')
  return spoke ? 'relay' : 'connection'
}

const byStage: Readonly<Record<Stage, Blamed>> = {
  mail: 'sender',
  rcpt: 'recipient',
  data: 'message',
  body: 'message',
}

const byJudgement = new Map<Judgement, Blamed>([
  ['sender', 'sender'],
  ['identity', 'sender'],
  ['relay', 'relay'],
  ['auth', 'relay'],
  ['policy', 'relay'],
  ['slower', 'relay'],
])

function blameOfReply(response: string, stage: Stage): Blamed {
  const reply = parseReply(response)
  if (reply === undefined || reply.code === 421) return 'relay'
  const blamed = byJudgement.get(judgeReply(reply, stage))
  if (blamed !== undefined) return blamed
  if (stage === 'mail' && reply.code === 552) return 'message'
  const [, subject = '', detail = ''] = reply.enhanced?.split('.') ?? []
  return blameOfEnhanced(subject, detail, stage) ?? byStage[stage]
}

/** The second and third number of an enhanced status code (RFC 3463, 3). */
function blameOfEnhanced(subject: string, detail: string, stage: Stage): Blamed | undefined {
  switch (subject) {
    case '1':
      if (detail === '7' || detail === '8') return 'sender'
      return stage === 'mail' ? 'sender' : 'recipient'
    case '2':
      if (detail === '3') return 'message'
      return stage === 'mail' ? 'sender' : 'recipient'
    case '3':
      return detail === '4' ? 'message' : 'relay'
    case '4':
    case '5':
      return 'relay'
    case '6':
      return 'message'
    case '7':
      // Policy: at RCPT it is who may send to whom, which a suppressed address does not mend.
      return stage === 'rcpt' ? 'relay' : byStage[stage]
    default:
      return undefined
  }
}
