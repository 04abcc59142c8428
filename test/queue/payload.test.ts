import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deliveryOf, parsePayload, payloadOf } from '../../src/queue/payload.js'
import { isPlainPayload } from '../../src/queue/plain-payload.js'

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

const any = fc.anything({ maxDepth: 2 })
const mostly = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ arbitrary: right, weight: 19 }, { arbitrary: any, weight: 1 })
const needed = {
  v: mostly(fc.constantFrom<unknown>(2, 2, 2, 2, 1, 3, '2')),
  c: mostly(fc.constantFrom(c, c, c, c.slice(1))),
  a: mostly(fc.constantFrom('a@example.com', 'b@example.com', '')),
}
const fields = {
  ...needed,
  n: mostly(fc.string()),
  k: mostly(fc.constant(1)),
  r: mostly(fc.string()),
  b: mostly(fc.constant(1)),
  d: mostly(fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), any)),
  x: mostly(fc.double()),
  f: mostly(fc.integer()),
  h: mostly(fc.integer()),
  s: mostly(fc.integer()),
  w: mostly(fc.string()),
  o: mostly(fc.string()),
}

test('what is believed without the schema is what the schema makes of it', () => {
  const data = fc.oneof(
    fc.record(fields, { requiredKeys: ['v', 'c', 'a'] }),
    fc.record({ ...needed, z: any }, { requiredKeys: [] }),
  )
  let believed = 0
  fc.assert(
    fc.property(data, (invented) => {
      const stored = JSON.parse(JSON.stringify(invented)) as object
      if (!isPlainPayload(stored)) return
      believed += 1
      // With a list of attempts it is one that only the schema judges.
      expect(parsePayload({ ...stored, l: [] })).toEqual({ ...stored, l: [] })
    }),
    { numRuns: 2_000 },
  )
  expect(believed).toBeGreaterThan(20)
})

test('a variable that would become a prototype is dropped', () => {
  const stored: unknown = JSON.parse(`{"v":2,"c":"${c}","a":"a@example.com","d":{"__proto__":{"x":1},"y":2}}`)
  expect(Object.keys(parsePayload(stored).d ?? {})).toEqual(['y'])
})
