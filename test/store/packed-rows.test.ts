import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRow } from '../../src/queue/row.js'
import { chunkBytes, chunkRows, isSet, pack, textOf, unpack } from '../../src/store/packed-rows.js'

const row = fc.option(
  fc.record({
    to: fc.constantFrom('a@example.com', 'Ada <a@example.com>'),
    variables: fc.dictionary(fc.string(), fc.jsonValue()),
  }),
)

test('any rows come back as they were packed, each with its bit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      const parsed = rows.map((each) => (each ? parseRow({ ...each.variables, to: each.to }) : undefined))
      const texts = parsed.map((each) => each?.text)
      const packed = await pack(textOf(texts), texts)
      const unpacked = await unpack(packed)
      expect(unpacked).toEqual(
        parsed.map(
          (each) =>
            each && [
              each.recipient.address,
              each.recipient.name ?? null,
              JSON.parse(JSON.stringify(each.variables)),
            ],
        ),
      )
      const bits = packed.subarray(0, chunkBytes)
      const set = Array.from({ length: chunkRows }, (_, place) => isSet(bits, place))
      expect(set).toEqual(set.map((_, place) => parsed[place] !== undefined))
    }),
    { numRuns: 100 },
  )
})

test.each(['[["a@example.com",null,{}]', '{}', '[5]', '[[7,null,{}]]', '[null]'])(
  'a chunk that was compressed and holds %s is none of ours either',
  async (text) => {
    await expect(unpack(await pack(text, ['row']))).rejects.toMatchObject({ code: 'invalid_payload' })
  },
)

test('a chunk that is no chunk of ours is an error of its own', async () => {
  await expect(unpack(Buffer.from('nothing of ours, and long enough to have bits'))).rejects.toMatchObject({
    code: 'invalid_payload',
  })
})
