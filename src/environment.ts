// The environment of a process, read by the table of variables.
// A value that cannot be read is refused with its name and what would be right; a secret is never quoted or trimmed.

import type { DkimOptions, Env, OAuth2Options, RelayOptions } from './config.js'
import { fileOf, readFileVariable } from './environment-files.js'
import { environmentVariables, type Kind } from './environment-table.js'
import { FluxMailError, guarded } from './errors.js'

export { environmentVariables } from './environment-table.js'

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
 * Reads the variables of the table out of `env`; an empty value counts as unset. Spaces around a value are cut off,
 * unless it is a secret, where they may be part of it.
 *
 * @throws FluxMailError `invalid_config` with a line for each value that cannot be read
 */
export function parseEnvironment(env: Env): EnvironmentValues {
  const values: Record<string, string | number | boolean> = {}
  const problems: string[] = []
  for (const [name, variable] of Object.entries(environmentVariables)) {
    const read = readEither(env, name, variable.kind)
    if (read.problem !== undefined) problems.push(read.problem)
    const { text } = read
    if (text === '') continue
    const value = text === undefined ? undefined : parseValue(variable.kind, text)
    if (value === undefined) problems.push(`${name} ${complaint(variable.kind)}, and is ${shown(text)}`)
    else values[variable.sets] = value
  }
  if (problems.length === 0) return values as EnvironmentValues
  throw new FluxMailError('invalid_config', `the environment is wrong:\n  ${problems.join('\n  ')}`, {
    details: { problems },
  })
}

/** What a variable says, or the file that its twin names. */
function readEither(env: Env, name: string, kind: Kind): { text: string | undefined; problem?: string } {
  const text = readText(env, name, kind)
  const twin = fileOf(name)
  const path = twin === undefined ? '' : readText(env, twin, 'text')
  if (twin === undefined || path === '') return { text }
  if (text !== '') return { text: '', problem: `${name} and ${twin} are both set: leave one of them out` }
  if (path === undefined) return { text: '', problem: `${twin} must be the path of a file` }
  const read = readFileVariable(twin, path)
  return kind === 'secret' ? read : { ...read, text: read.text.trim() }
}

/** The text of a variable, `''` for one that is not set, undefined for what is no text. */
function readText(env: unknown, name: string, kind: Kind): string | undefined {
  const value = guarded('invalid_config', `the environment, at ${name},`, () => {
    if (typeof env === 'object' && env !== null) return Reflect.get(env, name) as unknown
    throw new FluxMailError('invalid_config', 'the environment must be an object such as process.env')
  })
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') return undefined
  return kind === 'secret' ? value : value.trim()
}

function shown(text: string | undefined): string {
  return text === undefined ? 'not a text' : JSON.stringify(text)
}

/** The name of the variable that sets an option. */
export function variableOf(option: string): string {
  const found = Object.entries(environmentVariables).find(([, { sets }]) => sets === option)
  return found?.[0] ?? option
}

/** Those of the named values that are set. */
export function pickValues<K extends keyof EnvironmentValues>(
  values: EnvironmentValues,
  names: readonly K[],
): Pick<EnvironmentValues, K> {
  const set = names.filter((name) => values[name] !== undefined)
  return Object.fromEntries(set.map((name) => [name, values[name]])) as Pick<EnvironmentValues, K>
}

/** The limits of a single relay: they go before what a configuration file says of it. */
export const limitValues = [
  'ratePerSecond',
  'burst',
  'maxConnections',
  'maxConnectionsPerWorker',
  'perDay',
  'selfTuning',
] as const satisfies readonly (keyof EnvironmentValues)[]

const relayValues = [
  'preset',
  'region',
  'port',
  'username',
  'password',
  'useTls',
  'useSsl',
  'timeoutMs',
  'pipelineMessages',
  ...limitValues,
] as const satisfies readonly (keyof EnvironmentValues)[]

/** What the variables say of one relay, beside its host; the relay's schema checks it. */
export function relayOptionsOf(values: EnvironmentValues): Partial<RelayOptions> {
  const dkim = given({
    domainName: values.dkimDomain,
    keySelector: values.dkimSelector,
    privateKey: values.dkimKey,
    privateKeyFile: values.dkimKeyFile,
  })
  const auth = given({
    user: values.oauth2User,
    clientId: values.oauth2ClientId,
    clientSecret: values.oauth2ClientSecret,
    refreshToken: values.oauth2RefreshToken,
    accessToken: values.oauth2AccessToken,
    accessUrl: values.oauth2Url,
    scope: values.oauth2Scope,
    serviceClient: values.oauth2ServiceClient,
    privateKey: values.oauth2Key,
    privateKeyFile: values.oauth2KeyFile,
  })
  return {
    // Which words a preset may be is checked with all other options.
    ...(pickValues(values, relayValues) as Partial<RelayOptions>),
    ...(dkim && { dkim: dkim as Partial<DkimOptions> as DkimOptions }),
    ...(auth && { auth: { type: 'OAuth2', ...auth } as Partial<OAuth2Options> as OAuth2Options }),
  }
}

/** Those options that are set, undefined when none is. */
function given(options: Record<string, string | undefined>): Record<string, string> | undefined {
  const set = Object.entries(options).filter(([, value]) => value !== undefined)
  return set.length === 0 ? undefined : (Object.fromEntries(set) as Record<string, string>)
}

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
  if (kind === 'integer') return 'must be a whole number of 0 or more'
  if (kind === 'text' || kind === 'secret') return 'must be a text'
  return kind === 'seconds' ? 'must be a number of seconds, 0 or more' : 'must be a number of 0 or more'
}
