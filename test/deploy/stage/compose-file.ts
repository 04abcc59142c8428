// The compose file as `docker compose` reads it: variables filled in, profiles applied, short forms made long.

import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import type { z } from 'zod'
import { file, type pairs, type service } from './compose-schema.js'
import { bytes, milliseconds } from './units.js'
import { filledIn } from './variables.js'

export interface Healthcheck {
  /** `['CMD', …]` or `['CMD-SHELL', line]`. */
  readonly test: readonly string[] | undefined
  readonly timeoutMs: number
  /** How long a container may take until it is healthy. */
  readonly patienceMs: number
}

export interface ServiceMount {
  readonly type: 'bind' | 'volume' | 'tmpfs'
  /** An absolute path, or the name of a volume. */
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
  readonly options?: string
}

export interface Port {
  readonly host: string
  readonly published: number
  readonly target: number
}

export interface Service {
  readonly name: string
  readonly image: string | undefined
  readonly build:
    | { readonly context: string; readonly dockerfile: string; readonly target?: string | undefined }
    | undefined
  readonly entrypoint: readonly string[] | undefined
  readonly command: readonly string[] | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly user: string | undefined
  readonly workingDir: string | undefined
  readonly readOnly: boolean
  readonly mounts: readonly ServiceMount[]
  readonly secrets: readonly { readonly target: string; readonly file?: string; readonly text?: string }[]
  readonly ports: readonly Port[]
  readonly dropAll: boolean
  readonly noNewPrivileges: boolean
  readonly healthcheck: Healthcheck | undefined
  readonly dependsOn: Readonly<Record<string, string>>
  readonly profiles: readonly string[]
  readonly graceMs: number
  readonly stopSignal: string | undefined
  readonly replicas: number
  readonly memoryBytes: number | undefined
}

export interface ComposeOptions {
  /** What the shell and `.env` would say. */
  readonly variables?: Readonly<Record<string, string>>
  /** Profiles that are on. */
  readonly profiles?: readonly string[]
}

/** The services that `docker compose up` would start. Paths are absolute. */
export function readCompose(path: string, { variables = {}, profiles = [] }: ComposeOptions = {}): Service[] {
  const folder = resolve(path, '..')
  const written: unknown = parse(readFileSync(path, 'utf8'), { merge: true })
  const { services, secrets } = file.parse(filledIn(written, variables))
  return Object.entries(services)
    .filter(([, each]) => each.profiles.length === 0 || each.profiles.some((name) => profiles.includes(name)))
    .map(([name, each]) => serviceOf(name, each, { folder, secrets, variables }))
}

interface Around {
  readonly folder: string
  readonly secrets: z.infer<typeof file>['secrets']
  readonly variables: Readonly<Record<string, string>>
}

function serviceOf(name: string, of: z.infer<typeof service>, around: Around): Service {
  const { folder, variables } = around
  const limit = of.mem_limit ?? of.deploy.resources?.limits?.memory
  return {
    name,
    image: of.image,
    build: of.build && { ...of.build, context: resolve(folder, of.build.context) },
    entrypoint: of.entrypoint === undefined ? undefined : wordList(of.entrypoint),
    command: of.command === undefined ? undefined : wordList(of.command),
    environment: { ...envFiles(of.env_file, folder), ...environmentOf(of.environment, variables) },
    user: of.user,
    workingDir: of.working_dir,
    readOnly: of.read_only,
    mounts: [...of.volumes.map((volume) => mountOf(volume, folder)), ...list(of.tmpfs).map(tmpfsOf)],
    secrets: of.secrets.map((secret) => secretOf(secret, around)),
    ports: of.ports.map(portOf),
    dropAll: of.cap_drop.includes('ALL'),
    noNewPrivileges: of.security_opt.some((option) => /^no-new-privileges(:true)?$/.test(option)),
    healthcheck: of.healthcheck && healthcheckOf(of.healthcheck),
    dependsOn: Array.isArray(of.depends_on)
      ? Object.fromEntries(of.depends_on.map((other) => [other, 'service_started']))
      : Object.fromEntries(Object.entries(of.depends_on).map(([other, { condition }]) => [other, condition])),
    profiles: of.profiles,
    graceMs: milliseconds(of.stop_grace_period),
    stopSignal: of.stop_signal,
    replicas: Number(of.deploy.replicas ?? 1),
    memoryBytes: limit === undefined ? undefined : bytes(limit),
  }
}

