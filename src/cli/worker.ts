// `fluxmail worker`: the same worker as dist/workers/deliver.js, until a signal.

import { once } from 'node:events'
import { openDeliverRole } from '../ops/deliver.js'
import { type Context, type ExitCode, exitCodes } from './context.js'
import { environmentWith, type Flag, speakingOfFlags, type Words } from './flag-words.js'

export interface WorkerOptions {
  readonly redis?: string
  readonly name?: string
  readonly config?: string
  readonly httpPort?: number
}

export async function worker(options: WorkerOptions, context: Context): Promise<ExitCode> {
  const { signal, env } = context
  const flags = flagsOf(options)
  const words = { flags, env, advice: adviceOf(options) ?? [] }
  try {
    const role = await speakingOfFlags(words, () => openDeliverRole(environmentWith(flags, env), signal))
    if (!signal.aborted) await once(signal, 'abort')
    await role.close()
  } catch (error) {
    // Told to stop before it could begin.
    if (!signal.aborted) throw error
  }
  return exitCodes.done
}

function flagsOf({ redis, name, config, httpPort }: WorkerOptions): Flag[] {
  return [
    { flag: '--redis', value: redis, variable: 'FLUXMAIL_REDIS_URL', field: 'redis' },
    { flag: '--name', value: name, variable: 'FLUXMAIL_NAME', field: 'name' },
    { flag: '--config', value: config, variable: 'FLUXMAIL_CONFIG' },
    { flag: '--http-port', value: httpPort, variable: 'FLUXMAIL_HTTP_PORT' },
  ]
}

/** With a file, what is wrong with the worker is wrong in there. */
function adviceOf({ config }: WorkerOptions): Words['advice'] {
  return config === undefined ? [] : [[/^the configuration of the worker/, `--config: ${config}`]]
}
