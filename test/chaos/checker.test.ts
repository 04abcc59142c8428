import { expect, test } from 'vitest'
import { check, isBroken } from '../../scripts/chaos/checker.js'
import type { Evidence } from '../../scripts/chaos/evidence.js'
import { type Breach, breaches } from '../../scripts/chaos/faults.js'
import { tokenOf } from '../../scripts/chaos/letter.js'
import { attemptLifeMs } from '../../scripts/chaos/settings.js'
import { reportJson, reportLines } from '../../scripts/chaos/table.js'
import { evidenceOf, recipient, type Told } from './story.js'

function broken(evidence: Evidence): Breach[] {
  const { found } = check(evidence)
  return breaches.filter((breach) => found[breach].length > 0)
}

const held: Record<string, Told> = {
  'one sent and answered once': { end: 'sent', seen: [{ body: 'answered' }] },
  'one refused and never begun': { end: 'failed', to: 'reject-r0@example.com', seen: [] },
  'an unknown that was whole and not answered': { end: 'unknown', seen: [{ body: 'whole' }] },
  'an unknown that was answered on a connection of which nothing more was heard': {
    end: 'unknown',
    seen: [{ body: 'answered' }],
  },
  'an unknown whose worker read the 250 and was not seen again after': {
    end: 'unknown',
    seen: [{ body: 'answered' }, { other: 'w1', connection: 1 }],
  },
  'a second copy under resend after one without a reply': {
    end: 'sent',
    policy: 'resend',
    seen: [{ body: 'whole' }, { closed: 1 }, { body: 'answered', connection: 2, client: 'w2' }],
  },
  'a second copy under resend after one whose connection stayed, once its attempt could not be alive any more':
    {
      end: 'sent',
      policy: 'resend',
      seen: [
        { body: 'whole', at: 100 },
        { body: 'answered', connection: 2, client: 'w2', at: 100 + attemptLifeMs },
      ],
    },
  'one that was answered late, while a second copy was on its way': {
    end: 'sent',
    policy: 'resend',
    seen: [
      { body: 'answered', at: 8_000 },
      { closed: 1 },
      { body: 'answered', connection: 2, client: 'w2', at: 8_001 },
      { other: 'w1', connection: 3, at: 9_000 },
    ],
  },
  'an unknown that turned out to be sent': {
    end: 'sent',
    said: ['unknown', 'sent'],
    seen: [{ body: 'answered' }],
  },
  'one sent while its batch was paused that had its mark before': {
    end: 'sent',
    seen: [{ body: 'answered', at: 100 }],
    stopped: { how: 'paused', from: 50, until: 500, marked: ['b.0'] },
  },
  'one sent after its batch was resumed': {
    end: 'sent',
    seen: [{ body: 'answered', at: 600 }],
    stopped: { how: 'paused', from: 50, until: 500, marked: [] },
  },
  'one skipped because its batch was cancelled': {
    end: 'skipped',
    seen: [],
    stopped: { how: 'cancelled', from: 50, marked: [] },
  },
  'one skipped because its recipient bounces': { end: 'skipped', to: 'reject-again@example.com', seen: [] },
  'one that failed because the relay refuses it for ever': {
    end: 'failed',
    to: 'full-r0@example.com',
    seen: [],
  },
  'a second copy under resend after a 250 that its worker did not outlive': {
    end: 'sent',
    policy: 'resend',
    seen: [
      { body: 'answered' },
      { other: 'w1', connection: 1 },
      { body: 'answered', connection: 2, client: 'w2' },
    ],
  },
}

test.each(Object.entries(held))('the promise held: %s', (_, story) => {
  const evidence = evidenceOf(story)
  expect(broken(evidence)).toEqual([])
  expect(isBroken(check(evidence))).toBe(false)
})