function list(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}

function wordList(value: string | readonly string[]): readonly string[] {
  if (typeof value !== 'string') return value
  if (/["'\\]/.test(value)) throw new Error(`a command with quotes is to be written as a list: ${value}`)
  return value.split(/\s+/)
}

function environmentOf(
  written: z.infer<typeof pairs>,
  variables: Around['variables'],
): Record<string, string> {
  const entries = Array.isArray(written)
    ? written.map((pair) => [pair.split('=', 1)[0] ?? '', /=([\s\S]*)/.exec(pair)?.[1] ?? null] as const)
    : Object.entries(written)
  // Without a value it is the shell's, and without one there it is not set.
  const known = entries.map(([name, value]) => [name, value ?? variables[name]] as const)
  return Object.fromEntries(
    known.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  )
}

function envFiles(written: z.infer<typeof service>['env_file'], folder: string): Record<string, string> {
  const files = (typeof written === 'string' ? [written] : written).map((each) =>
    typeof each === 'string' ? { path: each, required: true } : each,
  )
  const lines = files.flatMap(({ path, required }) => {
    const place = resolve(folder, path)
    if (!existsSync(place) && !required) return []
    return readFileSync(place, 'utf8').split('\n')
  })
  const found = lines.flatMap((line) => {
    const [, name, value = ''] = /^\s*([A-Za-z_]\w*)=(.*)$/.exec(line) ?? []
    return name === undefined ? [] : [[name, value.replace(/^(["'])(.*)\1$/, '$2')]]
  })
  return Object.fromEntries(found)
}

function mountOf(volume: z.infer<typeof service>['volumes'][number], folder: string): ServiceMount {
  if (typeof volume !== 'string') {
    const { type, source = '', target, read_only: readOnly } = volume
    return { type, source: type === 'bind' ? resolve(folder, source) : source, target, readOnly }
  }
  const [source = '', target = '', mode = 'rw'] = volume.split(':')
  const readOnly = mode.split(',').includes('ro')
  if (/^[./~]/.test(source)) return { type: 'bind', source: resolve(folder, source), target, readOnly }
  return { type: 'volume', source, target, readOnly }
}

function tmpfsOf(written: string): ServiceMount {
  const [target = '', options] = written.split(':')
  return { type: 'tmpfs', source: '', target, readOnly: false, ...(options === undefined ? {} : { options }) }
}

function secretOf(
  secret: z.infer<typeof service>['secrets'][number],
  around: Around,
): Service['secrets'][number] {
  const { source, target = source } = typeof secret === 'string' ? { source: secret } : secret
  const declared = around.secrets[source]
  if (declared === undefined) throw new Error(`the secret ${source} is not among the file's secrets`)
  const place = target.startsWith('/') ? target : `/run/secrets/${target}`
  if (declared.file !== undefined) return { target: place, file: resolve(around.folder, declared.file) }
  return { target: place, text: around.variables[declared.environment ?? ''] ?? '' }
}

function portOf(written: string): Port {
  const [, host = '0.0.0.0', published, target] = /^(?:([\d.]+):)?(\d+):(\d+)$/.exec(written) ?? []
  if (target === undefined) throw new Error(`a port is to be written as address:published:target: ${written}`)
  return { host, published: Number(published), target: Number(target) }
}

function healthcheckOf(check: NonNullable<z.infer<typeof service>['healthcheck']>): Healthcheck {
  const given = typeof check.test === 'string' ? ['CMD-SHELL', check.test] : check.test
  return {
    test: check.disable || given?.[0] === 'NONE' ? [] : given,
    timeoutMs: milliseconds(check.timeout),
    patienceMs: milliseconds(check.start_period) + check.retries * milliseconds(check.interval),
  }
}
