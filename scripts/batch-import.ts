// `npm run build && npx tsx scripts/batch-import.ts [rows] [kills]`: a CSV imported by the command, which is killed on its way
// and goes on. Prints rows a second, the memory of the importer, and whether every row stands in the batch once.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPrivateRedis } from '../src/cli/private-redis.js'
import { FluxMailError, MailQueue } from '../src/index.js'

const [rowCount = 1_000_000, kills = 5] = process.argv.slice(2, 4).map(Number)
const batchId = 'import'
const looks = 1_000

const addressOf = (index: number) => `person${index}@example${index % 997}.com`

/** Rows of about 150 bytes of JSON. */
function rowOf(index: number): string {
  const token = index.toString(36).padStart(24, 'x')
  return `${addressOf(index)},"Person, ${index}",Harbour ${index % 100},${token},spring\n`
}

async function writeRows(path: string): Promise<void> {
  const file = createWriteStream(path)
  file.write('email,name,city,token,plan\n')
  for (let index = 0; index < rowCount; index += 1) {
    if (!file.write(rowOf(index))) await once(file, 'drain')
  }
  file.end()
  await finished(file)
}

interface Import {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  residentMb: number
}

function startImport(args: readonly string[]): Import {
  const child = spawn(process.execPath, ['dist/src/cli/main.js', ...args], { stdio: 'inherit' })
  const started: Import = { child, exited: once(child, 'close'), residentMb: 0 }
  const watching = setInterval(() => {
    const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' })
    started.residentMb = Math.max(started.residentMb, Number(stdout) / 1024)
  }, 250)
  child.on('close', () => clearInterval(watching))
  return started
}

async function acknowledged(queue: MailQueue): Promise<number> {
  try {
    return (await queue.batch(batchId).status()).total
  } catch (error) {
    if (error instanceof FluxMailError && error.code === 'batch_not_found') return 0
    throw error
  }
}

/** Whether deliveries looked up here and there have the recipients of their rows. */
async function areInPlace(queue: MailQueue): Promise<boolean> {
  for (let look = 0; look < looks; look += 1) {
    const index = Math.floor((look * rowCount) / looks)
    const { recipient } = await queue.delivery(`${batchId}.${index}`)
    if (!recipient.includes(addressOf(index))) return false
  }
  return true
}

async function main(folder: string, url: string): Promise<boolean> {
  const [rows, template] = [join(folder, 'rows.csv'), join(folder, 'mail.txt')]
  await Promise.all([writeRows(rows), writeFile(template, 'Hello {{ name }} of {{ city }}')])
  await using queue = new MailQueue({ redis: url, name: 'batch-import' })
  const content = ['--template', template, '--subject', 'Hi {{ name }}', '--sender', 'news@example.com']
  const args = [
    'enqueue',
    '--rows',
    rows,
    ...content,
    '--redis',
    url,
    '--name',
    'batch-import',
    '--batch',
    batchId,
  ]
  let residentMb = 0
  for (let run = 1; run <= kills; run += 1) {
    const started = startImport(args)
    const enough = (rowCount * run) / (kills + 1)
    while ((await acknowledged(queue)) < enough && started.child.exitCode === null) await sleep(20)
    started.child.kill('SIGKILL')
    await started.exited
    residentMb = Math.max(residentMb, started.residentMb)
    console.log(`killed with ${await acknowledged(queue)} rows acknowledged`)
  }
  const startedAt = performance.now()
  const last = startImport(args)
  await last.exited
  const seconds = (performance.now() - startedAt) / 1000
  const { total, sealed } = await queue.batch(batchId).status()
  const inPlace = await areInPlace(queue)
  console.log(
    `${total} of ${rowCount} rows, sealed: ${sealed}, ${looks} of them looked up and in place: ${inPlace}`,
  )
  console.log(
    `the last run read all rows in ${seconds.toFixed(1)} s, ${Math.round(rowCount / seconds)} a second`,
  )
  console.log(`memory of the importer: at most ${Math.round(Math.max(residentMb, last.residentMb))} MB`)
  return total === rowCount && sealed && inPlace
}

const folder = await mkdtemp(join(tmpdir(), 'fluxmail-import-'))
const redis = await openPrivateRedis()
try {
  process.exitCode = (await main(folder, redis.url)) ? 0 : 1
} finally {
  await redis.close()
  await rm(folder, { recursive: true, force: true })
}
