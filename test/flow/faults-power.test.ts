import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { openPrivateRedis, type PrivateRedis } from '../../src/cli/private-redis.js'
import { DeliveryWorker, MailQueue } from '../../src/index.js'
import { openSink, type Sink } from '../../src/sink/sink.js'
import { quickLanes, rowsTo } from '../helpers/mail-flow.js'
import { content } from './window-stage.js'

const name = 'power'
const count = 400
/** Rows that came back with their mark, over all runs: those that the mark kept from a second copy. */
let prevented = 0

/** kill -9: what it had written stays in the files. */
async function killRedis(redis: PrivateRedis): Promise<void> {
  const client = new Redis(redis.url)
  const pid = Number(/process_id:(\d+)/.exec(await client.info())?.[1])
  client.disconnect()
  process.kill(pid, 'SIGKILL')
  await redis.close()
}

/** As a loss of power would, with this share of what was written since the start not on the disk yet. */
async function cutTail(folder: string, share: number): Promise<void> {
  const files = join(folder, 'appendonlydir')
  const tail = (await readdir(files)).find((file) => file.endsWith('.incr.aof'))
  if (tail === undefined) throw new Error(`there is no append-only file in ${files}`)
  const { size } = await stat(join(files, tail))
  await truncate(join(files, tail), Math.floor(size * (1 - share)))
}

async function work(redis: PrivateRedis, sink: Sink): Promise<DeliveryWorker> {
  const worker = new DeliveryWorker({
    redis: redis.url,
    name,
    relays: { main: { host: '127.0.0.1', port: sink.smtpPort, finalReplyTimeoutMs: 1_000 } },
    lanes: quickLanes,
    lockMs: 1_000,
    logLevel: 'silent',
  })
  await worker.start()
  return worker
}

interface Left {
  /** Rows that are to be tried, again or for the first time. */
  readonly open: ReadonlySet<number>
  /** Rows of which a mark or a verdict is left. */
  readonly marked: ReadonlySet<number>
}

async function leftAfter(redis: PrivateRedis, batch: string): Promise<Left> {
  const client = new Redis(redis.url)
  const open = new Set<number>()
  const marked = new Set<number>()
  for (let row = 0; row < count; row += 1) {
    const id = `${batch}.${row}`
    const [job, finishedOn] = await client.hmget(`{${name}}:bulk:${id}`, 'data', 'finishedOn')
    const waits = await client.hexists(`{${name}}:v1:batch:${batch}:rows`, String(Math.floor(row / 256)))
    if (waits || (job && !finishedOn)) open.add(row)
    const mark = await client.exists(`{${name}}:v1:mark:${id}`)
    if (mark || (await client.getbit(`{${name}}:v1:batch:${batch}:settled`, row))) marked.add(row)
  }
  client.disconnect()
  return { open, marked }
}

test.each([0.05, 0.2, 0.5])(
  'when power was lost with %s of the append-only file, what comes back is sent again only where its mark was lost too',
  async (share) => {
    const folder = await mkdtemp(join(tmpdir(), 'fluxmail-test-'))
    await using sink = await openSink({ httpPort: false })
    const before = await openPrivateRedis({ folder })
    const producer = new MailQueue({ redis: before.url, name })
    const batch = await producer.enqueueBatch(rowsTo(count), content)
    const first = await work(before, sink)
    await sink.waitForMessages(count)
    await first.close()
    await producer.close()
    await killRedis(before)
    await cutTail(folder, share)

    await using redis = await openPrivateRedis({ folder })
    const { open, marked } = await leftAfter(redis, batch.id)
    expect(open.size).toBeGreaterThan(0)
    prevented += [...open].filter((row) => marked.has(row)).length
    await using _second = await work(redis, sink)
    await using queue = new MailQueue({ redis: redis.url, name })
    const result = await queue.batch(batch.id).wait({ intervalMs: 20 })
    expect(result).toMatchObject({ total: count, failed: 0, pending: 0 })
    expect(result.sent + result.unknown).toBe(count)
    const copies = sink.copies()
    const again = rowsTo(count).flatMap(({ to }, row) => (copies.get(to) === 1 ? [] : [row]))
    expect(again.filter((row) => marked.has(row))).toEqual([])
    expect(again.length).toBe([...open].filter((row) => !marked.has(row)).length)
    await rm(folder, { recursive: true, force: true })
  },
  60_000,
)

test('and some did come back whose mark kept them from a second copy', () => {
  expect(prevented).toBeGreaterThan(0)
})
