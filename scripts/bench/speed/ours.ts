// Our side of every row: a batch that is in Redis, and one worker process as it is built, with its metrics and permits on.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../../src/cli/package-root.js'
import { type BatchContent, MailQueue, type RelayOptions } from '../../../src/index.js'
import { WrongResult } from '../command.js'
import { megabyte, newsletter, rowsOf } from './fixture/mail.mjs'
import { type Sender, startSender } from './sender.js'

export const queueName = 'bench'
const batchId = 'newsletter'
export const connections = 10
/** A limit that nobody reaches, so that every message has a permit of a limited relay. */
const RATE = 50_000

export interface MailVariant {
  readonly attachment?: boolean | undefined
}

export function contentOf({ attachment }: MailVariant = {}): BatchContent {
  return {
    subject: newsletter.subject,
    html: newsletter.html,
    text: newsletter.text,
    sender: newsletter.from,
    headers: { 'X-Member': newsletter.memberHeader },
    inlineCss: true,
    ...(attachment && { attachments: [{ filename: 'programme.bin', content: megabyte() }] }),
  }
}

export async function enqueueNewsletter(
  redis: string,
  count: number,
  { signal, ...variant }: MailVariant & { readonly signal?: AbortSignal } = {},
): Promise<void> {
  await using queue = new MailQueue({ redis, name: queueName })
  const batch = await queue.enqueueBatch(untilAborted(rowsOf(count), signal), contentOf(variant), { batchId })
  const { total, rejected } = await batch.status()
  if (total === count && rejected === 0) return
  throw new WrongResult(`of ${count} rows ${total} became deliveries and ${rejected} were refused`)
}

export function* untilAborted<Row>(rows: Iterable<Row>, signal: AbortSignal | undefined): Generator<Row> {
  for (const row of rows) {
    signal?.throwIfAborted()
    yield row
  }
}

/** @throws WrongResult where the batch's counts are not those of what the sink has */
export async function requireSent(redis: string, count: number): Promise<void> {
  await using queue = new MailQueue({ redis, name: queueName })
  const { sent, pending } = await queue.batch(batchId).status()
  if (sent === count && pending === 0) return
  throw new WrongResult(`FluxMail counts ${sent} sent and ${pending} pending of ${count} that arrived`)
}

export interface WorkerSettings {
  readonly redis: string
  readonly port: number
  readonly relay?: Partial<RelayOptions> | undefined
  readonly node?: readonly string[]
}

/** Resolves when the worker takes mail. */
export async function startOurs({ redis, port, relay, node }: WorkerSettings): Promise<Sender> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-bench-'))
  try {
    const config = join(folder, 'worker.json')
    const main = {
      host: '127.0.0.1',
      port,
      ratePerSecond: RATE,
      selfTuning: false,
      maxConnectionsPerWorker: connections,
      maxMessagesPerConnection: 1_000_000,
      ...relay,
    }
    await writeFile(config, JSON.stringify({ relays: { main } }))
    const env = {
      FLUXMAIL_REDIS_URL: redis,
      FLUXMAIL_NAME: queueName,
      FLUXMAIL_CONFIG: config,
      FLUXMAIL_HTTP_PORT: '0',
      FLUXMAIL_DRAIN_SECONDS: '10',
      FLUXMAIL_LOG_LEVEL: 'warn',
    }
    const entry = join(packageRoot(), 'dist', 'workers', 'deliver.js')
    return await startSender({ entry, env, ...(node && { node }) })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
