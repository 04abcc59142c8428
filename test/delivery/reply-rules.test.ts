import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseReply } from '../../src/delivery/replies.js'
import { judgeReply, replyRules } from '../../src/delivery/reply-rules.js'

const judgements = [
  ['550 5.1.1 No such user', 'rcpt', 'permanent'],
  ['550 5.1.1 NO SUCH USER', 'rcpt', 'permanent'],
  ['554 5.6.0 Message rejected', 'body', 'permanent'],
  ['451 4.7.1 Greylisted', 'rcpt', 'temporary'],
  ['452 4.2.2 Mailbox full', 'rcpt', 'temporary'],
  ['552 5.2.2 Mailbox full', 'rcpt', 'temporary'],
  ['450 4.7.0 Grey listed for 5 minutes, too many new senders', 'rcpt', 'temporary'],
  ['452 4.2.1 Mailbox is receiving mail too fast', 'rcpt', 'temporary'],
  [
    '450 4.7.1 <a@example.com>: Recipient address rejected: receiving mail too frequently',
    'rcpt',
    'temporary',
  ],
  ['450 4.7.1 Rate limit exceeded for recipient', 'rcpt', 'temporary'],
  ['450 4.7.1 Rate limit exceeded for user bob', 'rcpt', 'slower'],
  ['552 5.2.2 Mailbox full', 'body', 'permanent'],
  ['552 5.3.4 Message too big', 'mail', 'permanent'],
  ['552 5.3.4 Message too big', 'rcpt', 'permanent'],
  ['553 5.1.7 Bad sender', 'mail', 'permanent'],
  ['553 5.1.8 Sender domain not found', 'mail', 'permanent'],
  ['450 5.1.8 sender address rejected: domain not found', 'rcpt', 'sender'],
  ['550 5.7.1 You may not send as this', 'mail', 'identity'],
  ['553 5.7.1 <a@example.com>: Sender address rejected: not owned by user bob', 'rcpt', 'identity'],
  ['553 5.7.1 <a@example.com>: Sender address rejected: not logged in', 'rcpt', 'identity'],
  ['554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException', 'body', 'identity'],
  ['550 5.7.1 Client does not have permissions to send as this sender', 'body', 'sender'],
  ['550 SPF: 192.0.2.1 is not allowed to send mail from example.com', 'rcpt', 'sender'],
  ['550 5.7.1 <a@example.com>: Sender address rejected: Access denied', 'rcpt', 'sender'],
  ['550 5.7.515 Access denied', 'body', 'policy'],
  ['421 4.7.28 Our system has detected an unusual rate', 'body', 'slower'],
  ['550 5.7.28 Our system has detected an unusual rate', 'body', 'policy'],
  ['421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred', 'mail', 'slower'],
  ['421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred', 'mail', 'policy'],
  ['450 4.7.1 whatever', 'mail', 'slower'],
  ['451 4.7.1 whatever', 'mail', 'slower'],
  ['451 4.7.1 whatever', 'rcpt', 'temporary'],
  ['530 5.7.0 Authentication required', 'mail', 'auth'],
  ['535 5.7.8 Bad credentials', 'auth', 'auth'],
  ['421 4.7.0 whatever', 'auth', 'auth'],
  ['554 5.7.1 <user@example.com>: Relay access denied', 'rcpt', 'relay'],
  ['550 Relaying denied', 'rcpt', 'relay'],
  ['550 Relay not permitted', 'rcpt', 'relay'],
  ['554 Relay rejected for policy reasons.', 'rcpt', 'relay'],
  ['550 Administrative prohibition: relaying', 'rcpt', 'relay'],
  ['550 5.7.1 no relaying', 'rcpt', 'relay'],
  ['550 5.7.1 Relaying not enabled', 'rcpt', 'relay'],
  ['554 5.7.1 Relaying to <user@example.com> prohibited by administrator', 'rcpt', 'relay'],
  ['550 not local host example.com, not a gateway', 'rcpt', 'relay'],
  ['454 4.7.1 <user@example.com>: Relay access denied', 'rcpt', 'relay'],
  ['550 5.1.1 <relaying@denied.example>: User unknown', 'rcpt', 'permanent'],
  ['550 5.1.1 <spamhaus@example.com>: User unknown', 'rcpt', 'permanent'],
  ['550 5.1.1 <greylist@example.com>: User unknown', 'rcpt', 'permanent'],
  ['550 5.1.1 <dmarc@example.com>: User unknown', 'rcpt', 'permanent'],
  [
    '550 5.1.1 <a@example.com>: Recipient address rejected: undeliverable address: host mx said: 554 Relay access denied',
    'rcpt',
    'temporary',
  ],
  [
    '550 5.1.1 <a@example.com>: Recipient address rejected: undeliverable address: host mx said: 550 blocked using zen.spamhaus.org',
    'rcpt',
    'temporary',
  ],
  [
    '550 5.1.1 <a@example.com>: Recipient address rejected: undeliverable address: host mx said: 550 5.1.1 no such user',
    'rcpt',
    'permanent',
  ],
  ['550 Please send as plain text, not HTML', 'body', 'sender'],
  ['554 No SMTP service here', 'connect', 'relay'],
  ['550 5.1.1 no such user', 'connect', 'relay'],
  ['421 Too many connections from your host', 'connect', 'slower'],
  ['421 Service shutting down', 'body', 'temporary'],
  ['450 5.1.1 unknown user', 'rcpt', 'temporary'],
  ['550 4.2.1 mailbox disabled for now', 'rcpt', 'temporary'],
  ['550 5.2.0 Please try again later', 'rcpt', 'temporary'],
  ['451 4.5.1 The recipient <user@example.com> has exceeded their message rate limit', 'rcpt', 'temporary'],
  ['451 4.7.1 Ratelimit "to" exceeded', 'rcpt', 'slower'],
  ['554 5.7.1 <user@example.com>: Recipient address rejected: exceeded your daily quota', 'rcpt', 'relay'],
  ['550 5.6.0 Mend the message and try again', 'body', 'permanent'],
  ['554 5.5.1 Error: no valid recipients', 'data', 'temporary'],
  ['199 what', 'rcpt', 'temporary'],
  ['354 go ahead', 'rcpt', 'temporary'],
  ['250 fine', 'data', 'temporary'],
] as const

