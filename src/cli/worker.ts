// `fluxmail worker`: the same worker as dist/workers/deliver.js, until a signal.

import { once } from 'node:events'
import type { Env } from '../config.js'
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
  const words = workerWords(options, env)
  try {
    const start = () => openDeliverRole(environmentWith(words.flags, env), signal)
    const role = await speakingOfFlags(words, start)
    if (!signal.aborted) await once(signal, 'abort')
    await role.close()
  } catch (error) {
    // Told to stop before it could begin.
    if (!signal.aborted) throw error
  }
  return exitCodes.done
}

/** Flags that stand before what configures a worker. */
export function workerWords(options: WorkerOptions, env: Env): Words {
  return { flags: flagsOf(options), env, advice: adviceOf(options) ?? [] }
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
