// What the environment says of an ingress, with the files that it names read.
// Secrets in those files are never quoted.

import { readFileSync } from 'node:fs'
import { defaultLanes, parseConfig, parseConfigFile, workerSchema } from '../config.js'
import type { EnvironmentValues } from '../environment.js'
import { FluxMailError, messageOf } from '../errors.js'
import type { IngressOptions, IngressUser } from '../ingress/ingress.js'
import { keyPairProblem } from '../ingress/key-pair.js'

export type IngressSettings = Omit<IngressOptions, 'queue' | 'logger' | 'metrics' | 'clock'> & {
  readonly lanes: readonly string[]
  readonly shards: number | undefined
}

/** @throws FluxMailError `invalid_config`, `read_error` */
export function readIngressSettings(values: EnvironmentValues): IngressSettings {
  const { lanes, shards } = placesOf(values)
  const settings = {
    lanes,
    shards,
    host: values.ingressHost,
    port: portOf('FLUXMAIL_INGRESS_PORT', values.ingressPort),
    securePort: portOf('FLUXMAIL_INGRESS_SECURE_PORT', values.ingressSecurePort),
    tls: tlsOf(values),
    users: usersOf(values),
    domain: values.ingressDomain,
    lane: values.ingressLane,
    route: values.ingressRoute,
    maxMessageBytes: values.ingressMaxMessageBytes,
    maxReceivingBytes: values.ingressMaxReceivingBytes,
    maxRecipients: values.ingressMaxRecipients,
    maxConnections: values.ingressMaxConnections,
    maxFailedLogins: values.ingressMaxFailedLogins,
    logAddresses: values.logAddresses,
  }
  refuseUnknownLanes(settings, lanes)
  return settings
}

function portOf(name: string, text: string | undefined): number | false | undefined {
  if (text === undefined) return undefined
  if (text.toLowerCase() === 'off') return false
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw invalid(`${name} must be a port, 0 for any free one, or off, and is ${JSON.stringify(text)}`)
}

function tlsOf({
  ingressTlsKeyFile: key,
  ingressTlsCertFile: cert,
}: EnvironmentValues): IngressSettings['tls'] {
  if (key === undefined && cert === undefined) return undefined
  if (key !== undefined && cert !== undefined) {
    const pair = {
      key: read('FLUXMAIL_INGRESS_TLS_KEY_FILE', key),
      cert: read('FLUXMAIL_INGRESS_TLS_CERT_FILE', cert),
    }
    const problem = keyPairProblem(pair)
    if (problem === undefined) return pair
    throw invalid(
      `FLUXMAIL_INGRESS_TLS_KEY_FILE (${key}) and FLUXMAIL_INGRESS_TLS_CERT_FILE (${cert}) cannot be used: ${problem}`,
    )
  }
  throw invalid(
    'FLUXMAIL_INGRESS_TLS_KEY_FILE and FLUXMAIL_INGRESS_TLS_CERT_FILE go together: set both or neither',
  )
}

/** What is in the file is checked with everything else, by the ingress's own schema. */
function usersOf({ ingressUsers: file }: EnvironmentValues): IngressSettings['users'] {
  if (file === undefined) return undefined
  const users = parseConfigFile(read('FLUXMAIL_INGRESS_USERS', file), `FLUXMAIL_INGRESS_USERS (${file})`)
  if (Array.isArray(users)) return users as IngressUser[]
  throw invalid(`FLUXMAIL_INGRESS_USERS (${file}) must hold an array of users`)
}

/** What the workers' configuration file says of lanes, where there is one: the queue must know the same. */
function placesOf({ config: file, shards }: EnvironmentValues) {
  if (file === undefined) return { lanes: Object.keys(defaultLanes), shards }
  const where = `FLUXMAIL_CONFIG (${file})`
  const config = parseConfig(workerSchema, parseConfigFile(read('FLUXMAIL_CONFIG', file), where), where)
  return { lanes: Object.keys(config.lanes), shards: shards ?? config.shards }
}

/** Better now than at the first message. */
function refuseUnknownLanes({ lane, users = [] }: IngressSettings, lanes: readonly string[]): void {
  const named = [
    { where: 'lane', lane },
    ...users.map((user, n) => ({ where: `users.${n}.lane`, lane: user?.lane })),
  ]
  const wrong = named.find((each) => each.lane !== undefined && !lanes.includes(each.lane))
  if (wrong === undefined) return
  throw invalid(
    `${wrong.where}: there is no lane ${JSON.stringify(wrong.lane)} for the ingress; there are ${lanes.join(', ')}`,
  )
}

function read(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FluxMailError(
      'read_error',
      `${variable} names ${file}, which cannot be read: ${messageOf(cause)}`,
      {
        cause,
      },
    )
  }
}

function invalid(message: string): FluxMailError {
  return new FluxMailError('invalid_config', message)
}
