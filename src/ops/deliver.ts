// The delivering role of a process: a DeliveryWorker and its HTTP port, configured from the environment.

import { readFileSync } from 'node:fs'
import { type Env, parseConfigFile, parseDurability, processEnv, type WorkerConfigInput } from '../config.js'
import { DeliveryWorker } from '../delivery-worker.js'
import {
  type EnvironmentValues,
  limitValues,
  parseEnvironment,
  pickValues,
  relayOptionsOf,
  variableOf,
} from '../environment.js'
import { FluxMailError, messageOf } from '../errors.js'
import { renameFields } from '../named-fields.js'
import { createLogger, type LogLevel, logLevels } from '../telemetry/log.js'
import { openOpsServer } from './http.js'
import { redisTargetOf } from './redis-settings.js'

export interface Role {
  /** Where the role's HTTP port listens. */
  readonly httpPort: number
  /** Drains and stops. */
  close(): Promise<void>
}

const DEFAULT_HTTP_HOST = '127.0.0.1'
const DEFAULT_HTTP_PORT = 9464
const DEFAULT_DRAIN_MS = 30_000

/**
 * Starts a worker as the environment says. An abort of `signal` while Redis is not there yet ends the attempt.
 *
 * @throws FluxMailError `invalid_config`, `read_error`, `setup_failed`, `closed`
 */
export async function openDeliverRole(env: Env = processEnv(), signal?: AbortSignal): Promise<Role> {
  const values = parseEnvironment(env)
  const config = workerConfigOf(values)
  const logger = createLogger(logLevelOf(values.logLevel))
  const redis = redisTargetOf(values)
  const name = values.name === undefined ? {} : { name: values.name }
  const worker = speakingOfVariables(values, () => new DeliveryWorker({ ...config, redis, logger, ...name }))
  const httpHost = values.httpHost ?? DEFAULT_HTTP_HOST
  const server = await openOpsServer(worker, httpHost, values.httpPort ?? DEFAULT_HTTP_PORT)
  const close = async () => {
    logger.info({}, 'draining')
    await worker.close({ deadlineMs: values.drainMs ?? DEFAULT_DRAIN_MS })
    await server.close()
    logger.info({}, 'stopped')
  }
  const stop = () => void close()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    await worker.start()
  } catch (error) {
    await close()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
  const relays = Object.keys(config.relays ?? {})
  logger.info({ relays, http: `http://${httpHost}:${server.port}` }, 'taking deliveries')
  return { httpPort: server.port, close }
}

function logLevelOf(level = 'info'): LogLevel {
  const known = logLevels.find((name) => name === level)
  if (known) return known
  throw new FluxMailError(
    'invalid_config',
    `FLUXMAIL_LOG_LEVEL must be one of ${logLevels.join(', ')}, and is ${JSON.stringify(level)}`,
  )
}

/**
 * The configuration file, if one is named, under what the environment says of the worker itself.
 *
 * @throws FluxMailError `invalid_config`, `read_error`
 */
export function workerConfigOf(values: EnvironmentValues): WorkerConfigInput {
  const own = {
    ...pickValues(values, ['concurrency', 'maxPerWorkerPerSecond', 'mxLookup', 'shards', 'logAddresses']),
    ...(values.durability === undefined ? {} : { durability: parseDurability(values.durability) }),
  }
  if (values.config !== undefined) return { ...limited(readConfigFile(values.config), values), ...own }
  return { relays: { [relayName]: relayOf(values) }, ...own }
}

const relayName = 'main'

/** Runs what checks a relay that is made of variables, and says what is wrong with it of those. */
export function speakingOfVariables<T>(values: EnvironmentValues, check: () => T): T {
  try {
    return check()
  } catch (thrown) {
    if (values.config !== undefined || !(thrown instanceof FluxMailError)) throw thrown
    const { code, message, cause, details } = thrown
    const said = renameFields(message, (field, inner) => {
      const option = field === 'relays' ? inner.replace(`.${relayName}.`, '') : field
      return variableOf(option) === option ? undefined : variableOf(option)
    })
    throw new FluxMailError(code, said, { cause, details: { ...details } })
  }
}

function relayOf(values: EnvironmentValues): WorkerConfigInput['relays'][string] {
  const { host, preset } = values
  if (host !== undefined || preset !== undefined) return { host, ...relayOptionsOf(values) }
  throw new FluxMailError(
    'invalid_config',
    'no relay is configured: set FLUXMAIL_HOST or FLUXMAIL_PRESET, or FLUXMAIL_CONFIG to a JSON file with relays',
  )
}

/** A limit of the environment is that of the one relay; passing it over would send more than was meant. */
function limited(config: WorkerConfigInput, values: EnvironmentValues): WorkerConfigInput {
  const limits = pickValues(values, limitValues)
  const [set] = Object.keys(limits)
  if (set === undefined || typeof config?.relays !== 'object' || config.relays === null) return config
  const [relay, ...more] = Object.entries(config.relays)
  if (relay === undefined) return config
  if (more.length === 0) return { ...config, relays: { [relay[0]]: { ...relay[1], ...limits } } }
  throw new FluxMailError(
    'invalid_config',
    `${variableOf(set)} is for a single relay, and FLUXMAIL_CONFIG has ${more.length + 1}: write ${set} into the relay that is meant`,
  )
}

function readConfigFile(file: string): WorkerConfigInput {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FluxMailError(
      'read_error',
      `FLUXMAIL_CONFIG names ${file}, which cannot be read: ${messageOf(cause)}`,
      { cause },
    )
  }
  // What is in it is checked with everything else, by the worker's own schema.
  return parseConfigFile(text, file) as WorkerConfigInput
}
