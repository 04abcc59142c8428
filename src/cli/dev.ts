// `fluxmail dev`: Redis, an SMTP server and a worker for somebody who builds an app, until Ctrl-C.
// Its relay is always the server here: whatever the environment says, nobody is mailed.

import { once } from 'node:events'
import { relative } from 'node:path'
import { openSink, type Sink } from '../sink/sink.js'
import { type Context, type ExitCode, exitCodes, paintFor, say } from './context.js'
import {
  devFolder,
  devWorkerConfig,
  freePortOr,
  keepDevPorts,
  lastDevPorts,
  requireNoOther,
} from './dev-folder.js'
import { openPrivateRedis, type PrivateRedis } from './private-redis.js'
import { sinkPorts } from './sink.js'
import { startWorkerChild, type WorkerChild } from './worker-child.js'

export interface DevOptions {
  readonly redisPort?: number
  readonly smtpPort?: number
  readonly httpPort?: number
  readonly json?: boolean
}

const REDIS_PORT = 16_379

export async function dev(options: DevOptions, context: Context): Promise<ExitCode> {
  const folder = await devFolder()
  await requireNoOther(folder)
  const last = await lastDevPorts(folder)
  const redisPort = await freePortOr(options.redisPort ?? last?.redis ?? REDIS_PORT)
  const smtpPort = await freePortOr(options.smtpPort ?? last?.smtp ?? sinkPorts.smtp)
  const httpPort = await freePortOr(options.httpPort ?? last?.http ?? sinkPorts.http)
  await using redis = await openPrivateRedis({
    folder: folder.redis,
    ...(redisPort > 0 ? { port: redisPort } : {}),
  })
  await using sink = await openSink({ smtpPort, httpPort })
  const settings = {
    FLUXMAIL_REDIS_URL: redis.url,
    FLUXMAIL_CONFIG: await devWorkerConfig(folder, sink.smtpPort, context.env),
    FLUXMAIL_LOG_LEVEL: 'warn',
    ...(context.env.FLUXMAIL_NAME ? { FLUXMAIL_NAME: context.env.FLUXMAIL_NAME } : {}),
  }
  await using worker = await startWorkerChild({ env: context.env, settings })
  await keepDevPorts(folder, { redis: redis.port, smtp: sink.smtpPort, http: sink.httpPort ?? 0 })
  sayEnvironment({ redis, sink, worker, folder: folder.path }, options, context)
  const stopMessages = options.json ? () => undefined : sayMessages(sink, context)
  const ended = AbortSignal.any([context.signal, worker.lost])
  if (!ended.aborted) await once(ended, 'abort')
  stopMessages()
  if (!context.signal.aborted) throw worker.lost.reason
  return exitCodes.done
}

interface Stage {
  readonly redis: PrivateRedis
  readonly sink: Sink
  readonly worker: WorkerChild
  readonly folder: string
}

function sayEnvironment(
  { redis, sink, worker, folder }: Stage,
  { json }: DevOptions,
  { stdout, env }: Context,
): void {
  const name = env.FLUXMAIL_NAME
  const environment = {
    FLUXMAIL_REDIS_URL: redis.url,
    ...(name ? { FLUXMAIL_NAME: name } : {}),
    FLUXMAIL_HOST: '127.0.0.1',
    FLUXMAIL_PORT: String(sink.smtpPort),
    FLUXMAIL_SENDER: env.FLUXMAIL_SENDER || 'dev@example.com',
  }
  const metrics = `http://127.0.0.1:${worker.httpPort}/metrics`
  if (json) {
    say(stdout, JSON.stringify({ environment, inbox: sink.url, metrics }))
    return
  }
  const paint = paintFor(stdout, env)
  say(stdout, paint('bold', 'Redis, an SMTP server and a worker are running. Nobody is mailed.'))
  say(stdout)
  for (const [variable, value] of Object.entries(environment))
    say(stdout, `export ${variable}=${shellWord(value)}`)
  say(stdout)
  say(stdout, `inbox    ${sink.url}`)
  say(stdout, `metrics  ${metrics}`)
  say(stdout, `data     ${relative(process.cwd(), folder) || folder}`)
  say(stdout)
  say(stdout, 'The lines with export are for your app. Ctrl-C ends it all; the data stays.')
}

/** A value as every shell reads it, in quotes where it needs them. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** A line for each mail that arrives. */
function sayMessages(sink: Sink, { stdout, env }: Context): () => void {
  const paint = paintFor(stdout, env)
  say(stdout)
  return sink.onMessage(({ id, to }) => {
    say(stdout, `${paint('green', to.join(', '))}  ${paint('dim', `${sink.url}messages/${id}`)}`)
  })
}
