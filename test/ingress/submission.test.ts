import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import DKIM from 'nodemailer/lib/dkim'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { openClient } from '../sink/clients.js'
import { type IngressFlow, openIngressFlow } from './ingress-flow.js'
import { greeted, handIn, letter } from './talk.js'

let open: IngressFlow
beforeAll(async () => {
  open = await openIngressFlow()
  await open.flow.work()
})
afterAll(() => open[Symbol.asyncDispose]())
beforeEach(() => open.flow.sink.clear())

async function arrived(count: number) {
  await open.flow.sink.waitForMessages(count, AbortSignal.timeout(5_000))
  return open.flow.sink.messages
}

async function send(message: string | Buffer, to: string | string[] = 'bob@example.org') {
  using client = await openClient(open.port)
  return await client.send(to, message)
}

describe('what the relay gets', () => {
  test('is a Received header and then the very bytes that were handed in, when Date and Message-ID are there', async () => {
    const message = `Message-ID: <1@example.com>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n${letter}`
    await send(message)
    const [{ bytes } = { bytes: Buffer.alloc(0) }] = await arrived(1)
    const text = bytes.toString()
    expect(text.endsWith(message)).toBe(true)
    expect(text.slice(0, -message.length)).toMatch(
      /^Received: from \S+ \(\[127\.0\.0\.1\]\)\r\n\tby mail\.example\.com with ESMTP id [0-9a-f]{18};\r\n\t\w{3}, \d{2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n$/,
    )
  })

  test('has a Message-ID and a Date where there was none, and nothing else is touched', async () => {
    await send(letter)
    const [message] = await arrived(1)
    expect(message?.bytes.toString().endsWith(`\r\n${letter}`)).toBe(true)
    expect(message?.bytes.toString()).toMatch(
      /\r\nMessage-ID: <[0-9a-f]+@sender\.example>\r\nDate: .* \+0000\r\n/,
    )
  })

  test('has no Bcc, folded or not, and its recipients get it all the same', async () => {
    const bcc = 'bcc: Secret\r\n <secret@example.org>,\r\n\tother@example.org\r\n'
    await send(letter.replace('Subject', `${bcc}Subject`), ['bob@example.org', 'secret@example.org'])
    const messages = await arrived(2)
    expect(messages.flatMap(({ to }) => to).sort()).toEqual(['bob@example.org', 'secret@example.org'])
    for (const { bytes } of messages) {
      expect(bytes.toString()).not.toMatch(/secret|other/i)
      expect(bytes.toString().endsWith(letter)).toBe(true)
    }
  })

  test('names no recipient and no user in Received', async () => {
    await send(letter.replace('Bob <bob@example.org>', 'undisclosed'), 'hidden@example.org')
    const [message] = await arrived(1)
    expect(message?.bytes.toString()).not.toContain('hidden')
  })
})

describe('recipients', () => {
  test('come from the envelope, whatever the headers say, one delivery for each different one', async () => {
    const to = ['x@example.org', 'y@example.org', 'x@example.org', 'x@EXAMPLE.org']
    const { response } = await send(letter, to)
    expect(response).toMatch(/^250 2\.0\.0 Ok: queued as \S+ and 1 more$/)
    const messages = await arrived(2)
    expect(messages.map((message) => message.to).sort()).toEqual([['x@example.org'], ['y@example.org']])
    expect(messages.every(({ from }) => from === 'ann@sender.example')).toBe(true)
  })

  test('keep the case of their local part, and two that differ in it are two', async () => {
    await send(letter, ['Bob@example.org', 'bob@example.org'])
    expect((await arrived(2)).flatMap(({ to }) => to).sort()).toEqual(['Bob@example.org', 'bob@example.org'])
  })

  test('may be sent from nobody', async () => {
    using talk = await greeted(open.port)
    expect(await talk.asks('MAIL FROM:<>', 'RCPT TO:<bob@example.org>', 'DATA')).toMatch(/^354/)
    talk.write(`${letter}.\r\n`)
    expect(await talk.reply()).toMatch(/^250 2\.0\.0/)
    const [message] = await arrived(1)
    expect(message?.from).toBe('')
  })
})

test('the delivery that the 250 names is in the queue', async () => {
  using talk = await greeted(open.port)
  const reply = await handIn(talk)
  const [, id = ''] = /queued as (\S+)$/.exec(reply) ?? []
  await arrived(1)
  const state = () => open.flow.queue.delivery(id).then((delivery) => delivery.state === 'sent')
  await eventually('it is sent', state)
})

test('several messages go over one connection, each with its own recipients', async () => {
  using client = await openClient(open.port)
  for (let index = 0; index < 20; index += 1) await client.send(`r${index}@example.org`, letter)
  const messages = await arrived(20)
  expect(new Set(messages.flatMap(({ to }) => to)).size).toBe(20)
})

test('commands and a message in one packet are answered one by one', async () => {
  using talk = await greeted(open.port)
  const commands = ['MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.org>', 'DATA']
  talk.write(`${commands.join('\r\n')}\r\n${letter}.\r\nNOOP\r\nQUIT\r\n`)
  const replies = []
  for (let index = 0; index < 6; index += 1) replies.push((await talk.reply()).slice(0, 3))
  expect(replies).toEqual(['250', '250', '354', '250', '250', '221'])
  await arrived(1)
})

describe('what needs an extension of the relay', () => {
  const eightBit = letter.replace('Hi Bob', 'Grüß Gott')
  const inHeader = letter.replace('Hello', 'Grüße')

  test('arrives as it was, where the relay has it', async () => {
    using talk = await greeted(open.port)
    expect(await handIn(talk, eightBit)).toMatch(/^250 /)
    expect(
      await talk.asks('MAIL FROM:<ännchen@example.com> SMTPUTF8', 'RCPT TO:<jürgen@bücher.example>', 'DATA'),
    ).toMatch(/^354/)
    talk.write(`${inHeader}.\r\n`)
    expect(await talk.reply()).toMatch(/^250 /)
    const messages = await arrived(2)
    const second = messages.find(({ from }) => from.startsWith('ä'))
    expect(second?.to).toEqual(['jürgen@xn--bcher-kva.example'])
    expect(second?.bytes.toString().endsWith(inHeader)).toBe(true)
    expect(
      messages
        .find((message) => message !== second)
        ?.bytes.toString()
        .endsWith(eightBit),
    ).toBe(true)
  })

  test('fails with a code that says so, where it has not', async () => {
    await using plain = await openIngressFlow({}, { smtpUtf8: false })
    await plain.flow.work()
    using talk = await greeted(plain.port)
    await talk.asks('MAIL FROM:<ann@example.com> SMTPUTF8', 'RCPT TO:<jürgen@example.org>', 'DATA')
    talk.write(`${letter}.\r\n`)
    const [, id = ''] = /queued as (\S+)/.exec(await talk.reply()) ?? []
    const record = await eventually('it has failed', async () => {
      const delivery = await plain.flow.queue.delivery(id)
      return delivery.state === 'failed' ? delivery : undefined
    })
    expect(JSON.stringify(record)).toMatch(/5\.6\.\d/)
    expect(plain.flow.sink.messages).toHaveLength(0)
  })
})

const line = fc
  .array(
    fc.oneof(fc.constantFrom('.', '..', '.a', ' ', '\t', '=', 'é', 'From '), fc.string({ maxLength: 20 })),
    {
      maxLength: 5,
    },
  )
  .map((words) => words.join('').replace(/[\r\n]/g, '.'))
const body = fc.array(line, { maxLength: 30 }).map((lines) => lines.map((each) => `${each}\r\n`).join(''))

test('any body arrives byte for byte, however it was cut into packets', async () => {
  using talk = await greeted(open.port)
  let run = 0
  await fc.assert(
    fc.asyncProperty(
      body,
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 20 }),
      async (text, cuts) => {
        await open.flow.sink.clear()
        await talk.asks('MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.org>', 'DATA')
        run += 1
        const message = Buffer.from(`From: a@x.io\r\nDate: x\r\nMessage-ID: <${run}@x.io>\r\n\r\n${text}`)
        const stuffed = Buffer.from(message.toString('latin1').replace(/^\./gm, '..'), 'latin1')
        for (const part of cut(stuffed, cuts)) {
          talk.write(part)
          await new Promise((settle) => setImmediate(settle))
        }
        talk.write('.\r\n')
        expect(await talk.reply()).toMatch(/^250/)
        const [arrival] = await arrived(1)
        const { bytes = Buffer.alloc(0) } = arrival ?? {}
        expect(bytes.subarray(-message.length).equals(message)).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
}, 60_000)

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const parts: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    parts.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...parts, bytes.subarray(at)].filter((part) => part.length > 0)
}

test("a client's DKIM signature still verifies at the relay", async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signer = new DKIM({
    domainName: 'example.com',
    keySelector: 's1',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  })
  const message = `Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <2@example.com>\r\n${letter}.leading dot\r\n\ttab \r\n`
  const chunks: Buffer[] = []
  for await (const chunk of signer.sign(Buffer.from(message))) chunks.push(Buffer.from(chunk))
  await send(Buffer.concat(chunks))
  const [arrival] = await arrived(1)
  const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const verify = (bytes: Buffer) =>
    dkimVerify(bytes, { resolver: async () => [[`v=DKIM1; k=rsa; p=${key}`]] })
  const { bytes = Buffer.alloc(0) } = arrival ?? {}
  expect((await verify(bytes)).results[0]?.status.result).toBe('pass')
  const spoiled = Buffer.from(bytes.toString('latin1').replace('Hi Bob', 'Hi Rob'), 'latin1')
  expect((await verify(spoiled)).results[0]?.status.result).not.toBe('pass')
})
