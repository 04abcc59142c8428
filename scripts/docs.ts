// Writes the reference tables into the README; with --check it only says whether they are fresh.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceTables } from '../src/cli/reference.js'
import { differencesTable } from './coming-from-fluxmail.js'

const path = join(import.meta.dirname, '..', 'README.md')
const standing = readFileSync(path, 'utf8')
let fresh = standing
const tables = { ...referenceTables(), 'coming-from-fluxmail': differencesTable() }
for (const [name, table] of Object.entries(tables)) {
  const place = new RegExp(`(<!-- ${name}:begin -->\n)[\\s\\S]*?(<!-- ${name}:end -->)`)
  if (!place.test(fresh)) throw new Error(`README.md has no place for the table "${name}"`)
  fresh = fresh.replace(place, (_all, begin: string, end: string) => `${begin}${table}\n${end}`)
}

if (!process.argv.includes('--check')) writeFileSync(path, fresh)
else if (fresh !== standing) {
  process.stderr.write('README.md is stale: run `npm run docs` and commit what it writes\n')
  process.exitCode = 1
}
