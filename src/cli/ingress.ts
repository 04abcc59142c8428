// `fluxmail ingress`: the same SMTP submission server as dist/workers/ingress.js, until a signal.

import { once } from 'node:events'
import { hashPassword } from '../ingress/ingress.js'
import { openIngressRole } from '../ops/ingress.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { readPassword } from './read-password.js'

export interface IngressCommandOptions {
  readonly redis?: string
  readonly config?: string
  readonly host?: string
  readonly port?: string
  readonly securePort?: string
  readonly key?: string
  readonly cert?: string
  readonly users?: string
  readonly httpPort?: number
  readonly hashPassword?: boolean
}

const variables = {
  redis: 'FLUXMAIL_REDIS_URL',
  config: 'FLUXMAIL_CONFIG',
  host: 'FLUXMAIL_INGRESS_HOST',
  port: 'FLUXMAIL_INGRESS_PORT',
  securePort: 'FLUXMAIL_INGRESS_SECURE_PORT',
  key: 'FLUXMAIL_INGRESS_TLS_KEY_FILE',
  cert: 'FLUXMAIL_INGRESS_TLS_CERT_FILE',
  users: 'FLUXMAIL_INGRESS_USERS',
  httpPort: 'FLUXMAIL_HTTP_PORT',
} as const satisfies Partial<Record<keyof IngressCommandOptions, string>>

export async function ingress(options: IngressCommandOptions, context: Context): Promise<ExitCode> {
  if (options.hashPassword) return printHash(context)
  const role = await openIngressRole(environmentOf(options, context))
  if (!context.signal.aborted) await once(context.signal, 'abort')
  await role.close()
  return exitCodes.done
}

async function printHash(context: Context): Promise<ExitCode> {
  const password = await readPassword(context)
  if (password === undefined) return exitCodes.interrupted
  say(context.stdout, await hashPassword(password))
  return exitCodes.done
}

/** What the command line says, over the environment. */
function environmentOf(options: IngressCommandOptions, { env }: Context): Context['env'] {
  const given = Object.entries(variables).flatMap(([option, variable]) => {
    const value = options[option as keyof typeof variables]
    return value === undefined ? [] : [[variable, String(value)]]
  })
  return { ...env, ...Object.fromEntries(given) }
}
