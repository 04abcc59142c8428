import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IngressFlow, openIngressFlow } from './ingress-flow.js'
import { greeted, Talk } from './talk.js'

let open: IngressFlow
beforeAll(async () => {
  open = await openIngressFlow({ maxMessageBytes: 100_000, maxRecipients: 3 })
})
afterAll(() => open[Symbol.asyncDispose]())

test('the greeting is there at once, and EHLO tells what is spoken', async () => {
  using talk = await Talk.open(open.port)
  expect(await talk.reply()).toBe('220 mail.example.com ESMTP ready')
  expect((await talk.ask('EHLO client.example')).split('\r\n')).toEqual([
    '250-mail.example.com',
    '250-PIPELINING',
    '250-ENHANCEDSTATUSCODES',
    '250-8BITMIME',
    '250-SMTPUTF8',
    '250 SIZE 100000',
  ])
  expect(await talk.ask('HELO client.example')).toBe('250 mail.example.com')
})

test.each([
  ['MAIL FROM:<a@x.io>', '250 2.1.0'],
  ['mail from: <a@x.io>', '250 2.1.0'],
  ['MAIL FROM:<>', '250 2.1.0'],
  ['MAIL FROM:<@relay.example,@other.example:a@x.io>', '250 2.1.0'],
  ['MAIL FROM:<"a b"@x.io>', '250 2.1.0'],
  ['MAIL FROM:<a@x.io> SIZE=100000 BODY=8BITMIME SMTPUTF8', '250 2.1.0'],
  ['MAIL FROM:<a@x.io> BODY=7BIT AUTH=<>', '250 2.1.0'],
  ['MAIL FROM:<ä@x.io> SMTPUTF8', '250 2.1.0'],
  ['MAIL FROM:<a@x.io> SIZE=100001', '552 5.3.4'],
  ['MAIL FROM:<a@x.io> SIZE=99999999999999999999', '552 5.3.4'],
  ['MAIL FROM:<a@x.io> SIZE=1k', '501 5.5.4'],
  ['MAIL FROM:<a@x.io> SIZE', '501 5.5.4'],
  ['MAIL FROM:<a@x.io> SIZE=1 size=2', '501 5.5.4'],
  ['MAIL FROM:<a@x.io> BODY=BINARYMIME', '501 5.5.4'],
  ['MAIL FROM:<a@x.io> SMTPUTF8=yes', '501 5.5.4'],
  ['MAIL FROM:<a@x.io> RET=FULL', '555 5.5.4'],
  ['MAIL FROM:<a@x.io> REQUIRETLS', '555 5.5.4'],
  ['MAIL FROM:<a@x.io> constructor=1', '555 5.5.4'],
  ['MAIL FROM:<a@x.io> =1', '501 5.5.4'],
  ['MAIL FROM:a@x.io', '501 5.1.7'],
  ['MAIL FROM:', '501 5.1.7'],
  ['MAIL', '501 5.1.7'],
  ['MAIL FROM:<a@x.io>x', '501 5.1.7'],
  ['MAIL FROM:<Ann <a@x.io>>', '501 5.1.7'],
  ['MAIL FROM:<a@x.io>\r<b@x.io>', '501 5.1.7'],
  ['MAIL FROM:<ä@x.io>', '553 5.6.7'],
  ['MAIL FROM:<a@bücher.example>', '553 5.6.7'],
  ['MAIL FROM:<a@x.io,b@x.io>', '553 5.1.7'],
  ['MAIL FROM:<a>', '553 5.1.7'],
])('%j is answered by %s', async (line, reply) => {
  using talk = await greeted(open.port)
  expect(await talk.ask(line)).toMatch(new RegExp(`^${reply.replaceAll('.', '\\.')} `))
})

