// The submitting role of a process: an SMTP submission server and its HTTP port, configured from the environment.

import { systemClock } from '../clock.js'
import { type Env, parseDurability, processEnv } from '../config.js'
import { type EnvironmentValues, parseEnvironment } from '../environment.js'
import { FluxMailError } from '../errors.js'
import { submissionResults } from '../ingress/desk.js'
import { openIngress } from '../ingress/ingress.js'
import { MailQueue } from '../mail-queue.js'
import { beginCounters } from '../telemetry/first-values.js'
import { createLogger, type LogLevel } from '../telemetry/log.js'
import { createMetrics } from '../telemetry/metrics.js'
import { openProcessReport } from '../telemetry/process-report.js'
import type { Role } from './deliver.js'
import { openOpsServer } from './http.js'
import { readIngressSettings } from './ingress-settings.js'
import { inVariables } from './ingress-words.js'
import { redisTargetOf } from './redis-settings.js'

export interface IngressRole extends Role {
  /** Where SMTP with STARTTLS listens. */
  readonly port: number | undefined
  /** Where SMTP with TLS from the first byte listens. */
  readonly securePort: number | undefined
}

const DEFAULT_HTTP_HOST = '127.0.0.1'
const DEFAULT_HTTP_PORT = 9465
const DEFAULT_DRAIN_MS = 30_000

/**
 * Starts an SMTP submission server as the environment says. It need not reach Redis to start: while Redis is away,
 * clients are told to try again, and the role stays ready to tell them.
 *
 * @throws FluxMailError `invalid_config`, `read_error`, `setup_failed`
 */
export async function openIngressRole(env: Env = processEnv()): Promise<IngressRole> {
  const values = parseEnvironment(env)
  try {
    return await openRole(values)
  } catch (error) {
    throw error instanceof FluxMailError ? inVariables(error, values) : error
  }
}

async function openRole(values: EnvironmentValues): Promise<IngressRole> {
  const { lanes, shards, ...settings } = readIngressSettings(values)
  const logger = createLogger((values.logLevel ?? 'info') as LogLevel)
  const queue = new MailQueue({
    redis: redisTargetOf(values),
    name: values.name,
    lanes,
    shards,
    durability: parseDurability(values.durability),
  })
  const report = openProcessReport('ingress', systemClock)
  const metrics = createMetrics((into) => report.measure(into))
  beginCounters(metrics, { result: submissionResults })
  const closers: (() => void | Promise<void>)[] = [() => report.stop(), () => queue.close()]
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const ingress = await openIngress({ ...settings, queue, logger, metrics })
    const deadlineMs = values.drainMs ?? DEFAULT_DRAIN_MS
    closers.push(() => ingress.close({ deadlineMs }))
    const observed = { isReady: true, metrics }
    const httpHost = values.httpHost ?? DEFAULT_HTTP_HOST
    const http = await openOpsServer(observed, httpHost, values.httpPort ?? DEFAULT_HTTP_PORT)
    // Last in the list is first to go, and who looks shall see that it drains.
    closers.splice(2, 0, () => http.close())
    const { port, securePort } = ingress
    logger.info({ port, securePort, http: `http://${httpHost}:${http.port}` }, 'taking submissions')
    const close = async () => {
      logger.info({}, 'draining')
      observed.isReady = false
      await closeAll()
      logger.info({}, 'stopped')
    }
    return { httpPort: http.port, port, securePort, close }
  } catch (error) {
    await closeAll()
    throw error
  }
}
