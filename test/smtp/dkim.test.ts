import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { createSigner } from '../../src/smtp/dkim.js'
import { createSigningKey, isValid, pythonVerdicts, type SigningKey, verdicts } from './dkim-verifiers.js'

const rsa = createSigningKey('rsa')
const ed25519 = createSigningKey('ed25519')

function signerWith({ key }: SigningKey, skipFields: readonly string[] = []) {
  const dkim = { domainName: 'example.com', keySelector: 'mail.2026', key, skipFields: new Set(skipFields) }
  return createSigner(dkim, systemClock)
}

/** As it arrives: the wire ends the last line. */
async function signed(message: Buffer, key = rsa, skipFields: readonly string[] = []): Promise<Buffer> {
  const end = message.subarray(-2).toString() === '\r\n' ? '' : '\r\n'
  return Buffer.concat([await signerWith(key, skipFields).sign(message), message, Buffer.from(end)])
}

/** Every header that has to be signed, each with a value of its own. */
const headers: Readonly<Record<string, string>> = {
  From: 'Ada <ada@example.com>',
  Sender: 'office@example.com',
  'Reply-To': 'answers@example.com',
  Subject: 'A greeting',
  Date: 'Sun, 22 Nov 2026 10:00:00 +0000',
  'Message-ID': '<1@example.com>',
  To: 'bob@example.net',
  Cc: 'carol@example.net',
  'MIME-Version': '1.0',
  'Content-Type': 'text/plain; charset=utf-8',
  'Content-Transfer-Encoding': '7bit',
  'Content-Disposition': 'inline',
  'Content-ID': '<part@example.com>',
  'Content-Description': 'a text',
  'In-Reply-To': '<0@example.net>',
  References: '<0@example.net>',
  'List-Id': '<news.example.com>',
  'List-Help': '<https://example.com/help>',
  'List-Unsubscribe': '<https://example.com/u/1>',
  'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  'List-Subscribe': '<https://example.com/s>',
  'List-Post': '<mailto:list@example.com>',
  'List-Owner': '<mailto:owner@example.com>',
  'List-Archive': '<https://example.com/a>',
  'Feedback-ID': 'may:news:1:example',
  'Resent-Date': 'Sun, 22 Nov 2026 11:00:00 +0000',
  'Resent-From': 'dan@example.com',
  'Resent-Sender': 'eve@example.com',
  'Resent-To': 'fay@example.net',
  'Resent-Cc': 'gus@example.net',
  'Resent-Message-ID': '<2@example.com>',
}
const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
const body = 'Dear Bob,\r\n\r\nhow are you?\r\n'
const plain = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)

function edited(message: Buffer, from: string, to: string): Buffer {
  const text = message.toString('latin1')
  if (!text.includes(from)) throw new Error(`there is no ${from} in the message`)
  return Buffer.from(text.replace(from, to), 'latin1')
}

for (const [name, key] of Object.entries({ RSA: rsa, Ed25519: ed25519 })) {
  describe(`a signature with ${name}`, () => {
    test('is valid to mailauth and to Python', async (context) => {
      const message = await signed(plain, key)
      expect(await verdicts(message, key.record)).toEqual(['pass'])
      expect(await pythonVerdicts(context, [message], key.record)).toEqual([true])
    })

    test('is broken by any byte of the body', async () => {
      const message = await signed(plain, key)
      const start = message.indexOf('\r\n\r\n') + 4
      const at = [...message.keys()]
        .slice(start)
        .filter((index) => !/\s/.test(String.fromCharCode(message[index] ?? 0)))
      expect(at.length).toBeGreaterThan(15)
      for (const index of at) {
        const altered = Buffer.from(message)
        altered.writeUInt8(altered.readUInt8(index) ^ 1, index)
        expect(await isValid(altered, key.record)).toBe(false)
      }
      expect(await isValid(Buffer.concat([message, Buffer.from('x')]), key.record)).toBe(false)
    })
  })
}