test.each(judgements)('%s in answer to %s is %s', (response, stage, judgement) => {
  const reply = parseReply(response)
  expect(reply && judgeReply(reply, stage)).toBe(judgement)
})

test('each rule decides the reply that it gives as its example, and none before it does', () => {
  for (const rule of replyRules) {
    const { stage, reply: response } = rule.example
    const reply = parseReply(response)
    const first = replyRules.find(
      ({ stages, code, enhanced, words }) =>
        reply !== undefined &&
        (stages?.includes(stage) ?? true) &&
        (code?.test(String(reply.code)) ?? true) &&
        (enhanced?.test(reply.enhanced ?? '') ?? true) &&
        (words?.test(reply.text.replaceAll(/[^\s<]+@[^\s>]+/g, '@')) ?? true),
    )
    expect(first, response).toBe(rule)
    expect(reply && judgeReply(reply, stage), response).toBe(rule.judgement)
  }
})

test('each example names where it was found, and none is taken from the corpus', () => {
  const letters = (text: string) => text.toLowerCase().replace(/[^a-z]/g, '')
  const corpus: { reply: string }[] = JSON.parse(
    readFileSync(new URL('corpus/replies.json', import.meta.url), 'utf8'),
  )
  const known = new Set(corpus.map(({ reply }) => letters(reply)))
  for (const { example } of replyRules) {
    expect(example.source).toMatch(/^(https:\/\/|github\.com\/)/)
    expect(known.has(letters(example.reply)), example.reply).toBe(false)
  }
})

test('a text of a megabyte is judged at once', () => {
  const startedAt = performance.now()
  for (const part of [
    'a',
    'client host 1.2.',
    'your ip ',
    'too many x for ',
    'retry in ',
    'relay ',
    'a@',
    '@',
  ]) {
    const reply = parseReply(`550 ${part.repeat(1_000_000 / part.length)}`)
    if (reply) judgeReply(reply, 'rcpt')
  }
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})
