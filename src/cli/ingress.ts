// `fluxmail ingress`: the same SMTP submission server as dist/workers/ingress.js, until a signal.

import { once } from 'node:events'
import { hashPassword } from '../ingress/ingress.js'
import { openIngressRole } from '../ops/ingress.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { environmentWith, type Flag, speakingOfFlags } from './flag-words.js'
import { readPassword } from './read-password.js'

export interface IngressCommandOptions {
  readonly redis?: string
  readonly name?: string
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

export async function ingress(options: IngressCommandOptions, context: Context): Promise<ExitCode> {
  if (options.hashPassword) return printHash(context)
  const flags = flagsOf(options)
  const { env, signal } = context
  const role = await speakingOfFlags({ flags, env }, () => openIngressRole(environmentWith(flags, env)))
  if (!signal.aborted) await once(signal, 'abort')
  await role.close()
  return exitCodes.done
}

async function printHash(context: Context): Promise<ExitCode> {
  const password = await readPassword(context)
  if (password === undefined) return exitCodes.interrupted
  say(context.stdout, await hashPassword(password))
  return exitCodes.done
}

function flagsOf(options: IngressCommandOptions): Flag[] {
  return [
    { flag: '--redis', value: options.redis, variable: 'FLUXMAIL_REDIS_URL' },
    { flag: '--name', value: options.name, variable: 'FLUXMAIL_NAME' },
    { flag: '--config', value: options.config, variable: 'FLUXMAIL_CONFIG' },
    { flag: '--host', value: options.host, variable: 'FLUXMAIL_INGRESS_HOST' },
    { flag: '--port', value: options.port, variable: 'FLUXMAIL_INGRESS_PORT' },
    { flag: '--secure-port', value: options.securePort, variable: 'FLUXMAIL_INGRESS_SECURE_PORT' },
    { flag: '--key', value: options.key, variable: 'FLUXMAIL_INGRESS_TLS_KEY_FILE' },
    { flag: '--cert', value: options.cert, variable: 'FLUXMAIL_INGRESS_TLS_CERT_FILE' },
    { flag: '--users', value: options.users, variable: 'FLUXMAIL_INGRESS_USERS' },
    { flag: '--http-port', value: options.httpPort, variable: 'FLUXMAIL_HTTP_PORT' },
  ]
}
