// `fluxmail explain`: why a delivery or a batch is where it is.

import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { batchExplanationLines, deliveryExplanationLines } from './explain-lines.js'
import { openQueue, type QueueOptions } from './open-queue.js'

export interface ExplainOptions extends QueueOptions {
  readonly id: string
  readonly json?: boolean
}

export async function explain(options: ExplainOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const found = await queue.explain(options.id)
  const linesOf = () =>
    found.kind === 'batch' ? batchExplanationLines(found, context) : deliveryExplanationLines(found, context)
  for (const line of options.json ? [JSON.stringify(found)] : linesOf()) say(context.stdout, line)
  return exitCodes.done
}
