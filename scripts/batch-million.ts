// `npm run build && npx tsx scripts/batch-million.ts [rows] [seconds]`: rows imported by the command from standard input
// and delivered by one worker to Postfix's smtp-sink. Samples the memory of both once a second; prints lines of JSON.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../src/cli/free-port.js'
import { openPrivateRedis } from '../src/cli/private-redis.js'
import { startWorkerChild, type WorkerChild } from '../src/cli/worker-child.js'
import { type Batch, MailQueue } from '../src/index.js'

const [rowCount = 1_000_000, deliverSeconds = Number.POSITIVE_INFINITY] = process.argv.slice(2, 4).map(Number)
const name = 'batch-million'
/** Where `node scripts/setup.mjs` puts it, and where systems do that leave it out of the PATH. */
const sinkPlaces = [join('.fluxmail', 'bin', 'smtp-sink'), '/usr/sbin/smtp-sink']
const firstMinute = 60
const linesAtOnce = 500
const told = 15

const TOKEN_BYTES = 30
// Longer than what a compressor looks back on.
const chance = randomBytes(1_000_003)

/** About 150 bytes, with a token that nothing can compress. */
function rowOf(index: number): string {
  const at = (index * TOKEN_BYTES) % (chance.length - TOKEN_BYTES)
  const token = chance.toString('hex', at, at + TOKEN_BYTES)
  return `${JSON.stringify({ to: `ada.${index}@example.com`, name: 'Ada', city: 'London', token, member: index })}\n`
}

function* rows() {
  for (let from = 0; from < rowCount; from += linesAtOnce) {
    const count = Math.min(linesAtOnce, rowCount - from)
    yield Array.from({ length: count }, (_, index) => rowOf(from + index)).join('')
  }
}

/** The resident memory of a process, sampled once a second. */
class Memory implements Disposable {
  readonly #samples: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor({ pid }: Pick<ChildProcess, 'pid'>) {
    const look = () => {
      const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })
      if (Number(stdout) > 0) this.#samples.push(Math.round(Number(stdout) / 1024))
    }
    this.#timer = setInterval(look, 1_000)
  }

  get megabytes() {
    const later = this.#samples.slice(firstMinute)
    return {
      samples: this.#samples.length,
      atMost: Math.max(...this.#samples),
      afterTheFirstMinute: later[0],
      atMostAfterwards: later.length > 0 ? Math.max(...later) : undefined,
      last: this.#samples.at(-1),
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** It counts what it takes, and keeps nothing. */
async function startSink() {
  const port = await freePort()
  const program = sinkPlaces.find((place) => existsSync(place)) ?? 'smtp-sink'
  // As root it insists on becoming somebody else.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const args = [...user, '-c', `127.0.0.1:${port}`, '1000']
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child, 'spawn')
  let last = ''
  child.stdout.on('data', (chunk: Buffer) => {
    last = chunk.toString().slice(-80)
  })
  return {
    child,
    port,
    said: () =>
      last
        .split('\r')
        .findLast((line) => line.trim() !== '')
        ?.trim(),
  }
}

async function startImport(folder: string, url: string): Promise<ChildProcess> {
  const template = join(folder, 'mail.txt')
  await writeFile(template, 'Dear {{ name }} of {{ city }}, your code is {{ token }}.\n')
  const mail = ['--template', template, '--subject', 'News for {{ name }}', '--sender', 'news@example.com']
  const where = ['--redis', url, '--name', name, '--batch', name]
  const args = ['dist/src/cli/main.js', 'enqueue', '--rows', '-', '--format', 'ndjson', ...mail, ...where]
  return spawn(process.execPath, args, { stdio: ['pipe', 'inherit', 'inherit'] })
}

async function startWorker(folder: string, url: string, port: number): Promise<WorkerChild> {
  const config = join(folder, 'worker.json')
  await writeFile(config, JSON.stringify({ relays: { main: { host: '127.0.0.1', port } } }))
  const own = { FLUXMAIL_REDIS_URL: url, FLUXMAIL_NAME: name, FLUXMAIL_CONFIG: config }
  return startWorkerChild({ env: {}, settings: { ...own, FLUXMAIL_LOG_LEVEL: 'warn' } })
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
}

/** Of the lane, whatever their state, but those that are finished. */
async function jobsOf(redis: Redis): Promise<number> {
  const key = (list: string) => `{${name}}:bulk:${list}`
  const counts = await Promise.all([
    redis.llen(key('wait')),
    redis.llen(key('active')),
    redis.zcard(key('delayed')),
    redis.zcard(key('prioritized')),
  ])
  return counts.reduce((jobs, count) => jobs + count, 0)
}

async function imported(folder: string, url: string, redis: Redis): Promise<boolean> {
  const before = await usedBytes(redis)
  const child = await startImport(folder, url)
  using memory = new Memory(child)
  const startedAt = performance.now()
  const ended = once(child, 'close')
  if (child.stdin) await pipeline(Readable.from(rows(), { objectMode: true }), child.stdin)
  const [code] = await ended
  const seconds = (performance.now() - startedAt) / 1000
  say({
    what: 'import',
    rows: rowCount,
    rowsPerSecond: Math.round(rowCount / seconds),
    redisBytesPerRow: Math.round(((await usedBytes(redis)) - before) / rowCount),
    megabytes: memory.megabytes,
  })
  return code === 0
}

async function delivered(folder: string, url: string, redis: Redis): Promise<boolean> {
  const sink = await startSink()
  try {
    await using worker = await startWorker(folder, url, sink.port)
    await using queue = new MailQueue({ redis: url, name })
    using memory = new Memory(worker)
    const batch = queue.batch(name)
    const startedAt = performance.now()
    let jobsAtMost = 0
    for (let second = 1; second <= deliverSeconds; second += 1) {
      await sleep(1_000)
      jobsAtMost = Math.max(jobsAtMost, await jobsOf(redis))
      const isOver = (await batch.status()).pending === 0
      if (isOver || second % told === 0)
        await tell({ batch, startedAt, jobsAtMost, memory, sink: sink.said() })
      if (isOver) break
    }
    const { sent, pending, total } = await batch.status()
    return total === rowCount && (pending === 0 ? sent === total : Number.isFinite(deliverSeconds))
  } finally {
    sink.child.kill('SIGKILL')
  }
}

interface Moment {
  readonly batch: Batch
  readonly startedAt: number
  readonly jobsAtMost: number
  readonly memory: Memory
  readonly sink: string | undefined
}

async function tell({ batch, startedAt, jobsAtMost, memory, sink }: Moment): Promise<void> {
  const { sent, failed, unknown, pending } = await batch.status()
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  const counts = { sent, failed, unknown, pending, sink }
  say({
    what: 'delivery',
    seconds,
    ...counts,
    perSecond: Math.round(sent / seconds),
    jobsAtMost,
    megabytes: memory.megabytes,
  })
}

function say(fields: object): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`)
}

const folder = await mkdtemp(join(tmpdir(), 'fluxmail-million-'))
const server = await openPrivateRedis()
const redis = new Redis(server.url)
try {
  const isImported = await imported(folder, server.url, redis)
  process.exitCode = isImported && (await delivered(folder, server.url, redis)) ? 0 : 1
} finally {
  redis.disconnect()
  await server.close()
  await rm(folder, { recursive: true, force: true })
}
