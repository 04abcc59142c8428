// Writes what the demo sends and to whom: `npx tsx scripts/demo/make.ts`. The newsletter itself is written by hand.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { picture } from './picture.js'
import { programme } from './programme.js'
import { recipientsCsv } from './recipients.js'

const files = {
  'recipients.csv': recipientsCsv(),
  'harbour.png': picture(),
  'spring-programme.pdf': programme(),
}

for (const [name, content] of Object.entries(files)) {
  writeFileSync(join(import.meta.dirname, name), content)
  process.stdout.write(`${name}: ${Buffer.byteLength(content)} bytes\n`)
}