test.each(Object.entries(headers))('altering or removing %s breaks the signature', async (header, value) => {
  const message = await signed(plain)
  expect(
    await isValid(edited(message, `\r\n${header}: ${value}`, `\r\n${header}: ${value}x`), rsa.record),
  ).toBe(false)
  expect(await isValid(edited(message, `\r\n${header}: ${value}`, ''), rsa.record)).toBe(false)
})

test('Python finds the same: every header is signed, and so is the body', async (context) => {
  const message = await signed(plain)
  const altered = Object.entries(headers).flatMap(([header, value]) => [
    edited(message, `\r\n${header}: ${value}`, `\r\n${header}: ${value}x`),
    edited(message, `\r\n${header}: ${value}`, ''),
  ])
  const bodies = [edited(message, 'Dear', 'dear'), Buffer.concat([message, Buffer.from('x')])]
  const answers = await pythonVerdicts(context, [message, ...altered, ...bodies], rsa.record)
  expect(answers[0]).toBe(true)
  expect(answers.slice(1)).toEqual([...altered, ...bodies].map(() => false))
})

const resent = /^Resent-/
test.each(Object.keys(headers).filter((name) => !resent.test(name)))(
  'a second %s breaks the signature, above and below the first',
  async (name) => {
    const message = await signed(plain)
    const second = `${name}: ${headers[name]}\r\n`
    expect(await isValid(Buffer.concat([Buffer.from(second), message]), rsa.record)).toBe(false)
    expect(await isValid(edited(message, '\r\n\r\nDear', `\r\n${second}\r\nDear`), rsa.record)).toBe(false)
  },
)

test.each(['From', 'Reply-To', 'Subject', 'Cc'])('a message without %s cannot be given one', async (name) => {
  const without = Buffer.from(`X-Other: 1\r\n\r\n${body}`)
  const message = await signed(without)
  expect(await isValid(message, rsa.record)).toBe(true)
  expect(await isValid(Buffer.concat([Buffer.from(`${name}: a@example.com\r\n`), message]), rsa.record)).toBe(
    false,
  )
})

test('what relays add on the way leaves the signature whole', async (context) => {
  const message = await signed(plain)
  const trace = 'Return-Path: <a@example.com>\r\nReceived: from x by y; Sun, 22 Nov 2026 10:00:00 +0000\r\n'
  const resentOnce = 'Resent-From: hal@example.com\r\nX-Spam: no\r\n'
  const passed = Buffer.concat([Buffer.from(trace + resentOnce), message])
  expect(await isValid(passed, rsa.record)).toBe(true)
  expect(await pythonVerdicts(context, [passed], rsa.record)).toEqual([true])
})

test("the client's own signature stays as it is below ours, and both are valid", async () => {
  const theirs = await signed(plain)
  const both = await signed(theirs)
  expect(both.subarray(-theirs.length).equals(theirs)).toBe(true)
  expect(await verdicts(both, rsa.record)).toEqual(['pass', 'pass'])
})

test('of equal headers each one is signed', async () => {
  const double = edited(plain, 'Subject: A greeting', 'Subject: A greeting\r\nSubject: Another')
  const message = await signed(double)
  expect(await isValid(message, rsa.record)).toBe(true)
  expect(await isValid(edited(message, 'A greeting', 'A Greeting'), rsa.record)).toBe(false)
  expect(await isValid(edited(message, 'Another', 'Bnother'), rsa.record)).toBe(false)
})

test('headers that the relay rewrites can be left out', async () => {
  const message = await signed(plain, rsa, ['message-id', 'date'])
  const rewritten = edited(edited(message, '<1@example.com>', '<x@relay.example>'), '10:00:00', '10:00:01')
  expect(await isValid(rewritten, rsa.record)).toBe(true)
})

