import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openRowFile, type RowFileOptions } from '../../../src/cli/import/row-file.js'
import { linesOf, type Read, readText } from './read-rows.js'

interface Odd {
  readonly name: string
  readonly file?: string
  readonly content: string | Uint8Array
  readonly options?: RowFileOptions
  /** Lines of its rows. */
  readonly rows: readonly number[]
  readonly broken?: readonly (readonly [line: number, reason: RegExp])[]
  readonly also?: (read: Read) => void
}

const utf16be = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()
const latin1 = (text: string) => Buffer.from(text, 'latin1')
const first = ({ rows }: Read) => rows[0]?.row

const corpus: readonly Odd[] = [
  {
    name: 'quoted newlines of three kinds',
    content: 'email,note\na@x.io,"1\r\n2\n3\r4"\nb@x.io,x\n',
    rows: [2, 6],
    also: (read) => expect(first(read)?.note).toBe('1\r\n2\n3\r4'),
  },
  { name: 'a byte order mark', content: '\ufeffemail\na@x.io\n', rows: [2] },
  { name: 'a mark, then a quoted header', content: '\ufeff"email"\n"a@x.io"\n', rows: [2] },
  {
    name: 'LF, CRLF and CR in one file',
    content: 'email\na@x.io\r\nb@x.io\rc@x.io\n\rd@x.io',
    rows: [2, 3, 4, 6],
  },
  {
    name: 'empty lines and lines of empty fields',
    content: 'email,n\n\na@x.io,1\n,\n  \nb@x.io,2\n,\n',
    rows: [3, 6],
  },
  {
    name: 'too many and too few fields',
    content: 'email,n\na@x.io\nb@x.io,1,2\nc@x.io,3\n',
    rows: [4],
    broken: [
      [2, /1 field .* 2/],
      [3, /3 fields .* 2/],
    ],
  },
  { name: 'a header and nothing else', content: 'email,name\n', rows: [] },
  { name: 'a header without a line break', content: 'email,name', rows: [] },
  { name: 'a NUL', content: 'email,n\na@x.io,x\0y\nb@x.io,1\n', rows: [3], broken: [[2, /a NUL/]] },
  {
    name: 'a field of 10 MB on one line',
    content: `email,n\na@x.io,"${'x'.repeat(10_000_000)}"\nb@x.io,1\n`,
    rows: [3],
    broken: [[2, /longer than/]],
  },
  {
    name: 'a field of 10 MB at the end, without a break',
    content: `email,n\na@x.io,1\nb@x.io,${'x'.repeat(10_000_000)}`,
    rows: [2],
    broken: [[3, /longer than/]],
  },
  {
    name: 'a quote that is open at the end',
    content: 'email,n\na@x.io,1\nb@x.io,"never',
    rows: [2],
    broken: [[3, /opened and not closed/]],
  },
  {
    name: 'words behind a closing quote',
    content: 'email,n\na@x.io,"one" two\nb@x.io,2\n',
    rows: [3],
    broken: [[2, /a quote stands where none may be/]],
  },
  {
    name: 'one broken byte in a file of UTF-8',
    content: Buffer.concat([
      Buffer.from('email,n\na@x.io,Köln é ü\nb@x.io,'),
      Buffer.from([0xf6]),
      Buffer.from('\nc@x.io,1\n'),
    ]),
    rows: [2, 4],
    broken: [[3, /not UTF-8/]],
  },
  {
    name: 'Latin-1, found',
    content: latin1('email,n\na@x.io,Köln\n'),
    rows: [2],
    also: (read) => expect(first(read)?.n).toBe('Köln'),
  },
  {
    name: 'Latin-1 as Windows has it, with a euro and quotes',
    content: Buffer.concat([Buffer.from('email,n\na@x.io,'), Buffer.from([0x80, 0x93, 0xdf, 0x94, 0x0a])]),
    rows: [2],
    also: (read) => expect(first(read)?.n).toBe('€“ß”'),
  },
  {
    name: 'Latin-1 that is said to be UTF-8',
    content: latin1('email,n\na@x.io,Köln\nb@x.io,1\n'),
    options: { encoding: 'utf-8' },
    rows: [3],
    broken: [[2, /not UTF-8/]],
  },
  {
    name: 'UTF-8 that is said to be Latin-1',
    content: 'email,n\na@x.io,é\n',
    options: { encoding: 'latin1' },
    rows: [2],
    also: (read) => expect(first(read)?.n).toBe('Ã©'),
  },
  {
    name: 'UTF-16 with its mark, little end first',
    content: Buffer.from('\ufeffemail,n\r\na@x.io,用户\r\n', 'utf16le'),
    rows: [2],
    also: (read) => expect(first(read)?.n).toBe('用户'),
  },
  { name: 'UTF-16 with its mark, big end first', content: utf16be('email\na@x.io\n'), rows: [2] },
  {
    name: 'a name ending in .tsv, with commas in its header',
    file: 'people.tsv',
    content: 'email\tone, two, three\na@x.io\tx\n',
    rows: [2],
    also: (read) => expect(first(read)).toMatchObject({ to: 'a@x.io', one_two_three: 'x' }),
  },
  {
    name: 'semicolons between fields, and more commas within quotes',
    content: '"name, first, last, all";email\n"a, b";a@x.io\n',
    rows: [2],
    also: (read) => expect(first(read)?.to).toBe('a@x.io'),
  },
  {
    name: 'a header of one column, with commas in no row',
    content: 'email\na@x.io\n',
    rows: [2],
  },
  {
    name: 'a delimiter that is given',
    content: 'email^n\na@x.io^1,2;3\n',
    options: { delimiter: '^' },
    rows: [2],
    also: (read) => expect(first(read)?.n).toBe('1,2;3'),
  },
  {
    name: 'the line with which a spreadsheet names its delimiter',
    content: 'sep=;\nemail;n\na@x.io;1\n',
    rows: [3],
  },
  { name: 'gzip, by its bytes and not by its name', content: gzipSync('email\na@x.io\n'), rows: [2] },
  {
    name: 'two gzip files in one',
    file: 'people.csv.gz',
    content: Buffer.concat([gzipSync('email\na@x.io\n'), gzipSync('b@x.io\n')]),
    rows: [2, 3],
  },
  {
    name: 'a name ending in .gz that is not packed',
    file: 'people.ndjson.gz',
    content: '{"to":"a@x.io"}\n',
    rows: [1],
  },
  {
    name: 'NDJSON with broken lines, arrays and values that are no objects',
    file: 'people.jsonl',
    content:
      '{"email":"a@x.io","n":{"m":[1,2]}}\n{"email":\n\n["b@x.io"]\n"c@x.io"\nnull\n7\n{"n":1}\n{"to":"d@x.io"}',
    rows: [1, 9],
    broken: [
      [2, /^it is no JSON: Unexpected end of JSON input$/],
      [4, /an array/],
      [5, /a string/],
      [6, /null/],
      [7, /a number/],
      [8, /no field to, email or address/],
    ],
    also: (read) => expect(first(read)).toEqual({ to: 'a@x.io', email: 'a@x.io', n: { m: [1, 2] } }),
  },
  {
    name: 'NDJSON in CRLF, with a mark, a name and an address that is an object',
    file: 'people.ndjson',
    content:
      '\ufeff{"to":" a@x.io ","name":"Ada  L"}\r\n{"to":{"name":"Bob","address":"b@x.io"},"name":"B"}\r\n',
    rows: [1, 2],
    also: ({ rows }) => {
      expect(rows[0]?.row.to).toEqual({ name: 'Ada L', address: 'a@x.io' })
      expect(rows[1]?.row.to).toEqual({ name: 'Bob', address: 'b@x.io' })
    },
  },
  {
    name: 'NDJSON with __proto__ for a field',
    file: 'people.ndjson',
    content: '{"to":"a@x.io","__proto__":{"admin":true}}\n',
    rows: [1],
    also: (read) => expect(Object.getPrototypeOf(first(read))).toBe(Object.prototype),
  },
  {
    name: 'JSON lines in a file without such a name',
    file: 'people',
    content: '{"to":"a@x.io"}\n',
    rows: [1],
  },
  { name: 'CSV in a file without such a name', file: 'people', content: 'email\na@x.io\n', rows: [2] },
]

