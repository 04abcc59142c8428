// A question before what cannot be undone: asked on a terminal, answered beforehand by --yes anywhere else.

import { createInterface } from 'node:readline'
import { wrap } from '../terminal/text.js'
import { type Context, columnsOf, say } from './context.js'
import { UsageError } from './failure.js'

export interface ConfirmOptions {
  readonly yes?: boolean
}

/**
 * Whether to go on; false for any answer but yes, and for Ctrl-C.
 *
 * @throws UsageError where there is no terminal to ask on and no --yes
 */
export async function confirm(
  question: string,
  { yes }: ConfirmOptions,
  { stdin, stderr, signal }: Context,
): Promise<boolean> {
  if (yes) return true
  if (!stdin.isTTY || !stderr.isTTY)
    throw new UsageError('this cannot be undone, and there is no terminal to ask on: say --yes')
  // Not in raw mode: the terminal echoes what is typed, and Ctrl-C stays a signal.
  const lines = createInterface({ input: stdin, terminal: false })
  const stop = () => lines.close()
  signal.addEventListener('abort', stop, { once: true })
  try {
    stderr.write(`${wrap(`${question} [y/N]`, columnsOf(stderr) - 5).join('\n')} `)
    const answer = await new Promise<string>((resolve) => {
      lines.once('line', resolve)
      lines.once('close', () => resolve(''))
    })
    const isYes = /^\s*y(es)?\s*$/i.test(answer)
    if (!isYes && !signal.aborted) say(stderr, 'nothing was changed')
    return isYes
  } finally {
    signal.removeEventListener('abort', stop)
    lines.close()
  }
}
