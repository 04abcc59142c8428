import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FluxMailError } from '../../src/errors.js'
import { parseRow, writeRow } from '../../src/queue/row.js'
import { ChunkText } from '../../src/store/chunk-text.js'

const most = 64 * 1024

/** The text of the rows as it is digested and compressed, '0' where one was refused. */
function textOf(rows: readonly unknown[]): string {
  const text = new ChunkText()
  for (const row of rows) writeOrReject(text, row)
  return text.end().toString()
}

function writeOrReject(text: ChunkText, row: unknown): FluxMailError | undefined {
  text.startRow()
  try {
    writeRow(text, row)
    text.acceptRow()
  } catch (error) {
    text.rejectRow()
    expect(error).toBeInstanceOf(FluxMailError)
    return error as FluxMailError
  }
  return undefined
}

function refusal(row: unknown) {
  const error = writeOrReject(new ChunkText(), row)
  return error && { code: error.code, message: error.message }
}

/** What JSON.stringify makes of the variables in the order of their names. */
function expected(address: string, variables: Record<string, unknown>): string {
  const sorted: Record<string, unknown> = {}
  for (const name of Object.keys(variables).sort()) {
    Object.defineProperty(sorted, name, {
      value: variables[name],
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return `["${address}",null,${JSON.stringify(sorted)}]`
}

const name = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.constantFrom('0', '9', '10', '007', '4294967295', '__proto__', 'toJSON', 'constructor', 'é', '"', ''),
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
  fc.constantFrom('O’Malley', 'Łódź', '"', '\\', '\n', '\u007f', '\u2028', '\ud800', '😀', 'x'.repeat(300)),
)
const value = fc.oneof(
  { weight: 6, arbitrary: text },
  { weight: 2, arbitrary: fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)) },
  {
    weight: 1,
    arbitrary: fc.oneof(fc.jsonValue(), fc.constant(undefined), fc.date({ noInvalidDate: true })),
  },
)

describe('how a row waits', () => {
  test('it is byte for byte the JSON of its address and its variables in the order of their names', () => {
    const variables = fc
      .dictionary(name, value, { maxKeys: 8 })
      .map(({ to: _to, attachments: _files, ...rest }) => rest)
    fc.assert(
      fc.property(fc.array(variables, { minLength: 1, maxLength: 6 }), (rows) => {
        const written = textOf(rows.map((row) => ({ ...row, to: 'ada@Example.com' })))
        expect(written).toBe(`[${rows.map((row) => expected('ada@example.com', row)).join(',')}]`)
      }),
      { numRuns: 2_000 },
    )
  })

  test('its digest is what it always was, so that rows that were enqueued before are known again', () => {
    const rows = [
      {
        to: '"Zoé, Z." <zoe@example.com>',
        name: 'Zoé',
        visits: 7,
        tags: ['a', { b: null }],
        ratio: -0,
      },
      { name: 'nobody' },
      {
        to: { name: 'Ada', address: 'ada@EXAMPLE.com' },
        10: 'ten',
        9: 'nine',
        a: undefined,
        z: 'O’Malley\t😀',
      },
      { to: 'b@example.com', attachments: undefined },
    ]
    const digest = createHash('sha256').update(textOf(rows)).digest('base64url')
    expect(digest).toBe('r9rMa_-cm08s-X-skvlJ034ijamnW5EW2K4OeAbxxTo')
  })

  test('nothing stays of a row that was refused half-way', () => {
    const bad = { to: 'ada@example.com', a: 'written', z: 'x'.repeat(most) }
    expect(textOf([bad, { to: 'b@example.com' }, bad])).toBe('[0,["b@example.com",null,{}],0]')
  })

  test('a text that was cleared has nothing left of its rows', () => {
    const text = new ChunkText()
    writeOrReject(text, { to: 'a@example.com' })
    writeOrReject(text, {})
    expect(text).toMatchObject({ rows: 2, accepted: 1 })
    expect(text.bits[0]).toBe(0b1000_0000)
    text.clear()
    writeOrReject(text, 5)
    expect(text).toMatchObject({ rows: 1, accepted: 0 })
    expect(text.bits[0]).toBe(0)
    expect(text.end().toString()).toBe('[0]')
  })

  test.each([
    ['ASCII', 'x'],
    ['three octets a character', '€'],
    ['an escape a character', '\n'],
    ['a surrogate pair', '😀'],
  ])('its variables may be just so many bytes of JSON: %s', (_, character) => {
    const size = JSON.stringify(character).length - 2
    const bytes = Math.max(Buffer.byteLength(character), size)
    const room = most - Buffer.byteLength('{"a":"","b":""}')
    const fill = character.repeat(Math.floor(room / bytes))
    const rest = 'x'.repeat(room % bytes)
    expect(refusal({ to: 'a@example.com', a: fill, b: rest })).toBeUndefined()
    const tooLarge = {
      code: 'invalid_params',
      message: 'the variables of a row must be under 65536 bytes of JSON',
    }
    expect(refusal({ to: 'a@example.com', a: fill, b: `${rest}x` })).toEqual(tooLarge)
    expect(refusal({ to: 'a@example.com', a: { fill }, b: 'x'.repeat(9) })).toEqual(tooLarge)
  })
})

describe('a row that cannot be one', () => {
  const circular: Record<string, unknown> = { to: 'a@example.com', long: 'x'.repeat(2 * most) }
  circular.own = circular
  const throwing = {
    to: 'a@example.com',
    get name(): string {
      throw new Error('not now')
    },
  }
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  test.each([
    ['no object', 'ada@example.com', 'invalid_params', 'a row must be an object { to, ...variables }'],
    ['a list', [], 'invalid_params', 'a row must be an object { to, ...variables }'],
    ['without to', { email: 'a@example.com' }, 'no_email', 'this one has email'],
    ['a bad address', { to: 'ada' }, 'invalid_email', 'has no @'],
    ['a BigInt', { to: 'a@example.com', a: 5n }, 'invalid_params', 'must be JSON: Do not know how'],
    ['a circle, told before its size', circular, 'invalid_params', 'must be JSON: Converting circular'],
    ['a getter that throws', throwing, 'invalid_params', 'the row cannot be read: not now'],
    ['a revoked proxy', revoked.proxy, 'invalid_params', 'the row cannot be read: '],
  ])('is told why: %s', (_, row, code, words) => {
    expect(refusal(row)).toEqual({ code, message: expect.stringContaining(words) })
    expect(() => parseRow(row)).toThrow(expect.objectContaining({ code }))
  })

  test('each of its fields is read once, and its recipient first', () => {
    const read: string[] = []
    const row = new Proxy(
      { z: '1', to: 'a@example.com', a: {} },
      {
        get: (target, key) => {
          if (typeof key === 'string') read.push(key)
          return Reflect.get(target, key)
        },
      },
    )
    writeOrReject(new ChunkText(), row)
    expect(read).toEqual(['to', 'a', 'z'])
  })
})
