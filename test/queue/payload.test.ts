import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { deliveryOf, parsePayload, payloadOf } from '../../src/queue/payload.js'

interface Stored {
  readonly id: string
  readonly stored: string
  readonly delivery: object
}

const facts = { lane: 'bulk', timestamp: 1_699_999_999_999, attemptsMade: 2, stalledCounter: 1 }
const now = 1_700_000_002_000

test.each([1, 2])(
  'what waits in Redis with payloads of version %i is read as it was meant',
  async (version) => {
    const file = await readFile(`test/queue/fixtures/payloads-v${version}.json`, 'utf8')
    const jobs = JSON.parse(file) as Stored[]
    expect(jobs.length).toBeGreaterThan(1)
    for (const { id, stored, delivery } of jobs)
      expect(deliveryOf({ ...facts, id, data: JSON.parse(stored) }, now)).toEqual(delivery)
  },
)

test('what is written now is read now', () => {
  const contentHash = 'ab'.repeat(32)
  const payload = payloadOf({ contentHash, recipient: { address: 'a@example.com' }, repeatable: true })
  const delivery = deliveryOf({ ...facts, id: 'e.0', data: JSON.parse(JSON.stringify(payload)) }, now)
  expect(delivery).toMatchObject({ contentHash, recipient: { address: 'a@example.com' } })
})

const c = 'x'.repeat(43)
test.each<[string, unknown, RegExp]>([
  ['a version to come', { v: 3, c, a: 'a@example.com' }, /its version is 3, and this one reads 1 and 2/],
  [
    'a field that came with a later version',
    { v: 1, c, a: 'a@example.com', o: '1 09:00 17:00 UTC' },
    /Unrecognized/,
  ],
  ['a version that is no number', { v: '1', c, a: 'a@example.com' }, /its version is "1"/],
  ['no version', { c, a: 'a@example.com' }, /no delivery of ours: v /],
  ['a field too many', { v: 1, c, a: 'a@example.com', z: 1 }, /no delivery of ours/],
  ['text', 'garbage', /no delivery of ours/],
  ['null', null, /no delivery of ours/],
  ['an array', [], /no delivery of ours/],
])('a payload with %s is refused with its reason', (_what, data, reason) => {
  expect(() => parsePayload(data)).toThrow(
    expect.objectContaining({ code: 'invalid_payload', message: expect.stringMatching(reason) }),
  )
})