describe('odd files', () => {
  test.each(corpus)('$name', async ({ content, file, options, rows, broken = [], also }) => {
    const read = await readText(content, options, file)
    expect(linesOf(read.rows)).toEqual(rows)
    expect(linesOf(read.broken)).toEqual(broken.map(([line]) => line))
    for (const [index, [, reason]] of broken.entries()) expect(read.broken[index]?.reason).toMatch(reason)
    also?.(read)
  })

  test('are read alike however their bytes arrive', async () => {
    for (const { content, options, file = 'people.csv' } of corpus) {
      if (content.length > 1_000_000) continue
      const whole = await readText(content, options, file)
      const bytes = Buffer.from(content as Uint8Array)
      const stdin = Readable.from(Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)))
      const format = file.includes('json') ? 'ndjson' : file.endsWith('.tsv') ? 'tsv' : undefined
      await using rows = await openRowFile('-', { ...options, stdin, format })
      const lines: number[] = []
      for (let items = await rows.read(); items !== undefined; items = await rows.read())
        lines.push(...linesOf(items))
      expect(lines).toEqual(linesOf([...whole.rows, ...whole.broken]).sort((a, b) => a - b))
    }
  })

  test.each([
    [
      'people.csv.gz',
      gzipSync(`email\n${'a@x.io\n'.repeat(50_000)}`).subarray(0, 100),
      /gzip file that is not whole: its end is missing/,
    ],
    [
      'people.csv.gz',
      Buffer.concat([gzipSync('email\n').subarray(0, 12), Buffer.alloc(50, 7)]),
      /gzip file that is not whole: it cannot be unpacked/,
    ],
    ['people.json', '[\n{"to":"a@x.io"}\n]\n', /one JSON array and must be one object a line/],
    ['people.json', '[{"to":"a@x.io"}]', /one JSON array/],
    ['people.ndjson', '', /is empty/],
  ])('refused: %s', async (name, content, message) => {
    await expect(readText(content, {}, name)).rejects.toThrow(message)
  })
})
