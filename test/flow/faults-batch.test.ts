import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { type Batch, type BatchStatus, MailQueue } from '../../src/index.js'
import { eventually } from '../helpers/eventually.js'
import { freshName } from '../helpers/fresh-name.js'
import { openOwnRedis } from '../helpers/own-redis.js'
import { startWorker } from '../helpers/worker-process.js'

/** By hand for more: `FLUXMAIL_TEST_ROWS=100000`. */
const total = Number(process.env.FLUXMAIL_TEST_ROWS ?? 20_000)
const content = { subject: 'Hello', text: 'Hello', sender: 'news@example.com' }
const retry = { delaysMs: [50], jitter: 0, maxAgeMs: 3_600_000 }
const addressOf = (ordinal: number) => `r${ordinal}@example.com`

interface Sink {
  readonly port: number
  readonly count: () => Promise<number>
  readonly copies: () => Promise<Map<string, number>>
}

async function ask<T>(child: ChildProcess, question: string): Promise<T> {
  child.send(question)
  const [answer] = await once(child, 'message')
  return answer
}

async function openCountingSink(): Promise<Sink & AsyncDisposable> {
  const child = fork('test/flow/fixtures/counting-sink.mjs', { execArgv: [] })
  const [port] = await once(child, 'message')
  return {
    port,
    count: () => ask<number>(child, 'count'),
    copies: async () => new Map(await ask<[string, number][]>(child, 'copies')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}

async function openStage(sink: Sink) {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
  const redis = await openOwnRedis()
  const name = freshName()
  const [config, template] = [join(folder, 'worker.json'), join(folder, 'mail.txt')]
  const relays = { main: { host: '127.0.0.1', port: sink.port } }
  const lanes = { bulk: { retry, unknown: 'hold' } }
  await writeFile(config, JSON.stringify({ relays, lanes, lockMs: 2_000 }))
  await writeFile(template, 'Dear {{ name }}')
  const queue = new MailQueue({ redis: redis.url, name })
  const env = { FLUXMAIL_REDIS_URL: redis.url, FLUXMAIL_NAME: name, FLUXMAIL_CONFIG: config }
  const mail = ['--template', template, '--subject', 'Hello {{ name }}', '--sender', 'news@example.com']
  const where = ['--redis', redis.url, '--name', name, '--batch', 'big']
  const args = ['dist/src/cli/main.js', 'enqueue', '--rows', '-', '--format', 'csv', ...mail, ...where]
  return {
    redis,
    queue,
    work: () => Promise.all([startWorker({ env }), startWorker({ env })]),
    startImport: () => startImport(args),
    async [Symbol.asyncDispose]() {
      await queue.close()
      await redis[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function startImport(args: readonly string[]) {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  child.stdin.on('error', () => undefined)
  const ended = Promise.all([once(child, 'close'), text(child.stderr)]).then(([[code], said]) => ({
    code,
    said,
  }))
  return { child, ended }
}

function linesOf(count: number): string {
  const rows = Array.from({ length: count }, (_, ordinal) => `${addressOf(ordinal)},Name ${ordinal}\n`)
  return `email,name\n${rows.join('')}`
}

/** Resolves once so much of all rows is sent. */
function sentShare(batch: Batch, share: number): Promise<BatchStatus> {
  const enough = async () => {
    const status = await batch.status()
    return status.sent >= total * share ? status : undefined
  }
  return eventually(`${share} of it is sent`, enough, { withinMs: 300_000, everyMs: 50 })
}

test('through two workers with everything killed once, a pause and a resume, each row is at the sink once or known as unknown', async () => {
  await using sink = await openCountingSink()
  await using stage = await openStage(sink)
  const { queue, redis } = stage
  const batch = queue.batch('big')
  const killed = [...(await stage.work())]
  const half = stage.startImport()
  half.child.stdin.write(linesOf(total / 2))
  const early = half.ended.then(({ said }) => Promise.reject(new Error(`the import ended: ${said}`)))
  await Promise.race([sentShare(batch, 0.1), early])

  half.child.kill('SIGKILL')
  await Promise.all([redis.kill(), half.ended, ...killed.map((worker) => worker.kill())])
  await redis.start()
  const { total: kept, sealed } = await eventually('the batch is there', () => batch.status())
  expect(kept).toBeGreaterThanOrEqual(total / 10)
  expect({ isWhole: kept >= total, sealed }).toEqual({ isWhole: false, sealed: false })

  const workers = await stage.work()
  const whole = stage.startImport()
  whole.child.stdin.end(linesOf(total))
  const { code, said } = await whole.ended
  expect(code, said).toBe(0)
  await sentShare(batch, 0.6)
  await batch.pause()
  const paused = await eventually('nothing is on the wire', async () => {
    const status = await batch.status()
    return status.active === 0 ? status : undefined
  })
  const atPause = await sink.count()
  expect(atPause).toBeGreaterThanOrEqual(paused.sent)
  expect(atPause).toBeLessThanOrEqual(paused.sent + paused.unknown)
  expect(paused.pending).toBeGreaterThan(0)
  const other = await queue.enqueueBatch([{ to: 'other@example.com' }], content)
  expect(await other.wait({ intervalMs: 20 })).toMatchObject({ sent: 1 })
  expect(await sink.count()).toBe(atPause + 1)

  await batch.resume()
  const result = await batch.wait({ intervalMs: 100 })
  expect(result).toMatchObject({ total, failed: 0, skipped: 0, pending: 0, resent: 0, rejected: 0 })
  expect(result.sent + result.unknown).toBe(total)
  // No more than what two workers had in hand when they were killed.
  expect(result.unknown).toBeLessThanOrEqual(40)
  const copies = await sink.copies()
  copies.delete('other@example.com')
  expect([...copies].filter(([, count]) => count !== 1)).toEqual([])
  const ordinals = Array.from({ length: total }, (_, ordinal) => ordinal)
  const missing = ordinals.filter((ordinal) => !copies.has(addressOf(ordinal)))
  expect(copies.size + missing.length).toBe(total)
  for (const ordinal of missing)
    expect(await queue.delivery(`big.${ordinal}`)).toMatchObject({ state: 'unknown' })
  await Promise.all(workers.map((worker) => worker.stop()))
}, 900_000)
