import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type IngressFlow, openIngressFlow, password, tls, user } from './ingress-flow.js'
import { greeted, handIn, letter, plain, Talk } from './talk.js'

let open: IngressFlow
beforeAll(async () => {
  open = await openIngressFlow()
  await open.flow.work()
})
afterAll(() => open[Symbol.asyncDispose]())
beforeEach(() => open.flow.sink.clear())

async function accepted(): Promise<number> {
  const [lane] = await open.flow.queue.status()
  return lane?.accepted ?? 0
}

describe('a second message hidden in the first', () => {
  const hidden = 'MAIL FROM:<evil@x.io>\r\nRCPT TO:<victim@x.io>\r\nDATA\r\nevil\r\n'

  test.each([
    ['LF . LF', '\n.\n'],
    ['LF . CRLF', '\n.\r\n'],
    ['CRLF . LF', '\r\n.\n'],
    ['CR . CR', '\r.\r'],
    ['CR . CRLF', '\r.\r\n'],
    ['CRLF . CR', '\r\n.\r'],
    ['CRLF NUL . CRLF', '\r\n\0.\r\n\n'],
    ['CR CRLF . CRLF', '\r\r\n.\r\nx\r\n'.slice(0, 3)],
  ])('by %s ends nothing, and is refused with its cause', async (_, end) => {
    const before = await accepted()
    using talk = await greeted(open.port)
    const reply = await handIn(talk, `${letter}${end}${hidden}`)
    expect(reply).toMatch(
      /^554 5\.6\.0 The message cannot be taken: there is a bare (CR|LF) at byte \d+\. End every line with CRLF/,
    )
    expect(await talk.ask('NOOP')).toMatch(/^250/)
    expect(await accepted()).toBe(before)
  })

  test('by a dot that comes in a packet of its own ends nothing', async () => {
    using talk = await greeted(open.port)
    await talk.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
    const send = async (...parts: string[]) => {
      for (const part of parts) {
        talk.write(part)
        await new Promise((settle) => setTimeout(settle, 5))
      }
    }
    // A first line of one dot is no header, so the message is refused, but only at its own end.
    await send('.', '.', '\r\n', 'Subject: x\r\n\r\n.', '.', '\r\n', 'still here\r\n', '.\r\n')
    expect(await talk.reply()).toMatch(/^554 5\.6\.0/)
    await talk.asks('MAIL FROM:<a@x.io>', 'RCPT TO:<b@x.io>', 'DATA')
    await send('From: a@x.io\r\n\r\n.', '.', '\r\n', 'still here\r\n', '.\r\n')
    expect(await talk.reply()).toMatch(/^250/)
    await open.flow.sink.waitForMessages(1)
    expect(open.flow.sink.messages[0]?.bytes.toString()).toMatch(/\.\r\nstill here\r\n$/)
  })
})

test.each([
  ['a line end', 'x\r\nBcc: victim@x.io', /^Received: from x \(/],
  ['a bare CR', 'x\rBcc:y', /^Received: from/],
  ['a parenthesis', 'x(evil', /^Received: from unknown \(/],
  ['a semicolon', 'x;evil', /^Received: from unknown \(/],
  ['other letters', 'bücher.example', /^Received: from unknown \(/],
  ['an address literal', '[IPv6:::1]', /^Received: from \[IPv6:::1\] \(/],
])('%s in the name of EHLO writes nothing into a header', async (_, name, received) => {
  using talk = await greeted(open.port)
  talk.write(`EHLO ${name}\r\nRSET\r\n`)
  while (!(await talk.reply()).includes('Flushed'));
  expect(await handIn(talk)).toMatch(/^250/)
  await open.flow.sink.waitForMessages(1)
  const text = open.flow.sink.messages[0]?.bytes.toString() ?? ''
  expect(text).toMatch(received)
  expect(text).not.toMatch(/^Bcc|victim/im)
})

test('a web page that speaks to the port is hung up on', async () => {
  using talk = await Talk.open(open.port)
  await talk.reply()
  talk.write('POST / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO x\r\nMAIL FROM:<a@x.io>\r\n')
  expect(await talk.reply()).toMatch(/^421 /)
  expect(await talk.rest()).toBe('')
})

describe('STARTTLS', () => {
  let secured: IngressFlow
  beforeAll(async () => {
    secured = await openIngressFlow({ tls, users: [user] })
  })
  afterAll(() => secured[Symbol.asyncDispose]())

  test('throws away what came behind it in the clear', async () => {
    using talk = await greeted(secured.port)
    await talk.startTls(`EHLO evil.example\r\n${plain('shop', password)}\r\nMAIL FROM:<evil@x.io>\r\n`)
    expect(await talk.ask('NOOP')).toBe('250 2.0.0 OK')
    expect(await talk.ask('MAIL FROM:<a@x.io>')).toMatch(/^503 5\.5\.1/)
    await talk.ask('EHLO client.example')
    expect(await talk.ask('MAIL FROM:<a@x.io>')).toMatch(/^530 5\.7\.0/)
  })

  test('forgets the name and the envelope that came before it', async () => {
    using talk = await greeted(secured.port)
    await talk.startTls()
    expect(await talk.ask(plain('shop', password))).toMatch(/^503 5\.5\.1/)
  })

  test('is not offered twice', async () => {
    using talk = await greeted(secured.port)
    await talk.startTls()
    expect(await talk.ask('EHLO client.example')).not.toContain('STARTTLS')
    expect(await talk.ask('STARTTLS')).toMatch(/^503/)
  })
})
