import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRow, writeRow } from '../../src/queue/row.js'
import { ChunkText } from '../../src/store/chunk-text.js'
import { chunkBytes, chunkRows, isSet, pack, packBytes, textOf, unpack } from '../../src/store/packed-rows.js'

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
      const text = new ChunkText()
      for (const each of rows) {
        text.startRow()
        if (each === null) text.rejectRow()
        else {
          writeRow(text, { ...each.variables, to: each.to })
          text.acceptRow()
        }
      }
      const packed = await packBytes(text.end(), text.bits)
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

test('a chunk that was packed from strings, at any level, is read as one that was written as bytes', async () => {
  const texts = ['["a@example.com",null,{"name":"Łódź"}]', undefined, '["b@example.com","B",{}]']
  const rows = [['a@example.com', null, { name: 'Łódź' }], undefined, ['b@example.com', 'B', {}]]
  expect(await unpack(await pack(textOf(texts), texts))).toEqual(rows)
  const bits = Buffer.alloc(chunkBytes)
  bits[0] = 0b1010_0000
  for (const level of [1, 3, 9]) {
    const packed = Buffer.concat([bits, deflateRawSync(textOf(texts), { level })])
    expect(await unpack(packed)).toEqual(rows)
  }
})
