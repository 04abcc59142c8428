import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { Draft } from '../../src/content/draft.js'
import { fixedText } from '../../src/content/fixed-text.js'
import { writeBody } from '../../src/content/quoted-printable.js'
import { createSigner, type Signer } from '../../src/smtp/dkim.js'
import { createSigningKey, isValid } from './dkim-verifiers.js'

const signing = createSigningKey('ed25519')
const options = {
  domainName: 'example.com',
  keySelector: 'k',
  key: signing.key,
  skipFields: new Set<string>(),
}

/** What Ed25519 signs is signed the same each time, so that signatures can be compared. */
function signer(): Signer {
  return createSigner(options, { ...systemClock, sleep: () => turn() })
}

const word = fc.constantFrom('word', ' ', '  ', '\t', '\n', '\n\n', ' \n', '.', 'é', '=', 'x'.repeat(80))
const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(''))
const body = fc.array(fc.record({ text, isFixed: fc.boolean() }), { maxLength: 6 })
const filler = fc.constantFrom(
  Buffer.alloc(70_000, 'base64'),
  Buffer.alloc(300_000, 'relaxed lines\r\n'),
  Buffer.alloc(300_000, 'two  blanks \t\r\n'),
  Buffer.alloc(70_000, ' '),
  Buffer.from(' \r\n'),
  Buffer.from('\r\n--end--\r\n'),
)
const above = 'From: a@example.com\r\nSubject: x\r\n'
const header = () => Buffer.from('Content-Type: text/plain\r\n\r\n')

test('a message in pieces is signed as it is as a whole, whatever is known of its lines', async () => {
  const [once, whole] = [signer(), signer()]
  await fc.assert(
    fc.asyncProperty(body, fc.array(filler, { maxLength: 3 }), async (texts, fillers) => {
      const draft = new Draft()
      draft.write(above)
      const pieces = texts.map((each) => (each.isFixed ? fixedText(each.text) : each.text))
      for (let time = 0; time < 2; time += 1) writeBody(draft, pieces, header)
      const { fixed } = draft
      const message = [draft.take(), ...fillers]
      const signature = await once.sign(message, fixed)
      expect(String(signature)).toBe(String(await whole.sign(Buffer.concat(message))))
    }),
    { numRuns: 300 },
  )
})

test('messages that are signed at the same time do not mix', async () => {
  const large = (letter: string) => Buffer.from(`${above}\r\n${`${letter}  \t${letter} \r\n`.repeat(60_000)}`)
  const messages = ['a', 'b', 'c'].map(large)
  const heads = await Promise.all(messages.map((message) => signer().sign(message)))
  for (const [index, message] of messages.entries())
    expect(await isValid(Buffer.concat([heads[index] ?? header(), message]), signing.record)).toBe(true)
})
