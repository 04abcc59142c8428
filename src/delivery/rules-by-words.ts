// Second part of the table: phrases that many servers share, in the order in which one may hide another.
// They are read in the whole text, so each has to be a phrase that is not also said of something else.

import { afterSender, inTransaction, permanentCode, type Rule } from './reply-rule.js'

const bounces = 'github.com/sisimai/set-of-emails maildir/bsd'
const manual = 'github.com/ActiveCampaign/smtp-field-manual data/codes'
const smtpCodes = 'github.com/fm/smtp-codes data/codes'

/** Any words of one sentence; the dots of an IP address do not end it. */
const sentence = '(?:[^.]|\\.\\d)'

export const rulesByWords: readonly Rule[] = [
  {
    judgement: 'temporary',
    stages: inTransaction,
    words: /\bgr[ea]y[- ]?list/i,
    example: {
      stage: 'rcpt',
      reply: '451 4.7.1 <user@example.com>: Recipient address rejected: Greylisted, try again in 300 seconds',
      source: 'https://www.simplefastwebsites.com/errors/email/smtp-451-4-7-1-greylisting-try-again-later/',
    },
  },
  {
    // Postfix asked the recipient's server (address_verify) and quotes it; what that one thinks of us passes.
    judgement: 'permanent',
    stages: ['rcpt'],
    code: permanentCode,
    words:
      /\bundeliverable address\b(?!.*(?:block|listed|spam|reputation|policy|client host|\bip\b|sender|relay))/i,
    example: {
      stage: 'rcpt',
      reply:
        '550 5.1.1 <foo@example.com>: Recipient address rejected: undeliverable address: unknown user: "foo"',
      source: 'github.com/vdukhovni/postfix postfix/src/smtpd/smtpd_check.c (the reason is ours)',
    },
  },
  {
    judgement: 'temporary',
    stages: ['rcpt'],
    words: /\bun(?:deliverable|verified) address\b/i,
    example: {
      stage: 'rcpt',
      reply:
        '450 4.1.1 <foo@example.com>: Recipient address rejected: unverified address: Address verification in progress',
      source: 'github.com/vdukhovni/postfix postfix/src/smtpd/smtpd_check.c',
    },
  },
  {
    // Who may send as whom is known to the relay that we log in to, and to nobody behind it. Postfix says it at RCPT.
    judgement: 'identity',
    stages: inTransaction,
    words:
      /\bnot owned by user\b|sender address rejected: not logged in|\bnot\b[^.]{0,40}(?<!permissions? to )\bsend(?:ing)? as\b|SendAsDenied/i,
    example: {
      stage: 'rcpt',
      reply: '553 5.7.1 <foo@example.com>: Sender address rejected: not owned by user bar',
      source: 'github.com/vdukhovni/postfix postfix/src/smtpd/smtpd_check.c',
    },
  },
  {
    // A recipient, or the recipient's organisation, does not want it: that is nobody else's verdict.
    judgement: 'permanent',
    stages: afterSender,
    code: permanentCode,
    words:
      /\b(?:by|of) (?:the |this )?(?:recipients?|users?)\b|recipient preferences|user entry|customer block ?list|organi[sz]ation policy|badrcptto/i,
    example: {
      stage: 'rcpt',
      reply: '554 5.7.1 user@example.com: Sender address rejected: Blocked by this recipient (GE)',
      source: `${smtpCodes}/554.json`,
    },
  },
  {
    // The recipient gets too much, from everybody; sending less to the others would not help.
    judgement: 'temporary',
    stages: afterSender,
    words:
      /\b(?:recipient|user|mailbox)\b(?!@| sending)(?:[^.]|\.\w){0,60}\b(?:rate|too (?:much|many|quickly)|thread limit)\b|too (?:many|much) [^.]{0,40} for (?:this |the )?(?:user|recipient|mailbox)|\brate [^.]{0,40} for (?:this |the )?recipient|to this recipient|receiving [^.]{0,20} too (?:fast|frequent)|recipients? domain[^.]{0,20} quota/i,
    example: {
      stage: 'rcpt',
      reply:
        '550 5.4.7 <user@example.com>: Recipient address rejected: Recipients Domain Hourly Quota Exceeded',
      source: `${smtpCodes}/550.json`,
    },
  },
  {
    judgement: 'relay',
    stages: inTransaction,
    words:
      /sending (?:limit|quota|activity)|(?:relay|message) (?:limit|quota)|submission ?quota|(?:daily|hourly|monthly) [^.]{0,30}(?:limit|quota)|exceeded (?:the max(?:imum)? [^.]{0,20} per (?:hour|day)|your [^.]{0,30}(?:limit|quota))|\btenant\b/i,
    example: {
      stage: 'body',
      reply: '554 5.2.2 Submission quota exceeded',
      source:
        'github.com/MicrosoftDocs/OfficeDocs-Exchange Exchange/ExchangeOnline/mail-flow-best-practices/non-delivery-reports-in-exchange-online (the 554 is ours)',
    },
  },
  {
    judgement: 'policy',
    words:
      /\bPTR\b|reverse.?dns|\brdns\b|ip name lookup|reverse (?:lookup|hostname|mapping)|\b(?:helo|ehlo)\b[^.]{0,40}\b(?:reject|invalid|denied|refused)|invalid (?:helo|ehlo)/i,
    example: {
      stage: 'mail',
      reply: '550 <user@example.com>: Bad DNS PTR resource record',
      source: `${manual}/550.json`,
    },
  },
  {
    judgement: 'sender',
    stages: inTransaction,
    words:
      /\b(?:SPF|DMARC|DKIM(?!-Signature))\b|\bsender\b(?!@| (?:ip|ident))(?:[^.]|\.\w){0,40}\b(?:rejected|refused|denied|verify|verification|not (?:verified|allowed|found|exist|valid)|does not exist|invalid|unknown)\b|(?:send|sending) (?:as|on behalf)|\bnot (?:allowed|authori[sz]ed|permitted) to (?:send|use)[^.]{0,20} (?:as|from)\b|(?:invalid|unroutable|unresolvable|bad|unknown|forged)[^.]{0,20} (?:sender|from)\b|email address is not verified/i,
    example: {
      stage: 'rcpt',
      reply: '450 4.1.8 Sender address rejected: Domain not found',
      source: `${manual}/450.json`,
    },
  },
  {
    judgement: 'auth',
    code: /^5(?:30|35|38)$/,
    example: {
      stage: 'mail',
      reply: '530 5.5.1 Invalid command: Must issue an AUTH command first',
      source: 'github.com/OpenSMTPD/OpenSMTPD usr.sbin/smtpd/smtp_session.c',
    },
  },
  {
    judgement: 'auth',
    words:
      /authentication (?:is )?(?:required|needed|first)|(?:use|turn on|enable) smtp auth|smtp authentication|not (?:been )?authenticated|unauthenticated senders|must (?:authenticate|log ?in)|auth(?:enticate)? first/i,
    example: {
      stage: 'mail',
      reply: '503 5.5.1 You must authenticate first.',
      source: 'github.com/stalwartlabs/mail-server crates/smtp/src/inbound/mail.rs',
    },
  },
  {
    judgement: 'relay',
    words:
      /\bstarttls\b|encryption (?:is )?(?:needed|required)|\btls\b[^.]{0,20} (?:required|needed|mandatory)|must use tls/i,
    example: {
      stage: 'mail',
      reply: '400 STARTTLS is required first.',
      source: 'github.com/svarshavchik/courier courier/courier/module.esmtp/courieresmtpd.C',
    },
  },
  {
    judgement: 'relay',
    stages: inTransaction,
    words:
      /\brelay(?:ing)?\b[^.,;]{0,40}\b(?:denied|prohibited|disallowed|forbidden|refused|rejected|not (?:allowed|permitted|enabled))|\bprohibition: relaying|\bno relaying\b|\bnot a gateway\b|\b(?:not|unable|cannot)\b[^.]{0,40}\bto relay\b|\b(?:not|don't|cannot|can't) relay\b|\bas a relay\b|rcpthosts|smtp server of your/i,
    example: {
      stage: 'rcpt',
      reply:
        '553 you are trying to use me [mail.example.com] as a relay, but I have not been configured to let you [192.0.2.1, example.com] do this.',
      source: `${manual}/553.json`,
    },
  },
  {
    judgement: 'slower',
    words:
      /\btoo many (?!hops|received|headers|lines|mime|recipients(?! from| this| per))|too much mail(?! data)|too (?:fast|quickly|frequent)|\bper (?:second|minute|session|connection)\b|\btrop de\b|\bzu viele\b|sending rate|\brate.?limit|rate (?:has )?exceeded|(?:frequency|connections?|sessions?|volume)[^.]{0,20} (?:limited|limit|exceeded)|concurrent (?:connections|sessions)|excessive volume|\bmax(?:imum)? (?:number of )?messages?\b[^.]{0,20}\b(?:session|connection)|message count per (?:session|connection)|slow(?:ing)? down|throttl/i,
    example: {
      stage: 'body',
      reply:
        '421 4.3.2 The maximum number of concurrent connections per resource forest has exceeded a limit, closing transmission channel. example.com. PRX8',
      source: `${manual}/421.json`,
    },
  },
  {
    judgement: 'policy',
    words:
      /spamhaus|spamcop|sorbs|barracuda(?:central|networks)|uceprotect|\bdnsbl|\brbl\b|black ?list|block(?:ed)? ?list|blocked using|block(?:ed)? for spam|spam sender|spammer|(?:low|bad|poor|none)[^.]{0,20} reputation|policy restrictions|your access[^.]{0,60}(?:rejected|denied)/i,
    example: {
      stage: 'rcpt',
      reply: '550 5.7.1 Service unavailable; client [192.0.2.1] blocked using prs.proofpoint.com',
      source: `${manual}/550.json`,
    },
  },
  {
    judgement: 'policy',
    words: new RegExp(
      `\\b(?:client (?:host|address)|ip(?: address)?|your (?:ip|mail ?server|host|network)|connections from|messages? from)\\b${sentence}{0,100}?\\b(?:block|bann|listed|denied|refused|reject|deferred|excessive|flood|not (?:be )?(?:accepted|authori[sz]ed)|spam)`,
      'i',
    ),
    example: {
      stage: 'connect',
      reply: '554 Your IP is sending excessive rejected recipients.',
      source: `${smtpCodes}/554.json`,
    },
  },
  {
    // A greeting that refuses speaks of who connects.
    judgement: 'policy',
    stages: ['connect'],
    words: /denied|not allowed|reject|refused|block/i,
    example: { stage: 'connect', reply: '554 Host network not allowed.', source: `${smtpCodes}/554.json` },
  },
  {
    // Temporary words under a permanent code are believed: the lane's age still ends it.
    judgement: 'temporary',
    stages: afterSender,
    code: permanentCode,
    words: /\btry (?:again )?(?:later|in|after|soon)|temporar(?:y|ily)|per hour/i,
    example: {
      stage: 'body',
      reply: '552 sorry, mailbox user@example.org is over quota temporarily (#5.1.1)',
      source: `${bounces}/lhost-mailfoundry-02.eml`,
    },
  },
]
