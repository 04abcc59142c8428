// What the demo runs on: a Redis and one worker process, both gone when it ends.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env, WorkerConfigInput } from '../config.js'
import { parseEnvironment } from '../environment.js'
import { createRedis, disconnect, ready } from '../redis.js'
import type { Sink } from '../sink/sink.js'
import { openPrivateRedis } from './private-redis.js'
import { startWorkerChild, type WorkerChild } from './worker-child.js'

export interface DemoRedis extends AsyncDisposable {
  readonly url: string
  /** What the demo's keys begin with. */
  readonly name: string
  readonly isPrivate: boolean
}

/** How soon greylisted mail is tried again here; elsewhere it is minutes. */
export const demoRetryDelaysMs = [500, 1000] as const

/** A private Redis, or the one that FLUXMAIL_REDIS_URL names, under keys of our own that go with us. */
export async function openDemoRedis(env: Env): Promise<DemoRedis> {
  const { redis: url } = parseEnvironment(env)
  const name = `fluxmail-demo-${randomBytes(6).toString('hex')}`
  if (url !== undefined)
    return { url, name, isPrivate: false, [Symbol.asyncDispose]: () => removeKeys(url, name) }
  const own = await openPrivateRedis()
  return { url: own.url, name, isPrivate: true, [Symbol.asyncDispose]: () => own.close() }
}

async function removeKeys(url: string, name: string): Promise<void> {
  const redis = createRedis(url, 'producer', { name })
  try {
    await ready(redis)
    for await (const keys of redis.scanStream({ match: `{${name}}:*`, count: 1000 }) as AsyncIterable<
      string[]
    >) {
      if (keys.length > 0) await redis.unlink(...keys)
    }
  } finally {
    disconnect(redis)
  }
}

interface DemoWorkerOptions {
  readonly env: Env
  readonly redis: DemoRedis
  readonly sink: Sink
}

export async function openDemoWorker({ env, redis, sink }: DemoWorkerOptions): Promise<WorkerChild> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-demo-'))
  try {
    const config = join(folder, 'worker.json')
    await writeFile(config, JSON.stringify(workerConfig(sink.smtpPort), undefined, 2))
    const settings = {
      FLUXMAIL_REDIS_URL: redis.url,
      FLUXMAIL_NAME: redis.name,
      FLUXMAIL_CONFIG: config,
      FLUXMAIL_LOG_LEVEL: 'warn',
    }
    return await startWorkerChild({ env, settings })
  } finally {
    // Read once, and gone, so that even a kill -9 leaves nothing.
    await rm(folder, { recursive: true, force: true })
  }
}

function workerConfig(port: number): WorkerConfigInput {
  const retry = { delaysMs: [...demoRetryDelaysMs], jitter: 0, maxAgeMs: 60_000 }
  return {
    relays: { sink: { host: '127.0.0.1', port } },
    lanes: { transactional: { retry, unknown: 'resend' }, bulk: { retry, unknown: 'hold' } },
  }
}
