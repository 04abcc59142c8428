// A program of somebody else as a child process: what it said, and never for longer than its time.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'

export interface Run {
  readonly code: number | null
  readonly stdout: string
  /** Its standard output and its errors, as they came. */
  readonly said: string
}

export interface RunOptions {
  input?: string | Buffer
  env?: Record<string, string>
  /** Then it is killed, and the run rejects with what it had said. Default 20 000. */
  withinMs?: number
}

/** No settings of whoever runs the tests: a home without files, and none of their variables. */
function environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: tmpdir(), LC_ALL: 'C.UTF-8', ...extra }
}

export async function runProgram(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Run> {
  const { input = '', env, withinMs = 20_000 } = options
  const child = spawn(path, args, { env: environment(env), timeout: withinMs, killSignal: 'SIGKILL' })
  const output: Buffer[] = []
  const all: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => all.push(chunk))
  // It may end without having read what it was given.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code, signal] = await once(child, 'close')
  const said = Buffer.concat(all).toString()
  if (signal !== null)
    throw new Error(`${path} was killed after ${withinMs} ms (${signal}); it had said: ${said}`)
  return { code, stdout: Buffer.concat(output).toString(), said }
}
