// The command as a process of its own, as users run it: the built dist/src/cli/main.js.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import { eventually } from '../helpers/eventually.js'
import { isAlive } from '../helpers/processes.js'

export interface Command {
  readonly pid: number
  readonly stdout: string
  readonly stderr: string
  /** Resolves with what the pattern finds in the output. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  readonly exited: Promise<number | NodeJS.Signals | null>
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Record<string, string>
}

/** Starts the command with none of our variables but those given; it is killed at the latest when the test ends. */
export function startCommand(args: readonly string[], { cwd, env = {} }: CommandOptions = {}): Command {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('FLUXMAIL_'))
  const child = spawn(process.execPath, [resolve('dist/src/cli/main.js'), ...args], {
    env: { ...Object.fromEntries(kept), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  })
  const exited = once(child, 'close').then(
    ([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null,
  )
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return Object.assign(outputOf(child), {
    pid: child.pid ?? 0,
    exited,
    signal: (name: NodeJS.Signals) => void child.kill(name),
  })
}

function outputOf(child: ChildProcess): Pick<Command, 'stdout' | 'stderr' | 'says'> {
  const output = {
    stdout: '',
    stderr: '',
    says: (pattern: RegExp) =>
      eventually(`output ${pattern}`, () => pattern.exec(`${output.stdout}\n${output.stderr}`) ?? undefined),
  }
  child.stdout?.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString()
  })
  return output
}

export async function isGone(pid: number): Promise<void> {
  await eventually(`process ${pid} is gone`, () => !isAlive(pid))
}
