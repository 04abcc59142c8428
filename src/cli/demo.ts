// `fluxmail demo`: a CSV through a private Redis and a worker process to an SMTP server that misbehaves on order.
// It mails nobody, leaves nothing behind, and is a success only when every count agrees with the server's.

import { once } from 'node:events'
import { systemClock } from '../clock.js'
import { FluxMailError } from '../errors.js'
import { MailQueue } from '../mail-queue.js'
import { openSink, type Sink } from '../sink/sink.js'
import { openProgress, type Step } from '../terminal/progress.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { countDemo, type DemoCount, type DemoDelivery } from './demo-count.js'
import { demoContent, demoCsv } from './demo-data.js'
import { feed } from './demo-feed.js'
import { countLines, sayStart, sayStay } from './demo-lines.js'
import { openDemoRedis, openDemoWorker } from './demo-stage.js'
import { watch } from './enqueue.js'
import { importRows } from './import/import-rows.js'
import { RowCheck } from './import/row-check.js'
import { openRowFile } from './import/row-file.js'
import { Rejects, sayRejects } from './rejects.js'

export interface DemoOptions {
  readonly stay?: boolean
  /** Only puts mail into the queue that the environment names. */
  readonly feed?: boolean
  readonly json?: boolean
}

const BATCH_ID = 'demo'
/** Deliveries looked up at once. */
const LOOKUPS = 50

export async function demo(options: DemoOptions, given: Context): Promise<ExitCode> {
  if (options.feed) return feed(given)
  // With --json only the last line is for a program, and all else is for the person beside it.
  const context = options.json ? { ...given, stdout: given.stderr } : given
  await using redis = await openDemoRedis(context.env)
  await using sink = await openSink({ httpPort: options.stay ? 0 : false })
  await using worker = await openDemoWorker({ env: context.env, redis, sink })
  await using queue = new MailQueue({ redis: redis.url, name: redis.name })
  sayStart(context, { redis, sink, worker })
  const signal = AbortSignal.any([context.signal, worker.lost])
  const count = await run({ queue, sink, context: { ...context, signal } })
  if (worker.lost.aborted) throw worker.lost.reason
  if (count === undefined) return exitCodes.interrupted
  for (const line of countLines(count, context)) say(context.stdout, line)
  if (options.stay) await stay(sink, context)
  if (options.json) say(given.stdout, JSON.stringify(count.summary))
  return count.differences.length === 0 ? exitCodes.done : exitCodes.commandLine
}

interface Run {
  readonly queue: MailQueue
  readonly sink: Sink
  readonly context: Context
}

/** undefined when it was stopped before the end. */
async function run({ queue, sink, context }: Run): Promise<DemoCount | undefined> {
  const startedAt = systemClock.monotonicMs()
  const intake = await enqueueAll(queue, context)
  if (intake === undefined) return undefined
  sayRejects(context, intake.rejects, 'recipients.csv', undefined)
  const status = await watch(queue.batch(BATCH_ID), context)
  if (status.pending > 0) return undefined
  const elapsedMs = systemClock.monotonicMs() - startedAt
  const deliveries = await readDeliveries(queue, intake.rowCount)
  return countDemo({
    rowCount: intake.rowCount,
    rejectedRows: intake.rejects.count,
    status,
    deliveries,
    sink,
    elapsedMs,
  })
}

async function enqueueAll(
  queue: MailQueue,
  context: Context,
): Promise<{ rowCount: number; rejects: Rejects } | undefined> {
  await using file = await openRowFile(demoCsv())
  using progress = openProgress(context, { label: 'enqueueing', unit: 'rows' })
  const rejects = new Rejects()
  let rowCount = 0
  const onProgress = (step: Step) => {
    rowCount = step.count
    progress.update(step)
  }
  const { signal } = context
  try {
    await importRows({
      queue,
      file,
      check: new RowCheck({ allowDuplicates: true }),
      content: demoContent(),
      rejects,
      batch: { batchId: BATCH_ID },
      signal,
      onProgress,
    })
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  }
  return { rowCount, rejects }
}

/** What the queue says of each delivery, to be held against its own counts and the server's. */
async function readDeliveries(queue: MailQueue, rowCount: number): Promise<DemoDelivery[]> {
  const deliveries: DemoDelivery[] = []
  for (let first = 0; first < rowCount; first += LOOKUPS) {
    const ordinals = Array.from({ length: Math.min(LOOKUPS, rowCount - first) }, (_, index) => first + index)
    const found = await Promise.all(ordinals.map((ordinal) => readDelivery(queue, `${BATCH_ID}.${ordinal}`)))
    deliveries.push(...found.filter((delivery) => delivery !== undefined))
  }
  return deliveries
}

/** A row that the queue rejected is no delivery. */
async function readDelivery(queue: MailQueue, id: string): Promise<DemoDelivery | undefined> {
  try {
    return await queue.delivery(id)
  } catch (error) {
    if (error instanceof FluxMailError && error.code === 'delivery_not_found') return undefined
    throw error
  }
}

async function stay(sink: Sink, context: Context): Promise<void> {
  sayStay(context, sink)
  if (!context.signal.aborted) await once(context.signal, 'abort')
}
