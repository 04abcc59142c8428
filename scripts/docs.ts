// Writes the reference tables into the README and the types of the configuration into src; with --check it only says
// whether they are fresh.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configOptions } from '../src/cli/option-types.js'
import { referenceTables } from '../src/cli/reference.js'
import { alertsTable } from './alerts-table.js'
import { savedResult } from './bench/speed/result.js'
import { rows } from './bench/speed/rows.js'
import { differencesTable } from './coming-from-fluxmail.js'
import { dashboardFiles } from './dashboards/boards.js'
import { speedTable } from './speed-table.js'

const root = join(import.meta.dirname, '..')

function freshReadme(standing: string): string {
  const tables = {
    ...referenceTables(),
    alerts: alertsTable(),
    'coming-from-fluxmail': differencesTable(),
    speed: speedTable(rows, savedResult()),
  }
  return Object.entries(tables).reduce((text, [name, table]) => {
    const place = new RegExp(`(<!-- ${name}:begin -->\n)[\\s\\S]*?(<!-- ${name}:end -->)`)
    if (!place.test(text)) throw new Error(`README.md has no place for the table "${name}"`)
    return text.replace(place, (_all, begin: string, end: string) => `${begin}${table}\n${end}`)
  }, standing)
}

const written: Readonly<Record<string, (standing: string) => string>> = {
  'README.md': freshReadme,
  'src/config-options.ts': configOptions,
  ...Object.fromEntries(Object.entries(dashboardFiles()).map(([path, text]) => [path, () => text])),
}

for (const [name, write] of Object.entries(written)) {
  const path = join(root, name)
  const standing = readFileSync(path, 'utf8')
  const fresh = write(standing)
  if (!process.argv.includes('--check')) writeFileSync(path, fresh)
  else if (fresh !== standing) {
    process.stderr.write(`${name} is stale: run \`npm run docs\` and commit what it writes\n`)
    process.exitCode = 1
  }
}
