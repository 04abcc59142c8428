import { expect, test } from 'vitest'
import { parseReply, replyGroup } from '../../src/delivery/replies.js'

test('a reply is taken apart into code, enhanced code and text', () => {
  expect(parseReply('550 5.1.1 No such user')).toEqual({ code: 550, enhanced: '5.1.1', text: 'No such user' })
  expect(parseReply('451 try later')).toEqual({ code: 451, text: 'try later' })
  expect(parseReply('250')).toEqual({ code: 250, text: '' })
})

test('the lines of a reply are joined, each without its codes', () => {
  const reply = parseReply('550-5.7.1 Our system has\r\n550-5.7.1 detected something\n550 5.7.1 unusual')
  expect(reply).toEqual({ code: 550, enhanced: '5.7.1', text: 'Our system has detected something unusual' })
})

test('of lines that differ the first enhanced code counts that says something', () => {
  expect(parseReply('550-5.0.0 Refused\r\n550 5.1.1 no such user')?.enhanced).toBe('5.1.1')
  expect(parseReply('550-5.1.1 no such user\r\n550 5.0.0 Refused')?.enhanced).toBe('5.1.1')
  expect(parseReply('554-5.7.0 Refused\r\n554 5.7.0 still')?.enhanced).toBe('5.7.0')
})

test('an enhanced code may stand in a later line, in brackets or after a tag', () => {
  expect(parseReply('550-Sorry,\r\n550 5.1.1 no such user')?.enhanced).toBe('5.1.1')
  expect(parseReply('553 sorry, not in my list of allowed rcpthosts (#5.7.1)')?.enhanced).toBe('5.7.1')
  expect(parseReply('450 cuda_nsu 4.7.1 go away')?.enhanced).toBe('4.7.1')
  expect(parseReply('550 #5.1.0 Address rejected.')).toEqual({
    code: 550,
    enhanced: '5.1.0',
    text: 'Address rejected.',
  })
})

const addresses = [
  '554 5.10.2.3 is listed',
  '554 4.4.4.4 is listed',
  '550 refused by Exim 4.94.2 here',
  '421 mx-5.1.1 away',
]

test.each(addresses)('neither an address nor a version is an enhanced code: %s', (response) => {
  expect(parseReply(response)).toEqual({ code: Number(response.slice(0, 3)), text: response.slice(4) })
})

test('odd white space, a semicolon, tabs and empty lines do not hide the parts', () => {
  expect(parseReply('  550\t5.1.1\t No  such\r\n\r\n')).toEqual({
    code: 550,
    enhanced: '5.1.1',
    text: 'No such',
  })
  expect(parseReply('550; 5.7.515 Access denied')).toEqual({
    code: 550,
    enhanced: '5.7.515',
    text: 'Access denied',
  })
  expect(parseReply('550-first\n second without a code\n550 third')?.text).toBe(
    'first second without a code third',
  )
})

test('text beyond ASCII is kept', () => {
  expect(parseReply('535 Error: 请使用授权码登录')?.text).toBe('Error: 请使用授权码登录')
  expect(parseReply('550 Bo\u00eete pleine \ufffd')?.text).toBe('Bo\u00eete pleine \ufffd')
})

test('a class that differs from that of the code is kept as it was said', () => {
  expect(parseReply('450 5.1.1 unknown')).toMatchObject({ code: 450, enhanced: '5.1.1' })
})

test('what is no reply is none', () => {
  for (const response of ['garbage', '2500 x', '', '099 x', '777 x', '55'])
    expect(parseReply(response), response).toBeUndefined()
})

test('failures are grouped by code and enhanced code', () => {
  expect(replyGroup({ code: 550, enhanced: '5.1.1', text: '' })).toBe('550 5.1.1')
  expect(replyGroup({ code: 451, text: '' })).toBe('451')
})
