import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseReply, replyGroup } from '../../src/delivery/replies.js'
import { normalReply, replyGroupOf } from '../../src/queue/reply-group.js'

const path = new URL('../delivery/corpus/replies.json', import.meta.url)
const corpus: readonly { reply: string; judgement: string }[] = JSON.parse(readFileSync(path, 'utf8'))

function groupOf(response: string, recipient?: string) {
  const reply = parseReply(response)
  if (reply === undefined) throw new Error(`no reply: ${response}`)
  return replyGroupOf(replyGroup(reply), reply.text, recipient)
}

test('no two replies of the corpus that are judged differently are in one group', () => {
  const judgements = new Map<string, Set<string>>()
  for (const { reply, judgement } of corpus) {
    const { id } = groupOf(reply)
    judgements.set(id, (judgements.get(id) ?? new Set()).add(judgement))
  }
  expect(judgements.size).toBeGreaterThan(400)
  expect([...judgements.values()].filter((each) => each.size > 1)).toEqual([])
})

test('a reply to another recipient, from another host, under another queue id, is in the same group', () => {
  const another = (reply: string) =>
    reply
      .replaceAll(/[\w.-]+@[\w-]+(?:\.[\w-]+)+/g, 'peter.o-toole+x@mail.another-domain.co.uk')
      .replaceAll(/(?<![\d.])192\.0\.2\.\d+(?![\d.])/g, '203.0.113.77')
      .replaceAll(
        /(?<![\w.-])(?:mx|mail|smtp)[\w-]*\.example\.(?:com|org|net)(?![\w.-])/g,
        'in-7.another.net',
      )
      .replaceAll(/\b0{10}\w+\.\d+/g, '98a67ed59e1d1-3a1b2c3d4e5fsi1234567a91.37')
      .replaceAll(/\b08DC[0-9A-F]{12}\b/g, '08DE4F1A2B3C4D5E')
  const changed = corpus.filter(({ reply }) => another(reply) !== reply)
  expect(changed.length).toBeGreaterThan(100)
  const apart = changed.filter(({ reply }) => groupOf(reply).id !== groupOf(another(reply)).id)
  expect(apart.map(({ reply }) => [groupOf(reply).text, groupOf(another(reply)).text])).toEqual([])
})

describe('alike', () => {
  const alike: Record<string, readonly string[]> = {
    'Google, however its lines are broken': [
      "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550-5.1.1 double-checking the recipient's email address for typos or\r\n550-5.1.1 unnecessary spaces. Learn more at\r\n550 5.1.1 https://support.google.com/mail/?p=NoSuchUser d2e1a72fcca58-7c3f1b5si12345678a12.345 - gsmtp",
      "550-5.1.1 The email account that you tried to reach does not exist. Please\r\n550-5.1.1 try double-checking the recipient's email address for typos or unnecessary\r\n550-5.1.1 spaces. Learn more at\r\n550 5.1.1 https://support.google.com/mail/?p=NoSuchUser a640c23a62f3a-a7a1b2c3d4esi98765432b.7 - gsmtp",
    ],
    'Microsoft, from two of its hosts': [
      '550 5.2.1 Mailbox cannot be accessed [AM7EUR03FT012.eop-EUR03.prod.protection.outlook.com 2026-01-02T03:04:05.678Z 08DE4A1B2C3D4E5F]',
      '550 5.2.1 Mailbox cannot be accessed [BN8NAM11FT048.eop-nam11.prod.protection.outlook.com 2026-11-12T13:14:15.123Z 08DEFFA0B1C2D3E4]',
    ],
    'Postfix, to two recipients': [
      '550 5.1.1 <anna@example.com>: Recipient address rejected: User unknown in virtual mailbox table',
      '550 5.1.1 <bo.li+news@example.org>: Recipient address rejected: User unknown in virtual mailbox table',
    ],
    'a queue id of Sendmail': [
      '552 5.3.4 4B7F3A2C0E1: message is too large for 10485760 bytes',
      '552 5.3.4 9C1D2E3F4A5: message is too large for 20971520 bytes',
    ],
    'an address of IPv6': [
      '554 5.7.1 Service unavailable; Client host [2001:db8::25] blocked using zen.spamhaus.org',
      '554 5.7.1 Service unavailable; Client host [2001:db8:0:1:2:3:4:5] blocked using bl.spamcop.net',
    ],
  }
  test.each(Object.entries(alike))('%s', (_name, replies) => {
    expect(new Set(replies.map((reply) => groupOf(reply).text)).size).toBe(1)
  })
})

describe('not alike', () => {
  const pairs: readonly (readonly [string, string])[] = [
    ['550 5.1.1 RESOLVER.ADR.RecipNotFound; not found', '550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found'],
    ["550 5.7.1 Messages weren't sent (S3150)", "550 5.7.1 Messages weren't sent (S3140)"],
    ['554 [CS01] Message rejected', '554 [PH01] Message rejected'],
    ['550 5.1.0 sender rejected AUP#In-1310', '550 5.1.0 sender rejected AUP#In-1320'],
    ['550 5.1.1 no', '550 5.2.1 no'],
    ['550 5.1.1 Mailbox full', '550 5.1.1 Mailbox unknown'],
  ]
  test.each(pairs)('%s, and %s', (one, other) => {
    expect(groupOf(one).id).not.toBe(groupOf(other).id)
  })
})

test('a recipient that a reply names without its domain is taken out, and words of everybody stay', () => {
  const reply = '550 5.1.1 User anna.bell unknown'
  expect(groupOf(reply, 'anna.bell@example.com').text).toBe('User <address> unknown')
  expect(groupOf('550 5.1.1 User unknown', 'user@example.com').text).toBe('User unknown')
})

const addresses = fc.emailAddress()
const pieces = fc.array(
  fc.oneof(
    addresses,
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.webUrl(),
    fc.uuid(),
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '550',
      '5.1.1',
      '550-5.1.1',
      'said: 550 5.1.1',
      '<',
      '>',
      '"',
      '@',
      '[',
      '=',
      'User',
      'S3150',
      ':',
      '.',
    ),
    fc.integer().map(String),
  ),
  { maxLength: 12 },
)
const texts = fc
  .tuple(pieces, fc.constantFrom(' ', '', ' ', ': '))
  .map(([words, between]) => words.join(between))

test('what was made simple stays as it is, and is short', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const normal = normalReply(text)
      expect(normalReply(normal)).toBe(normal)
      expect(normal.length).toBeLessThanOrEqual(220)
    }),
    { numRuns: 3_000 },
  )
})

test('no address survives, wherever it stands', () => {
  fc.assert(
    fc.property(
      addresses,
      texts,
      texts,
      fc.constantFrom('', ' ', '<', '"', '(', ':'),
      (address, before, after, mark) => {
        const normal = normalReply(`${before}${mark}${address}${mark}${after}`)
        expect(normal).not.toContain('@')
      },
    ),
    { numRuns: 3_000 },
  )
})

test('a reply as long as anybody cares to send is made simple at once', () => {
  const long = [
    `${'a.'.repeat(50_000)}`,
    `${'1'.repeat(100_000)}`,
    `${'a@'.repeat(50_000)}`,
    '1.1.1.'.repeat(20_000),
    ':a'.repeat(50_000),
    `"${'a'.repeat(100_000)}`,
  ]
  const startedAt = performance.now()
  for (const text of long) normalReply(text)
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})
