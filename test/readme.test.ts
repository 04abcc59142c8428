import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { referenceTables } from '../src/cli/reference.js'
import { outcomeKinds } from '../src/delivery/outcome.js'
import { errorCodes } from '../src/errors.js'
import { openSink, type Sink } from '../src/sink/sink.js'

const root = join(import.meta.dirname, '..')
let readme = ''
let blocks: string[] = []
let folder = ''
let sink: Sink

beforeAll(async () => {
  readme = await readFile(join(root, 'README.md'), 'utf8')
  blocks = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  // Inside the package, so that `fluxmail` is the package itself.
  await mkdir(join(root, '.fluxmail'), { recursive: true })
  folder = await mkdtemp(join(root, '.fluxmail', 'readme-'))
  sink = await openSink({ httpPort: false })
})
afterAll(async () => {
  await sink.close()
  await rm(folder, { recursive: true, force: true })
  const redis = new Redis(inject('redisUrl'))
  const keys = await redis.keys('{fluxmail}:*')
  if (keys.length > 0) await redis.unlink(...keys)
  await redis.quit()
})

async function start(index: number) {
  const file = join(folder, `${index}.mjs`)
  await writeFile(file, blocks[index] ?? '')
  const env = {
    ...process.env,
    FLUXMAIL_REDIS_URL: inject('redisUrl'),
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: String(sink.smtpPort),
    FLUXMAIL_SENDER: 'shop@example.com',
  }
  return spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
}

async function run(index: number): Promise<string> {
  const child = await start(index)
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  expect(code).toBe(0)
  return output
}

const blockOf = (word: string) => blocks.findIndex((block) => block.includes(word))

test('the code of the README sends one, sends many, queues, and a worker delivers it and ends at SIGTERM', async () => {
  expect(blocks).toHaveLength(5)
  expect(await run(blockOf('order.send()'))).toContain("accepted: [ 'ada@example.com' ]")
  expect(await run(blockOf('BulkSender'))).toContain('{ sent: 2, failed: 0, errors: [] }')
  expect(sink.messages).toHaveLength(3)
  expect(await run(blockOf('sendMail'))).toMatch(/\[ 'ada@example.com' \] queued as e\S+\.0/)
  const queued = await run(blockOf('enqueueBatch'))
  for (const part of ['total: 2', 'sent: 0', 'pending: 2']) expect(queued).toContain(part)
  const worker = await start(blockOf('DeliveryWorker'))
  await sink.waitForMessages(6)
  worker.kill('SIGTERM')
  expect(await once(worker, 'close')).toEqual([0, null])
  const delivered = sink.messages.slice(3)
  expect(delivered.map((message) => message.to[0]).sort()).toEqual([
    'ada@example.com',
    'ada@example.com',
    'grace@example.com',
  ])
  const grace = delivered.find((message) => message.to[0] === 'grace@example.com')
  expect(grace?.bytes.toString()).toMatch(/<p style=3D"color: #234;">Dear Grace, /)
})

test('sending one takes some 8 lines and queueing a batch some 12', () => {
  const lines = blocks.map((block) => block.split('\n').filter((line) => line.trim() !== '').length)
  expect(lines[blockOf('order.send()')]).toBeLessThanOrEqual(10)
  expect(lines[blockOf('enqueueBatch')]).toBeLessThanOrEqual(15)
})

test('the tables of the README are those of the code; `npm run docs` writes them', () => {
  for (const [name, table] of Object.entries(referenceTables())) {
    expect(readme, name).toContain(`<!-- ${name}:begin -->\n${table}\n<!-- ${name}:end -->`)
  }
})

test('every error code is in the README, and every code there is one of ours', () => {
  const section = readme.slice(readme.indexOf('## Errors'), readme.indexOf('## Coming from FluxMail'))
  const codes = [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map((match) => match[1])
  expect(codes).toEqual(Object.keys(errorCodes))
})

test('every folder of the map exists, and every folder of src is on it', async () => {
  const map = readme.slice(readme.indexOf('## The map'), readme.indexOf('## Configuration'))
  const { readdirSync } = await import('node:fs')
  for (const entry of readdirSync(join(root, 'src'), { withFileTypes: true })) {
    if (entry.isDirectory()) expect(map).toContain(`src/${entry.name}/`)
  }
})

test('every outcome has its row', () => {
  const section = readme.slice(readme.indexOf('## Outcomes'), readme.indexOf('## The map'))
  const kinds = [...section.matchAll(/^\| `([a-z]+)` \|/gm)].map((match) => match[1])
  expect(kinds).toEqual([...outcomeKinds])
})
