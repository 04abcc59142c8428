import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { everydayFields } from '../../../src/cli/csv/everyday-fields.js'
import { UsageError } from '../../../src/cli/failure.js'
import { openRowFile, type RowFileOptions } from '../../../src/cli/import/row-file.js'
import { writeFiles } from '../folder.js'
import { linesOf, readText as read, readPath } from './read-rows.js'

describe('what a CSV may look like', () => {
  test('columns are variables, and the address column is the recipient', async () => {
    const { rows } = await read('email,city\nada@example.com,London\n')
    expect(rows).toEqual([
      { line: 2, row: { to: 'ada@example.com', email: 'ada@example.com', city: 'London' } },
    ])
  })

  test('a column named name goes into the To header', async () => {
    const { rows } = await read('to,name\nada@example.com,Ada\n')
    expect(rows[0]?.row).toEqual({ to: { name: 'Ada', address: 'ada@example.com' }, name: 'Ada' })
  })

  test('a byte order mark, CRLF, and a last line without an end change nothing', async () => {
    const plain = await read('email,city\na@x.example,Rome\nb@x.example,Bonn\n')
    expect(await read('\ufeffemail,city\r\na@x.example,Rome\r\nb@x.example,Bonn')).toEqual(plain)
  })

  test('lines of an old Mac end in CR', async () => {
    expect(linesOf((await read('email\ra@x.example\rb@x.example')).rows)).toEqual([2, 3])
  })

  test('a quoted field may hold commas, quotes and line breaks, and the line numbers stay those of the file', async () => {
    const { rows } = await read('email,note\na@x.example,"one, ""two""\nthree"\nb@x.example,four\n')
    expect(rows.map(({ line, row }) => [line, (row as { note: string }).note])).toEqual([
      [2, 'one, "two"\nthree'],
      [4, 'four'],
    ])
  })

  test('empty lines are no rows, and are counted as lines', async () => {
    expect(linesOf((await read('email\n\na@x.example\n   \n\nb@x.example\n\n')).rows)).toEqual([3, 6])
  })

  test.each([';', '\t', '|'])('the delimiter of the header is found: %j', async (delimiter) => {
    const { rows } = await read(`email${delimiter}city\na@x.example${delimiter}"Paris, Texas"\n`)
    expect(rows[0]?.row).toMatchObject({ to: 'a@x.example', city: 'Paris, Texas' })
  })

  test('a column name that no template could say gets underscores', async () => {
    const { rows } = await read('E-Mail,First name,Straße\na@x.example,A,B\n')
    expect(rows[0]?.row).toEqual({ to: 'a@x.example', E_Mail: 'a@x.example', First_name: 'A', Straße: 'B' })
  })

  test('columns without a name are left out', async () => {
    const { rows } = await read('email,,city,\na@x.example,1,Rome,2\n')
    expect(rows[0]?.row).toEqual({ to: 'a@x.example', email: 'a@x.example', city: 'Rome' })
  })

  test('a line break in a name is a space in the To header', async () => {
    const { rows } = await read('email,name\na@x.example," Ada\nLovelace "\n')
    expect(rows[0]?.row).toMatchObject({ to: { name: 'Ada Lovelace' } })
  })

  test('columns can be named', async () => {
    const csv = 'name,email,work,nick\nAda,a@x.example,b@x.example,Countess\n'
    const { rows } = await read(csv, { toColumn: 'Work', nameColumn: 'nick' })
    expect(rows[0]?.row).toMatchObject({ to: { name: 'Countess', address: 'b@x.example' } })
  })

  test('rows are read as they are taken', async () => {
    const row = `a@x.example,${'x'.repeat(100)}\n`
    const [path = ''] = await writeFiles({ 'people.csv': `email,note\n${row.repeat(20_000)}` })
    await using file = await openRowFile(path)
    await file.read()
    expect(file.share).toBeGreaterThan(0)
    expect(file.share).toBeLessThan(0.1)
  })
})

