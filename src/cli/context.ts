// What a command may touch of the process around it, so that it runs in a test as it does in a terminal.
// Commands reach no global: what they say goes to these streams, and they stop when the signal says so.

import type { Readable } from 'node:stream'
import { styleText } from 'node:util'
import type { Env } from '../config.js'
import type { Output } from '../terminal/output.js'

export { columnsOf, type Output, say } from '../terminal/output.js'

export type Input = Readable & { readonly isTTY?: boolean }

export interface Context {
  readonly stdin: Input
  /** For what was asked for: a table, a preview, JSON. */
  readonly stdout: Output
  /** For progress and everything else that a person reads on the way. */
  readonly stderr: Output
  readonly env: Env
  /** Aborted by the first Ctrl-C: finish cleanly. */
  readonly signal: AbortSignal
}

/** What a command resolves to: the exit code. */
export type ExitCode = number

export const exitCodes = { done: 0, commandLine: 1, fluxMail: 2, other: 99, interrupted: 130 } as const

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

/** Colours for a terminal that wants them; elsewhere the text as it is. */
export function paintFor(output: Output, env: Env): Paint {
  const wanted = output.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  return (style, text) => (wanted ? styleText(style, text) : text)
}

/** Runs a command with the options that the command line gave. */
export type Runner = <O>(
  command: (options: O, context: Context) => Promise<ExitCode>,
) => (options: O) => Promise<void>
