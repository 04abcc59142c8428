// The differences from FluxMail (Python), from the list beside this file: a row for each of its names and rules.
// The cells after the third name the tests that prove the row; they are for us and are not printed.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Row {
  readonly group: string
  readonly theirs: string
  readonly ours: string
  readonly differs: string
  /** `test/file.test.ts › describe › test`, one or more. */
  readonly proofs: readonly string[]
}

const path = join(import.meta.dirname, 'coming-from-fluxmail.md')

/** The rows of the list, in its order. */
export function readRows(): readonly Row[] {
  let group = ''
  const rows: Row[] = []
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.startsWith('## ')) group = line.slice(3)
    else if (line !== '') rows.push(rowOf(group, line))
  }
  return rows
}

function rowOf(group: string, line: string): Row {
  const cells = line.slice(2, -2).split(' | ')
  const [theirs, ours, differs, ...proofs] = cells
  const proven = proofs.length > 0 && proofs.every((proof) => proof !== '')
  if (theirs && ours && differs && proven) return { group, theirs, ours, differs, proofs }
  throw new Error(`coming-from-fluxmail.md has a row that is none: ${line}`)
}

/** The table of the README. */
export function differencesTable(): string {
  const rows = readRows()
  const groups = [...new Set(rows.map(({ group }) => group))]
  return groups.map((group) => section(group, rows)).join('\n\n')
}

function section(group: string, rows: readonly Row[]): string {
  const lines = rows
    .filter((row) => row.group === group)
    .map(({ theirs, ours, differs }) => `| ${theirs} | ${ours} | ${differs === '—' ? '' : differs} |`)
  return [`**${group}**`, '', '| FluxMail | ours | what differs |', '| --- | --- | --- |', ...lines].join(
    '\n',
  )
}
