// `fluxmail suppress export`: all suppressions as CSV, in no order, as `import` reads them.

import { once } from 'node:events'
import type { Suppression } from '../queue/suppressions.js'
import { type Context, type ExitCode, exitCodes } from './context.js'
import { csvLine } from './failure-lines.js'
import { openQueue, type QueueOptions } from './open-queue.js'

const head = csvLine(['address', 'reason', 'since', 'expires_at', 'code'])

export async function exportSuppressions(options: QueueOptions, context: Context): Promise<ExitCode> {
  const { stdout, signal } = context
  await using queue = openQueue(options, context.env)
  stdout.write(`${head}\n`)
  for await (const suppression of queue.suppressions.list()) {
    if (signal.aborted) return exitCodes.interrupted
    // A file or a pipe may be slower than Redis.
    if (!stdout.write(`${lineOf(suppression)}\n`)) await once(stdout, 'drain', { signal }).catch(() => [])
  }
  return exitCodes.done
}

function lineOf({ address, reason, since, expiresAt, code }: Suppression): string {
  return csvLine([address, reason, since.toISOString(), expiresAt?.toISOString(), code])
}
