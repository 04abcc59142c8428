// A worker as its own process, as users run it: the built dist/workers/deliver.js, ready, watched and never left behind.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { inject } from 'vitest'

export interface WorkerOptions {
  /** Added to a small environment with this run's Redis and HTTP on a free port; `undefined` takes one out. */
  env?: Record<string, string | number | undefined>
  /** Default `dist/workers/deliver.js`. */
  entry?: string
  /** How long it may take until it is ready. Default 20 000. */
  withinMs?: number
}

interface WorkerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface WorkerProcess {
  readonly pid: number
  /** Of its metrics and health, on loopback; 0 when it has none. */
  readonly httpPort: number
  /** Its standard output so far, a line each, parsed where it is JSON. */
  readonly stdout: readonly unknown[]
  readonly stderr: string
  readonly exited: Promise<WorkerExit>
  /** Sends a signal and waits for nothing. */
  signal(name: NodeJS.Signals): void
  /** kill -9, and resolves when it is gone. */
  kill(): Promise<WorkerExit>
  /** SIGTERM, and resolves when it has drained; rejects when that takes longer than `withinMs` (20 000). */
  stop(withinMs?: number): Promise<WorkerExit>
  [Symbol.asyncDispose](): Promise<void>
}

const running = new Map<ChildProcess, Promise<WorkerExit>>()

process.once('exit', () => {
  for (const child of running.keys()) child.kill('SIGKILL')
})

/** Kills the workers that the tests of this file left running. */
export async function killLeftWorkers(): Promise<void> {
  for (const child of running.keys()) child.kill('SIGKILL')
  await Promise.all(running.values())
}

interface Output {
  readonly lines: unknown[]
  stderr: string
}

function environment(extra: NonNullable<WorkerOptions['env']>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('FLUXMAIL_'))
  const own = { FLUXMAIL_REDIS_URL: inject('redisUrl'), FLUXMAIL_HTTP_PORT: 0, ...extra }
  const given = Object.entries(own).filter(([, value]) => value !== undefined)
  return Object.fromEntries([...kept, ...given.map(([name, value]) => [name, String(value)])])
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return line
  }
}

function collect(child: ChildProcess): Output {
  const output: Output = { lines: [], stderr: '' }
  if (child.stdout) createInterface(child.stdout).on('line', (line) => output.lines.push(parseLine(line)))
  child.stderr?.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString()
  })
  return output
}

function isReady(message: unknown): message is { type: 'ready'; httpPort?: number } {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready'
}

function within<T>(promise: Promise<T>, ms: number, complaint: () => string): Promise<T> {
  return new Promise((settle, reject) => {
    const timer = setTimeout(() => reject(new Error(complaint())), ms)
    promise.then(settle, reject).finally(() => clearTimeout(timer))
  })
}

function readiness(child: ChildProcess, exited: Promise<WorkerExit>): Promise<number> {
  return new Promise((settle, reject) => {
    child.on('message', (message) => {
      if (isReady(message)) settle(message.httpPort ?? 0)
    })
    exited.then(
      ({ code, signal }) => reject(new Error(`it ended before it was ready: ${signal ?? code}`)),
      reject,
    )
  })
}

/**
 * Starts a worker process and resolves when it says that it is ready.
 * Dispose of it with `await using`; it is killed at the latest when its test file ends.
 */
export async function startWorker(options: WorkerOptions = {}): Promise<WorkerProcess> {
  const entry = resolve(options.entry ?? 'dist/workers/deliver.js')
  if (!existsSync(entry)) throw new Error(`${entry} is not built; run \`npm run build\``)
  const child = fork(entry, { env: environment(options.env ?? {}), silent: true, execArgv: [] })
  const output = collect(child)
  const exited = once(child, 'close').then(([code, signal]): WorkerExit => ({ code, signal }))
  const kill = () => {
    child.kill('SIGKILL')
    return exited
  }
  running.set(child, exited)
  exited.finally(() => running.delete(child)).catch(() => undefined)
  const log = () =>
    `${output.stderr}\n${output.lines
      .slice(-20)
      .map((line) => JSON.stringify(line))
      .join('\n')}`
  const readyMs = options.withinMs ?? 20_000
  const ready = within(readiness(child, exited), readyMs, () => `it was not ready in ${readyMs} ms`)
  const httpPort = await ready.catch(async (error: Error) => {
    await kill()
    throw new Error(`the worker did not start: ${error.message}\n${log()}`)
  })
  return {
    pid: child.pid ?? 0,
    httpPort,
    stdout: output.lines,
    get stderr() {
      return output.stderr
    },
    exited,
    signal: (name) => void child.kill(name),
    kill,
    stop: (withinMs = 20_000) => {
      child.kill('SIGTERM')
      return within(exited, withinMs, () => `the worker did not end in ${withinMs} ms\n${log()}`)
    },
    [Symbol.asyncDispose]: async () => void (await kill()),
  }
}
