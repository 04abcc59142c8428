// First part of the table: enhanced codes and tags of providers that have one meaning wherever they stand.
// A tag that is also said of other things belongs to rules-by-words.ts.

import { afterSender, inTransaction, permanentCode, type Rule } from './reply-rule.js'

const bounces = 'github.com/sisimai/set-of-emails maildir/bsd'
const manual = 'github.com/ActiveCampaign/smtp-field-manual data/codes'
/** Microsoft's table names the enhanced code alone; the 550 before it is ours. */
const microsoft =
  'github.com/MicrosoftDocs/OfficeDocs-Exchange Exchange/ExchangeOnline/mail-flow-best-practices/non-delivery-reports-in-exchange-online'

export const rulesByTag: readonly Rule[] = [
  {
    judgement: 'auth',
    stages: ['auth'],
    example: {
      stage: 'auth',
      reply: '535 5.7.8 Error: authentication failed: authentication failure',
      source: 'github.com/vdukhovni/postfix postfix/src/smtpd/smtpd_sasl_glue.c',
    },
  },
  {
    // Microsoft: the recipient's own organisation takes no mail from this sender.
    judgement: 'permanent',
    stages: afterSender,
    code: permanentCode,
    enhanced: /^5\.7\.(?:12|1[1-3]\d|50[457]|51[23])$/,
    example: {
      stage: 'rcpt',
      reply: '550 5.7.135 Sender was not authenticated for public folder',
      source: 'github.com/sisimai/p5-sisimai lib/Sisimai/Rhost/Microsoft.pm',
    },
  },
  {
    judgement: 'permanent',
    stages: afterSender,
    code: permanentCode,
    words: /\bRESOLVER\.|\bTRANSPORT\.RULES\b|\bmimecast\b/,
    example: {
      stage: 'body',
      reply:
        '550 Rejected by header based manually Blocked Senders: user@example.com - https://community.mimecast.com/docs/DOC-1369#550 [example]',
      source: `${manual}/550.json`,
    },
  },
  {
    // An account that may send nothing more, and no word about this sender's address.
    judgement: 'relay',
    stages: inTransaction,
    words: /\b(?:outgoing|outbound)\b[^.]{0,20}(?:block|sender)/i,
    example: { stage: 'mail', reply: '550 5.1.8 Access denied, bad outbound sender', source: microsoft },
  },
  {
    // RFC 3463, 3.2: the sender's mailbox has bad syntax, the sender's system cannot be.
    judgement: 'permanent',
    stages: inTransaction,
    code: permanentCode,
    enhanced: /^5\.1\.[78]$/,
    example: {
      stage: 'mail',
      reply: '553 5.1.8 <root@example.com>... Domain of sender address root@example.com does not exist',
      source: `${bounces}/lhost-postfix-10.eml`,
    },
  },
  {
    // SPF, DKIM and DMARC of the sender's domain (RFC 7372; Google and Microsoft have further numbers).
    judgement: 'sender',
    stages: inTransaction,
    enhanced: /^[45]\.7\.(?:2[0-4]|26|27|3[0-2]|40|60|509)$/,
    example: {
      stage: 'body',
      reply: '550 5.7.26 <user@example.com>: ETP205 DMARC Failure for domain',
      source: `${manual}/550.json`,
    },
  },
  {
    // Google: an unusual rate. The same number under a permanent code is a verdict.
    judgement: 'slower',
    code: /^4/,
    enhanced: /^4\.7\.28$/,
    example: {
      stage: 'body',
      reply:
        '421-4.7.28 [192.0.2.1       4] Our system has detected an unusual rate of\r\n421-4.7.28 unsolicited mail originating from your IP address.',
      source: 'https://github.com/mail-in-a-box/mailinabox/issues/1771 (the rest of the reply is left out)',
    },
  },
  {
    // What we are: our address, its name in the DNS, its reputation, our mail as a whole.
    judgement: 'policy',
    enhanced: /^[45]\.7\.(?:2[589]|50[12367]|51[015]|6\d\d)$/,
    example: {
      stage: 'body',
      reply:
        "550 5.7.515 Access denied, sending domain EXAMPLE.JP doesn't meet the required authentication level. The sender's domain in the 5322.From address doesn't meet the authentication requirements",
      source: `${bounces}/rhost-microsoft-06.eml`,
    },
  },
  {
    // Yahoo: deferred by volume or complaints. TS03 and TS09 say that trying again is of no use.
    judgement: 'slower',
    code: /^4/,
    words: /\[(?:IP)?TSS?(?!0[39])\d\d\]/i,
    example: {
      stage: 'mail',
      reply:
        '421 4.7.0 [TSS05] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1',
      source:
        'https://community.fortinet.com/t5/FortiMail/Troubleshooting-Tip-How-to-resolve-421-4-7-0-TSS05-Messages-from/ta-p/380206',
    },
  },
  {
    // Yahoo, Outlook.com, T-Online, Comcast, Cox.
    judgement: 'policy',
    words: /\[(?:IP)?TSS?\d\d\]|\[BL\d\d\]|\b(?:OU|SC|DY)-00\d\b|\(BL\)|\bBL\d{6}\b|\bAUP#(?!In-|Out)/i,
    example: {
      stage: 'mail',
      reply:
        "550 SC-001 (BAY004-MC4F3) Unfortunately, messages from IP 192.0.2.1 weren't sent. Please contact your Internet service provider since part of their network is on our block list.",
      source: 'https://help.returnpath.com/hc/en-us/articles/220565487-Block-bounce-code-examples',
    },
  },
  {
    // NetEase, Outlook.com, Cox and Spectrum: too many connections or too much mail.
    judgement: 'slower',
    words: /\b(?:HL:(?:ICC|IFC)|DT:SPM|RP-00\d|AUP#(?:In-|Out))/i,
    example: {
      stage: 'mail',
      reply:
        "421 RP-001 (SNT0-MC2-F19) Unfortunately, some messages from 192.0.2.1 weren't sent. Please try again. We have limits for how many messages can be sent per hour and per day.",
      source: 'https://pastebin.com/dW4JrGn7',
    },
  },
  {
    judgement: 'slower',
    enhanced: /^[45]\.7\.508$/,
    example: {
      stage: 'mail',
      reply: '550 5.7.508 Access denied, [192.0.2.1] has exceeded permitted limits within 192.0.2.0/24 range',
      source: microsoft,
    },
  },
  {
    // Google's and Microsoft's limits of an account, and Microsoft's of a tenant.
    judgement: 'relay',
    stages: inTransaction,
    enhanced: /^5\.(?:4\.5|7\.7\d\d|1\.90)$/,
    example: {
      stage: 'body',
      reply: '550 5.7.708 Access denied, traffic not accepted from this IP',
      source: microsoft,
    },
  },
]
