// The environment variables: one table from which they are parsed and the README's table is written.
// A value that cannot be read is refused with its name and what would be right; a secret is never quoted.

import type { Env } from './config.js'
import { FluxMailError } from './errors.js'

type Kind = 'text' | 'secret' | 'integer' | 'number' | 'seconds' | 'boolean'

interface Variable {
  readonly kind: Kind
  /** Where the value goes: an option of a relay, of the worker, or of the process around them. */
  readonly sets: string
  readonly help: string
}

/** Every variable that the library and its processes read. The README's table is written from this. */
export const environmentVariables = {
  FLUXMAIL_REDIS_URL: {
    kind: 'secret',
    sets: 'redis',
    help: 'where Redis is; `redis://127.0.0.1:6379` unless set',
  },
  FLUXMAIL_NAME: {
    kind: 'text',
    sets: 'name',
    help: 'what our keys in Redis begin with; `fluxmail` unless set',
  },
  FLUXMAIL_TYPE: { kind: 'text', sets: 'objectType', help: '`smtp`, the only kind so far' },
  FLUXMAIL_HOST: { kind: 'text', sets: 'host', help: 'the SMTP relay' },
  FLUXMAIL_PORT: { kind: 'integer', sets: 'port', help: 'its port' },
  FLUXMAIL_USERNAME: { kind: 'text', sets: 'username', help: 'login name' },
  FLUXMAIL_PASSWORD: { kind: 'secret', sets: 'password', help: 'login password' },
  FLUXMAIL_TLS: { kind: 'boolean', sets: 'useTls', help: 'require STARTTLS' },
  FLUXMAIL_SSL: { kind: 'boolean', sets: 'useSsl', help: 'TLS from the first byte' },
  FLUXMAIL_TIMEOUT: {
    kind: 'seconds',
    sets: 'timeoutMs',
    help: 'seconds for connecting, the greeting and replies',
  },
  FLUXMAIL_MAX_RETRIES: { kind: 'integer', sets: 'maxRetries', help: 'for sending without the queue' },
  FLUXMAIL_RETRY_DELAY: { kind: 'seconds', sets: 'retryDelayMs', help: 'seconds between those' },
  FLUXMAIL_SENDER: { kind: 'text', sets: 'sender', help: 'the From address unless an email names another' },
  FLUXMAIL_MAX_CONNECTIONS: {
    kind: 'integer',
    sets: 'maxConnections',
    help: 'connections that one process keeps',
  },
  FLUXMAIL_MAX_PER_WORKER_PER_SECOND: {
    kind: 'number',
    sets: 'maxPerWorkerPerSecond',
    help: 'messages a second that one worker process hands to relays',
  },
  FLUXMAIL_CONCURRENCY: {
    kind: 'integer',
    sets: 'concurrency',
    help: 'deliveries at once in one worker, for each lane',
  },
  FLUXMAIL_CONFIG: {
    kind: 'text',
    sets: 'config',
    help: 'a JSON file with relays, routes and lanes, in place of `FLUXMAIL_HOST` and its like',
  },
  FLUXMAIL_HTTP_HOST: {
    kind: 'text',
    sets: 'httpHost',
    help: "the worker's HTTP address; `127.0.0.1` unless set",
  },
  FLUXMAIL_HTTP_PORT: {
    kind: 'integer',
    sets: 'httpPort',
    help: "the worker's HTTP port; 9464 unless set, 0 for any free one",
  },
  FLUXMAIL_DRAIN_SECONDS: {
    kind: 'seconds',
    sets: 'drainMs',
    help: 'how long a stopping worker waits for what is on the wire; 30 unless set',
  },
  FLUXMAIL_LOG_LEVEL: {
    kind: 'text',
    sets: 'logLevel',
    help: '`debug`, `info`, `warn`, `error` or `silent`',
  },
  FLUXMAIL_LOG_ADDRESSES: { kind: 'boolean', sets: 'logAddresses', help: 'write recipients into log lines' },
} as const satisfies Record<string, Variable>

export type VariableName = keyof typeof environmentVariables

type ValueOf<K extends Kind> = K extends 'text' | 'secret' ? string : K extends 'boolean' ? boolean : number

export type EnvironmentValues = {
  -readonly [N in VariableName as (typeof environmentVariables)[N]['sets']]?: ValueOf<
    (typeof environmentVariables)[N]['kind']
  >
}

const words: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
}

/**
 * Reads the variables of the table out of `env`; an empty value counts as unset.
 *
 * @throws FluxMailError `invalid_config` with a line for each value that cannot be read
 */
export function parseEnvironment(env: Env): EnvironmentValues {
  const values: Record<string, string | number | boolean> = {}
  const problems: string[] = []
  for (const [name, variable] of Object.entries(environmentVariables)) {
    const text = env[name]?.trim()
    if (!text) continue
    const value = parseValue(variable.kind, text)
    if (value === undefined)
      problems.push(`${name} ${complaint(variable.kind)}, and is ${JSON.stringify(text)}`)
    else values[variable.sets] = value
  }
  if (problems.length === 0) return values as EnvironmentValues
  throw new FluxMailError('invalid_config', `the environment is wrong:\n  ${problems.join('\n  ')}`, {
    details: { problems },
  })
}

/** Those of the named values that are set. */
export function pickValues<K extends keyof EnvironmentValues>(
  values: EnvironmentValues,
  names: readonly K[],
): Pick<EnvironmentValues, K> {
  const set = names.filter((name) => values[name] !== undefined)
  return Object.fromEntries(set.map((name) => [name, values[name]])) as Pick<EnvironmentValues, K>
}

/** What the variables say of one relay, beside its host. */
export const relayValues = [
  'port',
  'username',
  'password',
  'useTls',
  'useSsl',
  'timeoutMs',
  'maxConnections',
] as const satisfies readonly (keyof EnvironmentValues)[]

function parseValue(kind: Kind, text: string): string | number | boolean | undefined {
  if (kind === 'text' || kind === 'secret') return text
  if (kind === 'boolean') return words[text.toLowerCase()]
  const number = Number(text)
  if (!Number.isFinite(number) || number < 0) return undefined
  if (kind === 'integer') return Number.isInteger(number) ? number : undefined
  return kind === 'seconds' ? Math.round(number * 1000) : number
}

function complaint(kind: Kind): string {
  if (kind === 'boolean') return 'must be true, 1, yes, on, false, 0, no or off'
  if (kind === 'integer') return 'must be a whole number'
  return kind === 'seconds' ? 'must be a number of seconds' : 'must be a number'
}