const broke: Record<string, [Breach[], Told]> = {
  'sent, and the sink has nothing': [['lost'], { end: 'sent', seen: [] }],
  'sent, and the sink has only the beginning of it': [['lost'], { end: 'sent', seen: [{ body: 'begun' }] }],
  'sent, and the sink never answered it': [['lost'], { end: 'sent', seen: [{ body: 'whole' }] }],
  'two copies under hold': [
    ['duplicated'],
    { end: 'sent', seen: [{ body: 'whole' }, { body: 'answered', connection: 2 }] },
  ],
  'two copies under hold, though it ends as unknown': [
    ['duplicated'],
    { end: 'unknown', seen: [{ body: 'whole' }, { body: 'whole', connection: 2 }] },
  ],
  'a second copy under resend although the worker had read the 250 and lived on': [
    ['duplicated'],
    {
      end: 'sent',
      policy: 'resend',
      seen: [
        { body: 'answered' },
        { other: 'w1', connection: 1 },
        { body: 'answered', connection: 2, client: 'w2' },
        { other: 'w1', connection: 1 },
      ],
    },
  ],
  'a second copy under resend while the first attempt may be alive': [
    ['duplicated'],
    {
      end: 'sent',
      policy: 'resend',
      seen: [
        { body: 'whole', at: 100 },
        { body: 'answered', connection: 2, client: 'w2', at: 99 + attemptLifeMs },
      ],
    },
  ],
  'failed, and nobody had refused it': [['failedUnrefused'], { end: 'failed', seen: [] }],
  'sent, and then said to be unknown': [
    ['unknownOutside', 'contradicted'],
    { end: 'unknown', said: ['sent', 'unknown'], seen: [] },
  ],
  'a further copy with another Message-ID': [
    ['resentUnlike'],
    {
      end: 'sent',
      policy: 'resend',
      seen: [
        { body: 'whole' },
        { closed: 1 },
        { body: 'answered', connection: 2, messageId: '<other@example.com>' },
      ],
    },
  ],
  'failed, and the relay answered 250': [
    ['failedButAccepted'],
    { end: 'failed', seen: [{ body: 'answered' }] },
  ],
  'failed, and the relay has it whole': [['failedButAccepted'], { end: 'failed', seen: [{ body: 'whole' }] }],
  'skipped, and the relay answered 250': [
    ['failedButAccepted'],
    { end: 'skipped', seen: [{ body: 'answered' }], stopped: { how: 'cancelled', from: 500, marked: [] } },
  ],
  'skipped, though its batch was only paused': [
    ['skippedUnasked'],
    { end: 'skipped', seen: [], stopped: { how: 'paused', from: 0, until: 500, marked: [] } },
  ],
  'skipped, and nobody had asked for it': [['skippedUnasked'], { end: 'skipped', seen: [] }],
  'sent while its batch was paused, without a mark from before': [
    ['sentWhileStopped'],
    {
      end: 'sent',
      seen: [{ body: 'answered', at: 100 }],
      stopped: { how: 'paused', from: 50, until: 500, marked: ['b.1'] },
    },
  ],
  'sent after its batch was cancelled, without a mark from before': [
    ['sentWhileStopped'],
    { end: 'sent', seen: [{ body: 'answered' }], stopped: { how: 'cancelled', from: 50, marked: [] } },
  ],
  'unknown, and the sink never heard of it': [['unknownOutside'], { end: 'unknown', seen: [] }],
  'unknown, and the worker had read the 250 and lived on': [
    ['unknownOutside'],
    {
      end: 'unknown',
      seen: [
        { body: 'answered' },
        { other: 'w1', connection: 1 },
        { other: 'w1', connection: 1, at: 20_000 },
      ],
    },
  ],
  'pending when all is drained': [['stillPending'], { end: 'pending', seen: [{ body: 'answered' }] }],
  'pending when all is drained, and the sink has nothing': [
    ['lost', 'stillPending'],
    { end: 'pending', seen: [] },
  ],
  'a letter for somebody else': [
    ['wrongRecipient'],
    { end: 'sent', seen: [{ body: 'answered', token: tokenOf(1, 2) }] },
  ],
  'a letter to somebody who was never written to': [
    ['wrongRecipient'],
    { end: 'sent', seen: [{ body: 'answered' }, { body: 'answered', to: 'nobody@example.com' }] },
  ],
  'a letter without its middle': [['wrongBody'], { end: 'sent', seen: [{ body: 'answered', lines: 2 }] }],
  'a letter without its end': [['wrongBody'], { end: 'sent', seen: [{ body: 'answered', lines: -1 }] }],
}

