// `fluxmail enqueue`: one template to every row of a CSV, acknowledged by Redis.
// The batch has an id from the start, so that whatever stops this command, the same command goes on.

import { randomBytes } from 'node:crypto'
import type { BatchContent } from '../content/batch-content.js'
import { EmailTemplate } from '../content/template.js'
import type { MailQueue } from '../mail-queue.js'
import type { Batch, BatchStatus } from '../queue/batch.js'
import { openProgress } from '../terminal/progress.js'
import { countOf } from '../terminal/text.js'
import { type Context, type ExitCode, exitCodes, paintFor, say } from './context.js'
import { openRecipients, type RecipientOptions } from './csv/recipients.js'
import { enqueueCsv } from './enqueue-csv.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { parseHeaderLines, parseInlineImages, requireFile } from './options.js'
import { Rejects, sayRejects } from './rejects.js'
import { batchLines } from './status-lines.js'

export interface EnqueueOptions extends QueueOptions, RecipientOptions {
  readonly csv: string
  readonly template: string
  readonly textTemplate?: string
  readonly subject: string
  readonly sender?: string
  readonly replyTo?: string
  readonly attachment?: readonly string[]
  readonly inlineImage?: readonly string[]
  readonly inlineCss?: boolean
  readonly unsubscribeUrl?: string
  readonly header?: readonly string[]
  readonly batch?: string
  readonly lane?: string
  readonly route?: string
  readonly rejects?: string
  readonly wait?: boolean
  readonly json?: boolean
}

export async function enqueue(options: EnqueueOptions, context: Context): Promise<ExitCode> {
  const content = contentOf(options, context)
  using recipients = await openRecipients(options.csv, options)
  using rejects = new Rejects(options.rejects)
  await using queue = openQueue(options, context.env)
  const batchId = options.batch ?? `b${randomBytes(9).toString('hex')}`
  const { lane, route } = options
  let rows = 0
  try {
    using progress = openProgress(context, { label: 'enqueueing', unit: 'rows' })
    await enqueueCsv({
      queue,
      recipients,
      content,
      rejects,
      batchId,
      lane,
      route,
      signal: context.signal,
      onProgress: (step) => {
        rows = step.count
        progress.update(step)
      },
    })
  } catch (error) {
    if (!context.signal.aborted) throw error
    return sayStopped(context, options, batchId, rows)
  }
  sayRejects(context, rejects, options.csv, options.rejects)
  return await finish({ queue, batchId, rejected: rejects.count, options, context })
}

/** Strict: a name that no column has would be empty in every mail. */
function contentOf(options: EnqueueOptions, { env }: Context): BatchContent {
  const isText = /\.(txt|text|md)$/i.test(options.template)
  const fromFile = (path: string, autoescape: boolean) => {
    requireFile(path)
    return EmailTemplate.fromFile(path, { autoescape, strict: true })
  }
  const fromFlag = (source: string, name: string) =>
    new EmailTemplate(source, { autoescape: false, strict: true, name })
  const text = options.textTemplate ?? (isText ? options.template : undefined)
  const { unsubscribeUrl } = options
  const sender = options.sender ?? env.FLUXMAIL_SENDER
  return {
    subject: fromFlag(options.subject, '--subject'),
    html: isText ? undefined : fromFile(options.template, true),
    text: text === undefined ? undefined : fromFile(text, false),
    // A missing sender is refused by the library, in its own words.
    sender: sender as string,
    replyTo: options.replyTo,
    attachments: options.attachment,
    inlineImages: parseInlineImages(options.inlineImage),
    inlineCss: options.inlineCss,
    unsubscribeUrl: unsubscribeUrl === undefined ? undefined : fromFlag(unsubscribeUrl, '--unsubscribe-url'),
    headers: parseHeaderLines(options.header),
  }
}

function sayStopped({ stderr }: Context, options: EnqueueOptions, batchId: string, rows: number): ExitCode {
  say(stderr, `stopped after ${countOf(rows, 'row')}; those acknowledged will be sent`)
  say(
    stderr,
    options.batch === undefined
      ? `to go on: the same command with --batch ${batchId}`
      : 'to go on: the same command again',
  )
  return exitCodes.interrupted
}

interface Finished {
  readonly queue: MailQueue
  readonly batchId: string
  /** Rows of the CSV that are no deliveries, broken ones included. */
  readonly rejected: number
  readonly options: EnqueueOptions
  readonly context: Context
}

async function finish({ queue, batchId, rejected, options, context }: Finished): Promise<ExitCode> {
  const batch = queue.batch(batchId)
  if (options.wait !== true) {
    const status = await batch.status()
    if (options.json) say(context.stdout, JSON.stringify({ ...status, rejected }))
    else sayEnqueued(context, status)
    return status.total > 0 ? exitCodes.done : exitCodes.commandLine
  }
  const status = await watch(batch, context)
  if (options.json) say(context.stdout, JSON.stringify({ ...status, rejected }))
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
  say(stdout, paint('dim', `fluxmail status --batch ${id}`))
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