describe.each([
  ['', true],
  [' SMTPUTF8', false],
])('after MAIL FROM with the parameters "%s"', (parameters, asciiOnly) => {
  test.each([
    ['RCPT TO:<b@x.io>', '250 2.1.5'],
    ['RCPT TO:<"b c"@x.io>', '250 2.1.5'],
    ['RCPT TO:<ö@x.io>', asciiOnly ? '553 5.6.7' : '250 2.1.5'],
    ['RCPT TO:<b@bücher.example>', asciiOnly ? '553 5.6.7' : '250 2.1.5'],
    ['RCPT TO:<>', '553 5.1.3'],
    ['RCPT TO:<postmaster>', '553 5.1.3'],
    ['RCPT TO:<b@x.io> NOTIFY=NEVER', '555 5.5.4'],
    ['RCPT TO:<b@x.io> ORCPT=rfc822;b@x.io', '555 5.5.4'],
    ['RCPT TO:<b@@x.io>', '553 5.1.3'],
    ['RCPT TO:<b@x.io>,<c@x.io>', '501 5.1.3'],
    ['RCPT TO:<b@[127.0.0.1]>', '553 5.1.3'],
    ['RCPT TO:<b@x..io>', '553 5.1.3'],
    ['RCPT TO:<b@x.io\0>', '553 5.1.3'],
    [`RCPT TO:<${'b'.repeat(65)}@x.io>`, '553 5.1.3'],
    ['RCPT TO:b@x.io', '501 5.1.3'],
    ['RCPT FROM:<b@x.io>', '501 5.1.3'],
  ])('%j is answered by %s', async (line, reply) => {
    using talk = await greeted(open.port)
    await talk.ask(`MAIL FROM:<a@x.io>${parameters}`)
    expect(await talk.ask(line)).toMatch(new RegExp(`^${reply.replaceAll('.', '\\.')} `))
  })
})

test('an address that is no UTF-8 is refused, since two such would look the same', async () => {
  using talk = await greeted(open.port)
  await talk.ask('MAIL FROM:<a@x.io> SMTPUTF8')
  const line = Buffer.concat([Buffer.from('RCPT TO:<b'), Buffer.from([0xff]), Buffer.from('@x.io>')])
  expect(await talk.ask(line)).toMatch(/^501 5\.1\.3/)
})

test('the reply says what is wrong with an address, and speaks to no programmer', async () => {
  using talk = await greeted(open.port)
  await talk.ask('MAIL FROM:<a@x.io>')
  expect(await talk.ask('RCPT TO:<bob@@x.io>')).toBe('553 5.1.3 in "bob@@x.io" there is more than one @')
})

test('recipients past the limit are told to come with another message, and the first ones stand', async () => {
  using talk = await greeted(open.port)
  await talk.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<1@x.io>', 'RCPT TO:<2@x.io>', 'RCPT TO:<3@x.io>')
  expect(await talk.ask('RCPT TO:<4@x.io>')).toMatch(/^452 4\.5\.3 /)
  expect(await talk.ask('RCPT TO:<2@x.io>')).toMatch(/^250 /)
  expect(await talk.ask('DATA')).toMatch(/^354 /)
})

test.each([
  [['RCPT TO:<b@x.io>'], '503 5.5.1'],
  [['DATA'], '503 5.5.1'],
  [['MAIL FROM:<a@x.io>', 'DATA'], '503 5.5.1'],
  [['MAIL FROM:<a@x.io>', 'MAIL FROM:<b@x.io>'], '503 5.5.1'],
  [['MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'RSET', 'DATA'], '503 5.5.1'],
  [['MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'EHLO again.example', 'DATA'], '503 5.5.1'],
  [['MAIL FROM:<a@x.io>', 'RCPT TO:<b@@x.io>', 'DATA'], '503 5.5.1'],
  [['MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA now'], '501 5.5.4'],
  [['AUTH PLAIN AGEAYg=='], '500 5.5.2'],
  [['STARTTLS'], '500 5.5.2'],
  [['BDAT 5 LAST'], '500 5.5.2'],
  [['WIZ x'], '500 5.5.2'],
  [['XCLIENT ADDR=1.2.3.4'], '500 5.5.2'],
  [['EHLO'], '501 Syntax'],
  [['EHLO two names'], '501 Syntax'],
])('%j ends in %s', async (lines, reply) => {
  using talk = await greeted(open.port)
  expect(await talk.asks(...lines)).toMatch(new RegExp(`^${reply.replaceAll('.', '\\.')}`))
})

test('mail before EHLO is out of turn', async () => {
  using talk = await Talk.open(open.port)
  await talk.reply()
  expect(await talk.ask('MAIL FROM:<a@x.io>')).toMatch(/^503 5\.5\.1/)
})
