import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BrokenRow } from '../../../src/cli/import/item.js'
import { RowCheck } from '../../../src/cli/import/row-check.js'
import { RowFiles } from '../../../src/cli/import/row-files.js'
import { SeenAddresses } from '../../../src/cli/import/seen-addresses.js'
import type { Row } from '../../../src/queue/row.js'
import { newFolder } from '../folder.js'

const reasonOf = (result: unknown) => (result instanceof BrokenRow ? result.reason : 'it is a row')

describe('repeated addresses', () => {
  const check = (addresses: readonly Row['to'][], allowDuplicates = false) => {
    const rows = new RowCheck({ allowDuplicates })
    const kept = addresses.filter((to, index) => rows.check({ line: index + 1, row: { to } }) !== undefined)
    return { kept, duplicates: rows.duplicates }
  }

  test('are dropped and counted, as the wire has them: the domain in any case, the local part as it is', () => {
    expect(
      check([
        'ada@Example.COM',
        'ada@example.com',
        'Ada@example.com',
        { name: 'A', address: 'ada@exämple.com' },
        'ada@xn--exmple-cua.com',
      ]),
    ).toMatchObject({ kept: ['ada@Example.COM', 'Ada@example.com', { name: 'A' }], duplicates: 2 })
  })

  test('are kept on demand', () => {
    expect(check(['a@x.io', 'a@x.io'], true)).toEqual({ kept: ['a@x.io', 'a@x.io'], duplicates: 0 })
  })

  test('a row that is broken takes no address away from the next one', () => {
    const rows = new RowCheck({ attachmentsField: 'attachments', files: new RowFiles('.', 100) })
    const first = rows.check({ line: 2, row: { to: 'a@x.io', attachments: 'nowhere.pdf' } })
    expect(reasonOf(first)).toMatch(/there is no file nowhere.pdf/)
    expect(rows.check({ line: 3, row: { to: 'a@x.io' } })).toMatchObject({ to: { address: 'a@x.io' } })
  })

  test('an address that is none is a broken row with its line', () => {
    const row = new RowCheck({}).check({ line: 7, row: { to: 'a@b@c' } })
    expect(row).toBeInstanceOf(BrokenRow)
    expect(row).toMatchObject({ line: 7, text: 'a@b@c' })
  })
})

describe('seen addresses', () => {
  test('are told from new ones exactly as a set tells them', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ab]{0,6}$/), { maxLength: 300 }), (addresses) => {
        const set = new Set<string>()
        const seen = new SeenAddresses()
        for (const address of addresses) {
          expect(seen.add(address)).toBe(!set.has(address))
          set.add(address)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('take at most 16 bytes each at any size', () => {
    const seen = new SeenAddresses()
    for (let count = 1; count <= 300_000; count += 1) {
      expect(seen.add(`person${count}@example.com`)).toBe(true)
      if (count >= 10_000 && count % 1_000 === 0) expect(seen.bytes).toBeLessThanOrEqual(16 * count)
    }
    for (let count = 1; count <= 300_000; count += 7)
      expect(seen.add(`person${count}@example.com`)).toBe(false)
  })
})

describe('the files of a row', () => {
  async function folderWith(names: Readonly<Record<string, string>>): Promise<string> {
    const folder = await newFolder()
    await mkdir(join(folder, 'rows', 'deep'), { recursive: true })
    for (const [name, text] of Object.entries(names)) await writeFile(join(folder, name), text)
    return folder
  }

  test('stand below the folder, parted by semicolons, and come as bytes with their names', async () => {
    const folder = await folderWith({ 'rows/a.txt': 'A', 'rows/deep/b.txt': 'B' })
    const files = new RowFiles(join(folder, 'rows'), 100)
    const both = [
      { filename: 'a.txt', content: Buffer.from('A') },
      { filename: 'b.txt', content: Buffer.from('B') },
    ]
    expect(files.read(' a.txt ; deep/b.txt;')).toEqual(both)
    expect(files.read(['a.txt', join(folder, 'rows', 'deep', 'b.txt')])).toEqual(both)
    expect(files.read('')).toEqual([])
    expect(files.read(undefined)).toEqual([])
  })

  test('are never read from outside of it, not even through a link', async () => {
    const folder = await folderWith({ 'secret.txt': 'S' })
    await symlink(join(folder, 'secret.txt'), join(folder, 'rows', 'link.txt'))
    const files = new RowFiles(join(folder, 'rows'), 100)
    for (const path of [
      '../secret.txt',
      join(folder, 'secret.txt'),
      'link.txt',
      '/etc/passwd',
      '../rowsx/y',
    ]) {
      expect(() => files.read(path), path).toThrow(/is outside of/)
    }
  })

  test.each([
    ['nowhere.txt', /there is no file nowhere.txt/],
    ['deep', /it is a folder/],
    ['a.txt;big.txt', /larger than the 99 bytes that this email has left/],
    [7, /they must be paths/],
    [[{ filename: 'x' }], /they must be paths/],
  ])('%j is refused', async (field, message) => {
    const folder = await folderWith({ 'rows/a.txt': 'A', 'rows/big.txt': 'x'.repeat(100) })
    expect(() => new RowFiles(join(folder, 'rows'), 100).read(field)).toThrow(message)
  })

  test('that many rows name are read once', async () => {
    const folder = await folderWith({ 'rows/a.txt': 'A' })
    const files = new RowFiles(join(folder, 'rows'), 100)
    expect(files.read('a.txt')[0]?.content).toBe(files.read('a.txt')[0]?.content)
  })

  test('take their place in the row', async () => {
    const folder = await folderWith({ 'rows/a.txt': 'A' })
    const files = new RowFiles(join(folder, 'rows'), 100)
    const check = new RowCheck({ files, attachmentsField: 'attachments' })
    expect(check.check({ line: 2, row: { to: 'a@x.io', attachments: 'a.txt' } })).toMatchObject({
      attachments: [{ filename: 'a.txt' }],
    })
    expect(check.check({ line: 3, row: { to: 'b@x.io', attachments: '' } })).toEqual({
      to: { address: 'b@x.io' },
    })
  })
})