test('a header whose name could end a tag is not named in the signature', async () => {
  const head = (
    await signerWith(rsa).sign(edited(plain, 'Subject:', 'List-x;d=evil.example: 1\r\nSubject:'))
  ).toString()
  expect(head).not.toContain('evil')
})

test('the signature stands first, and no line of it is longer than 78', async () => {
  const head = (await signerWith(rsa).sign(plain)).toString()
  expect(head).toMatch(/^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed;\r\n/)
  expect(head).toMatch(/[^\n]\r\n$/)
  expect(Math.max(...head.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78)
})

test('one Buffer for many recipients is signed once, an equal one anew', async () => {
  const signer = signerWith(ed25519)
  const [first, second] = await Promise.all([signer.sign(plain), signer.sign(plain)])
  expect(second).toBe(first)
  const other = await signer.sign(Buffer.from(plain))
  expect(other).not.toBe(first)
  expect(other.equals(first)).toBe(true)
})

test('others get their turn while a large body is hashed', async () => {
  let pauses = 0
  const clock = { ...systemClock, sleep: async () => void pauses++ }
  const dkim = {
    domainName: 'example.com',
    keySelector: 'k',
    key: ed25519.key,
    skipFields: new Set<string>(),
  }
  const large = Buffer.concat([plain, Buffer.from('a line  with two spaces \t\r\n'.repeat(200_000))])
  const head = await createSigner(dkim, clock).sign(large)
  expect(pauses).toBeGreaterThan(15)
  expect(await isValid(Buffer.concat([head, large]), ed25519.record)).toBe(true)
  const endless = Buffer.concat([plain, Buffer.alloc(2_000_000, ' '), Buffer.alloc(2_000_000, 'x')])
  const endlessHead = await createSigner(dkim, clock).sign(endless)
  expect(await isValid(Buffer.concat([endlessHead, endless]), ed25519.record)).toBe(true)
})

const word = fc.stringMatching(/^[!-9;-~\u00a1-\u00ff]{1,12}$/)
const blank = fc.constantFrom(' ', '  ', '\t', ' \t ', '\r\n ', ' \r\n\t')
const value = fc.array(fc.tuple(word, blank), { minLength: 1, maxLength: 6 }).map((pairs) =>
  pairs
    .flat()
    .join('')
    .replace(/\r\n[ \t]+$/, ' '),
)
const bodyText = fc
  .array(fc.constantFrom('word', ' ', '\t', '\r\n', '.', '\r\n\r\n', '  \r\n', '\u00e9', '=', '\u0001'), {
    maxLength: 40,
  })
  .map((pieces) => pieces.join(''))
const names = fc.constantFrom('Subject', 'subject', 'X-Other', 'List-Unsubscribe', 'To', 'CC', 'Comments')
const messageWith = (...colons: string[]) => {
  const header = fc.tuple(names, fc.constantFrom(...colons), value).map((parts) => parts.join(''))
  return fc
    .tuple(fc.array(header, { minLength: 1, maxLength: 5 }), bodyText)
    .map(([fields, text]) =>
      Buffer.from(`From: a@example.com\r\n${fields.join('\r\n')}\r\n\r\n${text}`, 'latin1'),
    )
}

test('whatever the headers and bodies, Python finds the signature valid', async (context) => {
  const messages = fc.sample(messageWith(':', ': ', ':\t'), 400)
  const all = await Promise.all(messages.map((each) => signed(each, ed25519)))
  const answers = await pythonVerdicts(context, all, ed25519.record)
  const wrong = all.filter((_, index) => !answers[index])
  expect(wrong.map(String)).toEqual([])
})

test('whatever the headers and bodies, mailauth finds the signature valid', async () => {
  await fc.assert(
    fc.asyncProperty(messageWith(':', ': ', ' : ', ':\t'), async (each) => {
      expect(await isValid(await signed(each, ed25519), ed25519.record)).toBe(true)
    }),
    { numRuns: 300 },
  )
})