describe('what is broken is reported by its line and stops nothing', () => {
  test('a row of another number of fields', async () => {
    const { rows, broken } = await read('email,city\na@x.example\nb@x.example,Bonn\nc@x.example,Rome,3\n')
    expect(linesOf(rows)).toEqual([3])
    expect(broken).toMatchObject([
      { line: 2, reason: 'it has 1 field and the header has 2', text: 'a@x.example' },
      { line: 4, reason: 'it has 3 fields and the header has 2', text: 'c@x.example,Rome,3' },
    ])
  })

  test('a quote in the middle of a field', async () => {
    const { rows, broken } = await read('email,city\na@x.example,The "Hague"\nb@x.example,Bonn\n')
    expect(linesOf(rows)).toEqual([3])
    expect(linesOf(broken)).toEqual([2])
  })

  test('a quote that is never closed costs its own row only', async () => {
    const rest = Array.from({ length: 5000 }, (_, index) => `r${index}@x.example,Rome\n`).join('')
    const { rows, broken } = await read(`email,city\na@x.example,"Bonn\n${rest}`)
    expect(broken).toMatchObject([
      { line: 2, reason: 'a quote is opened and not closed', text: 'a@x.example,"Bonn' },
    ])
    expect(rows).toHaveLength(5000)
    expect(rows.at(-1)?.line).toBe(5002)
  })

  test('two stray quotes far apart cost two rows and not all between them', async () => {
    const rest = Array.from({ length: 300 }, (_, index) => `r${index}@x.example,Rome\n`).join('')
    const { rows, broken } = await read(`email,city\na@x.example,"Bonn\n${rest}z@x.example,"Bonn\n`)
    expect(linesOf(broken)).toEqual([2, 303])
    expect(rows).toHaveLength(300)
  })

  test('a row over two lines with a field too few', async () => {
    const { rows, broken } = await read(
      'email,note,city\na@x.example,"one\ntwo"\nb@x.example,"three\nfour",Bonn\n',
    )
    expect(linesOf(rows)).toEqual([4])
    expect(linesOf(broken)).toEqual([2, 3])
  })

  test('whatever stands in the fields comes back, and whatever is broken between them is found at its line', async () => {
    const field = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((text) => !/[\ufffd\ufeff]/.test(text))
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
    const step = fc.record({ note: field, breakBefore: fc.constantFrom('', 'alone', 'a,b,c,d') })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        let csv = 'email,note\r\n'
        let line = 2
        const rows: { line: number; note: string }[] = []
        const broken: number[] = []
        for (const { note, breakBefore } of steps) {
          if (breakBefore !== '') {
            broken.push(line)
            csv += `${breakBefore}\r\n`
            line += 1
          }
          rows.push({ line, note })
          csv += `x@x.example,${quoted(note)}\r\n`
          line += (note.match(/\r\n|\n|\r/g) ?? []).length + 1
        }
        const result = await read(csv)
        expect(result.rows.map((item) => ({ line: item.line, note: item.row.note }))).toEqual(rows)
        expect(linesOf(result.broken)).toEqual(broken)
      }),
      { numRuns: 100 },
    )
  })
})

describe('fields that are read without csv-parse', () => {
  test('are those that csv-parse reads', () => {
    const piece = fc.constantFrom('"', '""', ',', ';', 'a', 'é', ' ', '"a"', '"b,c"', '"d""e"', ',"f",', '')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom(',', ';'), (pieces, delimiter) => {
        const line = pieces.join('')
        const fields = everydayFields(line, delimiter)
        fc.pre(fields !== undefined && line !== '')
        expect(fields).toEqual(parse(line, { delimiter, record_delimiter: '\n' })[0])
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a CSV that cannot be used is refused with what to do', () => {
  const refused = (csv: string | Uint8Array, options: RowFileOptions = {}) =>
    read(csv, options).catch((error: unknown) => error)

  test.each([
    ['', /is empty/],
    ['city\nRome\n', /no column named to, email or address; it has city; name one with --to-column/],
    ['email,city,city\n', /two columns are named "city"/],
    ['em"ai"l,city\n', /line 1: a quote stands where none may be/],
    ['a@x.example,Ada\nb@x.example,Bob\n', /its first line holds an address and must name the columns/],
    ['\n \n', /is empty/],
    ['email,__proto__\n', /__proto__/],
    [Buffer.from('email\na@x.example', 'utf16le'), /UTF-16/],
    [
      Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(40)]),
      /no CSV that can be read: it is a spreadsheet/,
    ],
  ])('%j', async (csv, message) => {
    const error = await refused(csv)
    expect(error).toBeInstanceOf(UsageError)
    expect((error as Error).message).toMatch(message)
  })

  test('a column that is asked for and not there', async () => {
    const error = await refused('email,city\n', { toColumn: 'mail' })
    expect((error as Error).message).toMatch(/no column "mail" \(--to-column\); it has email, city/)
  })

  test('a folder, and a file that is not there', async () => {
    await expect(readPath('src')).rejects.toThrow(/src cannot be read: illegal operation on a directory/)
    await expect(readPath('nowhere.csv')).rejects.toThrow(/nowhere.csv cannot be read: no such file/)
  })
})
