// A process of the run: forked, its output in a file of the run's folder, and gone with us at the latest.

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

export interface Child {
  readonly name: string
  readonly pid: number
  /** Whether it has not ended yet. */
  readonly running: boolean
  readonly ended: Promise<string>
  signal(name: NodeJS.Signals): void
  send(message: object): void
  /** Resolves with the next message that it sends. Rejects when it ends before. */
  message(): Promise<unknown>
  /** kill -9, also of one that is stopped. */
  kill(): Promise<void>
}

export interface ChildOptions {
  readonly name: string
  readonly entry: string
  readonly folder: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Without the flags that make this process read TypeScript. */
  readonly plain?: boolean
}

const running = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export function startChild({ name, entry, folder, args = [], env = {}, plain }: ChildOptions): Child {
  const log = openSync(join(folder, `${name}.log`), 'a')
  // In a session of its own: Ctrl-C reaches it through us, in our order.
  const options: ForkOptions = { env, detached: true, stdio: ['ignore', log, log, 'ipc'] }
  const child = fork(entry, [...args], plain ? { ...options, execArgv: [] } : options)
  closeSync(log)
  running.add(child)
  const ended = once(child, 'exit').then(([code, signal]) => {
    running.delete(child)
    return String(signal ?? code)
  })
  // A message to one that has just ended is lost with it.
  child.on('error', () => undefined)
  return {
    name,
    pid: child.pid ?? 0,
    get running() {
      return running.has(child)
    },
    ended,
    signal: (signal) => void child.kill(signal),
    send: (message) => void child.send(message, () => undefined),
    message: () => nextMessage(name, child, ended),
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function nextMessage(name: string, child: ChildProcess, ended: Promise<string>): Promise<unknown> {
  const lost = ended.then((how): never => {
    throw new Error(`${name} ended (${how}) before it answered`)
  })
  const [message] = await Promise.race([once(child, 'message'), lost])
  return message
}
