// What the ingress refuses, said in the words of whoever starts it as a process: by variables in place of fields.

import type { EnvironmentValues } from '../environment.js'
import { FluxMailError } from '../errors.js'
import { renameFields, reword } from '../named-fields.js'

const variables: Readonly<Record<string, string>> = {
  host: 'FLUXMAIL_INGRESS_HOST',
  port: 'FLUXMAIL_INGRESS_PORT',
  securePort: 'FLUXMAIL_INGRESS_SECURE_PORT',
  users: 'FLUXMAIL_INGRESS_USERS',
  domain: 'FLUXMAIL_INGRESS_DOMAIN',
  lane: 'FLUXMAIL_INGRESS_LANE',
  route: 'FLUXMAIL_INGRESS_ROUTE',
  maxMessageBytes: 'FLUXMAIL_INGRESS_MAX_MESSAGE_BYTES',
  maxReceivingBytes: 'FLUXMAIL_INGRESS_MAX_RECEIVING_BYTES',
  maxRecipients: 'FLUXMAIL_INGRESS_MAX_RECIPIENTS',
  maxConnections: 'FLUXMAIL_INGRESS_MAX_CONNECTIONS',
  maxFailedLogins: 'FLUXMAIL_INGRESS_MAX_FAILED_LOGINS',
  logLevel: 'FLUXMAIL_LOG_LEVEL',
  redis: 'FLUXMAIL_REDIS_URL',
  name: 'FLUXMAIL_NAME',
}

const keyAndCert = 'FLUXMAIL_INGRESS_TLS_KEY_FILE and FLUXMAIL_INGRESS_TLS_CERT_FILE'

const advice: readonly (readonly [said: RegExp, instead: string])[] = [
  [
    /^port and securePort are both false/,
    'FLUXMAIL_INGRESS_PORT is off and FLUXMAIL_INGRESS_SECURE_PORT gives no port',
  ],
  [/^securePort is (.*) and needs tls: .*$/, `FLUXMAIL_INGRESS_SECURE_PORT is $1 and needs ${keyAndCert}`],
  [
    /^maxReceivingBytes is less than maxMessageBytes/,
    'FLUXMAIL_INGRESS_MAX_RECEIVING_BYTES is less than FLUXMAIL_INGRESS_MAX_MESSAGE_BYTES',
  ],
  [/^host (?=.* is open to other machines)/, 'FLUXMAIL_INGRESS_HOST '],
  [/(?<= set )tls and users(?=, or listen)/, `${keyAndCert} and FLUXMAIL_INGRESS_USERS`],
  [/(?<= set )tls(?=, or listen)/, keyAndCert],
  [/(?<= set )users(?=, or listen)/, 'FLUXMAIL_INGRESS_USERS'],
  [/(?<=choose another )port\b/, 'FLUXMAIL_INGRESS_PORT'],
  [/(?<=choose another )securePort\b/, 'FLUXMAIL_INGRESS_SECURE_PORT'],
]

/** The same error about variables; what is wrong in the file of the users is said with its name. */
export function inVariables(error: FluxMailError, { ingressUsers }: EnvironmentValues): FluxMailError {
  const renamed = renameFields(error.message, (field, inner) => {
    const variable = Object.hasOwn(variables, field) ? variables[field] : undefined
    if (field !== 'users' || variable === undefined) return variable
    return `${variable} (${ingressUsers})${inner === '' ? '' : `, ${inner.slice(1)}`}`
  })
  return new FluxMailError(error.code, reword(renamed, advice), {
    cause: error.cause,
    details: { ...error.details },
  })
}
