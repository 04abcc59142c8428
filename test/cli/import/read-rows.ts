// A file of rows as a test gives it, and what was read of it.

import { BrokenRow } from '../../../src/cli/import/item.js'
import { openRowFile, type RowFileOptions } from '../../../src/cli/import/row-file.js'
import { writeFiles } from '../folder.js'

export interface Read {
  readonly rows: readonly { line: number; row: Record<string, unknown> }[]
  readonly broken: readonly BrokenRow[]
}

export async function readText(
  content: string | Uint8Array,
  options: RowFileOptions = {},
  name = 'people.csv',
): Promise<Read> {
  const [path = ''] = await writeFiles({ [name]: content })
  return readPath(path, options)
}

export async function readPath(path: string, options: RowFileOptions = {}): Promise<Read> {
  await using file = await openRowFile(path, options)
  const broken: BrokenRow[] = []
  const rows: { line: number; row: Record<string, unknown> }[] = []
  for (let items = await file.read(); items !== undefined; items = await file.read()) {
    for (const item of items) {
      if (item instanceof BrokenRow) broken.push(item)
      else rows.push({ line: item.line, row: item.row })
    }
  }
  return { rows, broken }
}

export const linesOf = (items: readonly { line: number }[]) => items.map(({ line }) => line)
