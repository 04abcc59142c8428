// `fluxmail enqueue`: one template to every row of a file, acknowledged by Redis.
// The batch has an id from the start, so that whatever stops this command, the same command goes on.

import { randomBytes } from 'node:crypto'
import type { BatchContent } from '../content/batch-content.js'
import { FluxMailError } from '../errors.js'
import type { MailQueue } from '../mail-queue.js'
import type { Batch } from '../queue/batch.js'
import type { BatchStatus } from '../queue/batch-status.js'
import { openProgress } from '../terminal/progress.js'
import { countOf } from '../terminal/text.js'
import { type Context, columnsOf, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { type ContentOptions, contentOf } from './enqueue-content.js'
import { checkOf, openRows, type RowOptions, rowsName, rowsPath } from './enqueue-rows.js'
import { type ScheduleOptions, scheduleOf } from './enqueue-schedule.js'
import { type DryRun, dryRun } from './import/dry-run.js'
import { importRows, type RowReading } from './import/import-rows.js'
import { sampleLines } from './import/sample-lines.js'
import { keepHeapSmall } from './import/small-heap.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { Rejects, sayRejects } from './rejects.js'
import { batchLines } from './status-lines.js'

export interface EnqueueOptions extends QueueOptions, RowOptions, ContentOptions, ScheduleOptions {
  readonly batch?: string
  readonly lane?: string
  readonly route?: string
  readonly rejects?: string
  readonly maxRejects?: number
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly json?: boolean
}

export async function enqueue(options: EnqueueOptions, context: Context): Promise<ExitCode> {
  rowsPath(options)
  const content = contentOf(options, context)
  using rejects = new Rejects({ file: options.rejects, max: options.maxRejects })
  if (options.dryRun) return tryOut({ options, context, content, rejects })
  await using queue = openQueue(options, context.env)
  const batchId = options.batch ?? `b${randomBytes(9).toString('hex')}`
  const run: Run = { options, context, content, rejects }
  const counts = await importAll(run, queue, batchId)
  if (counts === undefined) return exitCodes.interrupted
  sayLeftOut(run, counts)
  return await finish(run, queue.batch(batchId), counts)
}

interface Run {
  readonly options: EnqueueOptions
  readonly context: Context
  readonly content: BatchContent
  /** Of all rows that are no deliveries, broken ones included. */
  readonly rejects: Rejects
}

interface Counts {
  /** Rows that repeat an address. */
  readonly duplicates: number
  readonly rejected: number
}

/** undefined when it was stopped by Ctrl-C. */
async function importAll(run: Run, queue: MailQueue, batchId: string): Promise<Counts | undefined> {
  const { content, options, context, rejects } = run
  const { lane, route } = options
  keepHeapSmall()
  try {
    return await reading(run, 'enqueueing', async (rows) => {
      await importRows({ ...rows, queue, content, batch: { ...scheduleOf(options), batchId, lane, route } })
      return { duplicates: rows.check.duplicates, rejected: rejects.count }
    })
  } catch (error) {
    const stopped = context.signal.aborted
    if (!stopped) sayRejects(context, rejects, rowsName(options), options.rejects)
    if (!isConflict(error)) await sayHowToGoOn(run, queue.batch(batchId), stopped ? 'stopped; ' : '')
    if (stopped) return undefined
    throw error
  }
}

async function reading<T>(
  { options, context, rejects }: Run,
  label: string,
  work: (rows: RowReading) => Promise<T>,
): Promise<T> {
  using progress = openProgress(context, { label, unit: 'rows' })
  await using file = await openRows(options, context, progress)
  const check = checkOf(options, file)
  const { signal } = context
  return await work({ file, check, rejects, signal, onProgress: (step) => progress.update(step) })
}

/** With these rows it never goes on. */
function isConflict(error: unknown): boolean {
  return error instanceof FluxMailError && error.code === 'batch_conflict'
}

/** What was acknowledged stays, whatever came after it. */
async function sayHowToGoOn({ options, context }: Run, batch: Batch, before: string): Promise<void> {
  const { stderr } = context
  const status = await batch.status().catch(() => undefined)
  if (status === undefined) {
    if (before !== '') say(stderr, `${before}nothing is acknowledged`)
    return
  }
  say(stderr, `${before}${countOf(status.total, 'delivery', 'deliveries')} acknowledged, and will be sent`)
  const again =
    options.batch === undefined ? `the same command with --batch ${batch.id}` : 'the same command again'
  say(stderr, `to go on: ${again}${rowsPath(options) === '-' ? ', with the same input' : ''}`)
}

function sayLeftOut({ context, options, rejects }: Run, { duplicates }: Counts): void {
  sayRejects(context, rejects, rowsName(options), options.rejects)
  if (duplicates === 0) return
  const repeat = duplicates === 1 ? 'row repeats' : 'rows repeat'
  say(
    context.stderr,
    `${countOf(duplicates, repeat, repeat)} an address, left out; --allow-duplicates keeps them`,
  )
}

async function tryOut(run: Run): Promise<ExitCode> {
  const { options, context, content, rejects } = run
  try {
    const tried = await reading(run, 'checking', async (rows) => {
      const { deliveries, samples } = await dryRun(rows, content)
      return { deliveries, duplicates: rows.check.duplicates, rejected: rejects.count, samples }
    })
    sayLeftOut(run, tried)
    if (options.json) say(context.stdout, JSON.stringify(tried))
    else saySamples(context, tried)
    return tried.deliveries > 0 ? exitCodes.done : exitCodes.commandLine
  } catch (error) {
    if (context.signal.aborted) return exitCodes.interrupted
    sayRejects(context, rejects, rowsName(options), options.rejects)
    throw error
  }
}

function saySamples({ stdout, env }: Context, { samples, deliveries }: DryRun): void {
  const paint = paintFor(stdout, env)
  for (const sample of samples) {
    for (const line of [...sampleLines(sample, columnsOf(stdout), paint), '']) say(stdout, line)
  }
  const counted = paint('green', countOf(deliveries, 'delivery', 'deliveries'))
  say(stdout, `${counted} would be enqueued; this was a dry run`)
}

async function finish({ options, context }: Run, batch: Batch, counts: Counts): Promise<ExitCode> {
  if (options.wait !== true) {
    const status = await batch.status()
    if (options.json) say(context.stdout, JSON.stringify({ ...status, ...counts }))
    else sayEnqueued(context, status)
    return status.total > 0 ? exitCodes.done : exitCodes.commandLine
  }
  const status = await watch(batch, context)
  const { rejected } = counts
  if (options.json) say(context.stdout, JSON.stringify({ ...status, ...counts }))
  else for (const line of batchLines({ ...status, rejected }, context)) say(context.stdout, line)
  if (status.pending > 0) return exitCodes.interrupted
  return status.total > 0 ? exitCodes.done : exitCodes.commandLine
}

function sayEnqueued({ stdout, env }: Context, { id, lane, total }: BatchStatus): void {
  const paint = paintFor(stdout, env)
  say(
    stdout,
    `${paint('green', countOf(total, 'delivery', 'deliveries'))} in lane ${lane}, batch ${paint('bold', id)}`,
  )
  say(stdout, paint('dim', `to look on: fluxmail watch ${id}`))
}

/** Follows a batch until nothing is pending, or until Ctrl-C. */
export async function watch(batch: Batch, context: Context): Promise<BatchStatus> {
  using progress = openProgress(context, { label: 'delivering', unit: 'settled' })
  let last = await batch.status()
  for await (const status of batch.progress({ intervalMs: 200, signal: context.signal })) {
    last = status
    const count = status.total - status.pending
    progress.update({
      share: status.total === 0 ? 1 : count / status.total,
      count,
      ...(status.failed ? { note: `${status.failed} failed` } : {}),
    })
  }
  return last
}
