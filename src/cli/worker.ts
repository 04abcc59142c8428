// `fluxmail worker`: the same worker as dist/workers/deliver.js, until a signal.

import { once } from 'node:events'
import { openDeliverRole } from '../ops/deliver.js'
import { type Context, type ExitCode, exitCodes } from './context.js'

export interface WorkerOptions {
  readonly redis?: string
  readonly config?: string
  readonly httpPort?: number
}

export async function worker(options: WorkerOptions, context: Context): Promise<ExitCode> {
  const { signal } = context
  try {
    const role = await openDeliverRole(environmentOf(options, context), signal)
    if (!signal.aborted) await once(signal, 'abort')
    await role.close()
  } catch (error) {
    // Told to stop before it could begin.
    if (!signal.aborted) throw error
  }
  return exitCodes.done
}

function environmentOf({ redis, config, httpPort }: WorkerOptions, { env }: Context): Context['env'] {
  return {
    ...env,
    ...(redis === undefined ? {} : { FLUXMAIL_REDIS_URL: redis }),
    ...(config === undefined ? {} : { FLUXMAIL_CONFIG: config }),
    ...(httpPort === undefined ? {} : { FLUXMAIL_HTTP_PORT: String(httpPort) }),
  }
}
