// What every benchmark plays on: a sink in this process, whose clock tells all times, a Redis, and worker processes.
// Whatever it opened is gone when it is disposed of, or at the latest with this process.

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/cli/package-root.js'
import { openPrivateRedis } from '../../src/cli/private-redis.js'
import { MailQueue, type RelayOptions, type WorkerConfigInput } from '../../src/index.js'
import { openSink, type Sink, type SinkOptions } from '../../src/sink/sink.js'
import { type Child, startChild } from '../chaos/child.js'

export interface StageOptions {
  readonly sink?: SinkOptions
  /** Of the one relay, beside its host and port. */
  readonly relay?: Partial<RelayOptions>
  readonly config?: Partial<WorkerConfigInput>
  /** A private one unless given. */
  readonly redis?: string | undefined
  /** What its keys in Redis begin with. */
  readonly name?: string | undefined
}

export interface Worker {
  readonly child: Child
  /** Of its metrics. */
  readonly httpPort: number
}

export interface Stage extends AsyncDisposable {
  readonly sink: Sink
  readonly queue: MailQueue
  /** Resolves when it takes mail; rejects when it ends before. */
  startWorker(): Promise<Worker>
  /** SIGTERM, and what has not ended then is killed. */
  stopWorker(worker: Worker): Promise<void>
}

/** The one relay of a stage. */
export const relayName = 'main'
const DRAIN_SECONDS = 3
const STOP_MS = 8_000

const retry = { delaysMs: [500, 1_000], jitter: 0.2, maxAgeMs: 600_000 }
/** A mail that a killed worker held is taken up again after seconds, and none is held for a person. */
const lanes = { transactional: { retry, unknown: 'resend' }, bulk: { retry, unknown: 'resend' } } as const
const lockMs = 5_000

export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const redis = options.redis === undefined ? await openPrivateRedis() : undefined
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-bench-'))
  const sink = await openSink({ httpPort: false, ...options.sink })
  const where = { redis: options.redis ?? redis?.url ?? '', name: options.name ?? 'fluxmail-bench' }
  const queue = new MailQueue(where)
  const config = join(folder, 'worker.json')
  const relays = { [relayName]: { host: '127.0.0.1', port: sink.smtpPort, ...options.relay } }
  await writeFile(config, JSON.stringify({ relays, lanes, lockMs, ...options.config }))
  const workers: Child[] = []
  const startWorker = async () => {
    const child = startChild({
      name: `worker-${workers.length + 1}`,
      entry: workerEntry(),
      folder,
      env: environment(where, config),
      plain: true,
    })
    workers.push(child)
    const ready = (await child.message()) as { readonly httpPort?: number }
    return { child, httpPort: ready.httpPort ?? 0 }
  }
  return {
    sink,
    queue,
    startWorker,
    stopWorker: ({ child }) => stopChild(child),
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((child) => child.kill()))
      await Promise.all([queue.close(), sink.close()])
      await redis?.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function environment(where: { redis: string; name: string }, config: string): Record<string, string> {
  return {
    FLUXMAIL_REDIS_URL: where.redis,
    FLUXMAIL_NAME: where.name,
    FLUXMAIL_CONFIG: config,
    FLUXMAIL_HTTP_PORT: '0',
    FLUXMAIL_DRAIN_SECONDS: String(DRAIN_SECONDS),
    FLUXMAIL_LOG_LEVEL: 'warn',
  }
}

async function stopChild(child: Child): Promise<void> {
  child.signal('SIGTERM')
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_MS)
  })
  await Promise.race([child.ended, late])
  clearTimeout(timer)
  await child.kill()
}

function workerEntry(): string {
  const entry = join(packageRoot(), 'dist', 'workers', 'deliver.js')
  if (existsSync(entry)) return entry
  throw new Error(`there is no ${entry}: build it with npm run build`)
}
