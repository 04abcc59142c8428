// Last part of the table: what a reply means for the command that it answers, when nothing in it says more.
// What fits none of these is judged by its first digit.

import { inTransaction, permanentCode, type Rule } from './reply-rule.js'

const bounces = 'github.com/sisimai/set-of-emails maildir/bsd'

export const rulesByCommand: readonly Rule[] = [
  {
    judgement: 'permanent',
    stages: inTransaction,
    code: permanentCode,
    enhanced: /^5\.3\.4$/,
    example: {
      stage: 'body',
      reply: '552 5.3.4 Message too large',
      source: `${bounces}/lhost-receivingses-05.eml`,
    },
  },
  {
    judgement: 'permanent',
    stages: ['mail'],
    code: /^552$/,
    example: {
      stage: 'mail',
      reply: '552 Message size exceeds maximum permitted',
      source: 'github.com/Exim/exim src/src/smtp_in.c',
    },
  },
  {
    judgement: 'permanent',
    stages: ['mail'],
    code: permanentCode,
    words: /message (?:is )?too (?:big|large)|message size|size exceeds/i,
    example: {
      stage: 'mail',
      reply: '550 Message too big!',
      source: 'github.com/haraka/Haraka connection.js',
    },
  },
  {
    // A full mailbox, or too many recipients at a time (RFC 5321, 4.5.3.1.10): at RCPT both pass.
    judgement: 'temporary',
    stages: ['rcpt'],
    code: /^552$/,
    example: {
      stage: 'rcpt',
      reply: '552 5.2.2 Mailbox size limit exceeded',
      source: 'github.com/ActiveCampaign/smtp-field-manual data/codes/552.json',
    },
  },
  {
    // The echo of a recipient that was refused before; it gives no verdict of its own.
    judgement: 'temporary',
    stages: ['data'],
    code: permanentCode,
    words: /recipient|rcpt/i,
    example: {
      stage: 'data',
      reply:
        '503-All RCPT commands were rejected with this error:\r\n503-unknown user\r\n503 Valid RCPT command must precede DATA',
      source: `${bounces}/lhost-sendmail-26.eml`,
    },
  },
  {
    // The two sides are out of step, and a new connection mends it.
    judgement: 'temporary',
    stages: inTransaction,
    code: /^503$/,
    example: {
      stage: 'mail',
      reply: '503 Sender already given',
      source: 'github.com/Exim/exim src/src/smtp_in.c',
    },
  },
  {
    // A reply that says both, permanent and not, is not understood.
    judgement: 'temporary',
    stages: inTransaction,
    code: permanentCode,
    enhanced: /^4/,
    example: {
      stage: 'body',
      reply: '550 4.4.7 QUEUE.Expired; message expired',
      source: `${bounces}/lhost-exchange2007-05.eml`,
    },
  },
  {
    // Before a recipient is named, security and policy (RFC 3463, 3.8) can only be about how much we send.
    judgement: 'slower',
    stages: ['mail'],
    code: /^4(?:21|5[014])$/,
    enhanced: /^4\.7\./,
    example: {
      stage: 'mail',
      reply: '421 4.7.1 Intrusion prevention active for [192.0.2.1][R]',
      source: 'https://github.com/zytzagoo/smtp-validate-email/issues/9 (the command is ours)',
    },
  },
  {
    // It does not know the command, or what we add to it.
    judgement: 'relay',
    stages: ['mail'],
    code: /^5(?:0[0245]|55)$/,
    example: {
      stage: 'mail',
      reply: '502 Invalid/unsupported command',
      source: 'github.com/postalserver/postal app/lib/smtp_server/client.rb',
    },
  },
  {
    judgement: 'sender',
    stages: ['mail'],
    code: permanentCode,
    example: {
      stage: 'mail',
      reply: '554 Mail from user@example.net rejected for policy reasons.',
      source: 'github.com/sisimai/set-of-emails maildir/bsd/rfc3464-03.eml',
    },
  },
]
