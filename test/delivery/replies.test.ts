import { expect, test } from 'vitest'
import { judgeReply, parseReply, replyGroup, replyRules } from '../../src/delivery/replies.js'

test('a reply is taken apart into code, enhanced code and text', () => {
  expect(parseReply('550 5.1.1 No such user')).toEqual({ code: 550, enhanced: '5.1.1', text: 'No such user' })
  expect(parseReply('451 try later')).toEqual({ code: 451, text: 'try later' })
  expect(parseReply('250')).toEqual({ code: 250, text: '' })
})

test('the lines of a reply are joined, each without its codes', () => {
  const reply = parseReply('550-5.7.1 Our system has\r\n550-5.7.1 detected something\n550 5.7.1 unusual')
  expect(reply).toEqual({ code: 550, enhanced: '5.7.1', text: 'Our system has detected something unusual' })
})

test('what is no reply is none', () => {
  expect(parseReply('garbage')).toBeUndefined()
  expect(parseReply('2500 x')).toBeUndefined()
  expect(parseReply('')).toBeUndefined()
})

test('an IP address in the text is no enhanced code', () => {
  expect(parseReply('554 5.10.2.3 is listed')).toEqual({ code: 554, text: '5.10.2.3 is listed' })
})

test('failures are grouped by code and enhanced code', () => {
  expect(replyGroup({ code: 550, enhanced: '5.1.1', text: '' })).toBe('550 5.1.1')
  expect(replyGroup({ code: 451, text: '' })).toBe('451')
})

const judgements = [
  ['550 5.1.1 No such user', 'rcpt', 'permanent'],
  ['554 5.6.0 Message rejected', 'body', 'permanent'],
  ['451 4.7.1 Greylisted', 'rcpt', 'temporary'],
  ['452 4.2.2 Mailbox full', 'rcpt', 'temporary'],
  ['552 5.2.2 Mailbox full', 'rcpt', 'temporary'],
  ['552 5.3.4 Message too big', 'mail', 'permanent'],
  ['553 5.1.8 Sender domain not found', 'mail', 'permanent'],
  ['550 5.7.1 You may not send as this', 'mail', 'sender'],
  ['550 5.7.515 Access denied', 'body', 'relay'],
  ['421 4.7.28 Our system has detected an unusual rate', 'body', 'relay'],
  ['421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred', 'mail', 'relay'],
  ['530 5.7.0 Authentication required', 'mail', 'relay'],
  ['199 what', 'rcpt', 'temporary'],
] as const

test.each(judgements)('%s in answer to %s is %s', (response, stage, judgement) => {
  const reply = parseReply(response)
  expect(reply && judgeReply(reply, stage)).toBe(judgement)
})

test('each rule fits the reply that it gives as its example', () => {
  for (const { example, when } of replyRules) {
    const reply = parseReply(example)
    expect(reply, example).toBeDefined()
    const stages = ['mail', 'rcpt', 'data', 'body'] as const
    expect(reply && stages.some((stage) => when(reply, stage)), example).toBe(true)
  }
})