test.each(Object.entries(broke))('the promise is broken: %s', (_, [expected, story]) => {
  const evidence = evidenceOf(story)
  expect(broken(evidence)).toEqual(expected)
  expect(isBroken(check(evidence))).toBe(true)
})

const sent = evidenceOf({ end: 'sent', seen: [{ body: 'answered' }] })

test('counts that say something else than what was found break the promise', () => {
  const [count] = sent.counts
  if (count === undefined) throw new Error('the story has no counts')
  for (const wrong of [
    { accepted: 2 },
    { sent: 0 },
    { failed: 1 },
    { unknown: 1 },
    { pending: 1 },
    { resent: 1 },
  ])
    expect(broken({ ...sent, counts: [{ ...count, ...wrong }] })).toEqual(['miscounted'])
  const [batch] = sent.batches
  if (batch === undefined) throw new Error('the story has no batch')
  expect(broken({ ...sent, batches: [{ ...batch, sent: 0, pending: 1 }] })).toEqual(['miscounted'])
})

test('a further copy that is not counted as resent breaks the promise', () => {
  const evidence = evidenceOf({
    end: 'sent',
    policy: 'resend',
    seen: [{ body: 'whole' }, { closed: 1 }, { body: 'answered', connection: 2, client: 'w2' }],
  })
  expect(broken(evidence)).toEqual([])
  const counts = evidence.counts.map((count) => ({ ...count, resent: 0 }))
  expect(broken({ ...evidence, counts })).toEqual(['miscounted'])
})

test('a job that says something else than the last word breaks the promise', () => {
  expect(broken({ ...sent, states: new Map([['b.0', 'failed']]) })).toEqual(['contradicted'])
  expect(broken({ ...sent, states: new Map() })).toEqual([])
})

test('what is given again, and later than what followed it, is in the order in which it was settled', () => {
  const said = evidenceOf({ end: 'sent', said: ['unknown', 'sent'], seen: [{ body: 'answered' }] })
  expect(broken({ ...said, words: [...said.words, ...said.words.slice(0, 1)] })).toEqual([])
})

test('an enqueue that is repeated is one delivery, and a second receipt with other ids is another', () => {
  const [intent, acknowledged] = sent.receipts
  if (intent === undefined || acknowledged?.kind !== 'acknowledged')
    throw new Error('the story has no receipt')
  expect(broken({ ...sent, receipts: [intent, acknowledged, acknowledged] })).toEqual([])
  const other = { ...acknowledged, deliveries: [{ id: 'b.1', recipient }] }
  expect(broken({ ...sent, receipts: [intent, acknowledged, other] })).toEqual(['miscounted', 'stillPending'])
})

test('a delivery of whose end nobody was told is still owed', () => {
  expect(broken({ ...sent, words: [] })).toEqual(['miscounted', 'stillPending'])
})

test('a worker that ended by itself breaks the promise', () => {
  expect(broken({ ...sent, surprises: ['w1 ended by itself (1)'] })).toEqual(['workerEnded'])
})

test('what arrived without an acknowledgement is told, and is no breach', () => {
  const receipts = sent.receipts.filter(({ kind }) => kind === 'intent')
  const report = check({ ...sent, receipts, counts: [], batches: [] })
  expect(report).toMatchObject({ accepted: 0, unacknowledged: 1 })
  expect(isBroken(report)).toBe(false)
})

const run = { seed: 7, actions: 3, workers: 4 }

test('the table has 80 columns at the most, and names each breach with its deliveries', () => {
  const lost = evidenceOf({ end: 'sent', seen: [] })
  const lines = reportLines(check(lost), lost, run)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(lines.join('\n')).toMatch(/^lost +1$/m)
  expect(lines.join('\n')).toContain(`b.0 <${recipient}> sent: 0 copies`)
  expect(lines.at(-1)).toBe('The promise is broken.')
  expect(lines.join('\n')).toContain('   1.000 s  the product says that b.0 is sent')
  expect(reportLines(check(sent), sent, run).at(-1)).toBe('The promise held.')
})

test('the JSON says the same as the table', () => {
  expect(JSON.parse(JSON.stringify(reportJson(check(sent))))).toMatchObject({
    held: true,
    accepted: 1,
    ends: { sent: 1, pending: 0 },
    copies: { 1: 1 },
    found: { lost: [] },
  })
})
