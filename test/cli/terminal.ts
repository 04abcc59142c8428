// A terminal, or none, for a command to talk to; what it said is kept.

import { Readable, Writable } from 'node:stream'
import type { Context, Output } from '../../src/cli/context.js'
import { runCommandLine } from '../../src/cli/program.js'

class Screen extends Writable implements Output {
  text = ''
  readonly isTTY: boolean
  readonly columns: number

  constructor(isTTY: boolean, columns: number) {
    super()
    this.isTTY = isTTY
    this.columns = columns
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

export interface Terminal extends Context {
  readonly stdout: Screen
  readonly stderr: Screen
  /** Ctrl-C. */
  interrupt(): void
}

export interface TerminalOptions {
  readonly env?: Record<string, string>
  readonly isTTY?: boolean
  readonly columns?: number
  readonly stdin?: Readable
}

export function openTerminal(options: TerminalOptions = {}): Terminal {
  const { env = {}, isTTY = false, columns = 80, stdin = Readable.from([]) } = options
  const stop = new AbortController()
  const stdout = new Screen(isTTY, columns)
  const stderr = new Screen(isTTY, columns)
  return { stdin, stdout, stderr, env, signal: stop.signal, interrupt: () => stop.abort() }
}

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process. */
export async function run(args: readonly string[], options: TerminalOptions = {}): Promise<Ran> {
  const terminal = openTerminal(options)
  const exitCode = await runCommandLine(args, terminal)
  return { exitCode, stdout: terminal.stdout.text, stderr: terminal.stderr.text }
}
