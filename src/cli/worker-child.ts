// A worker process of ours: forked, ready, and stopped with whoever started it, however that one ends.
// It is in a session of its own, so that the terminal's Ctrl-C reaches it through us and not before us.

import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../clock.js'
import type { Env } from '../config.js'
import { FluxMailError } from '../errors.js'
import { openChildLog } from './child-log.js'
import { packageRoot } from './package-root.js'

export interface WorkerChildOptions {
  /** The environment around; of its FLUXMAIL_ variables none is passed on. */
  readonly env: Env
  /** The FLUXMAIL_ variables of the worker. */
  readonly settings: Readonly<Record<string, string>>
}

export interface WorkerChild extends AsyncDisposable {
  readonly pid: number
  readonly httpPort: number
  /** Aborted when it has ended without being asked to; the reason is a FluxMailError. */
  readonly lost: AbortSignal
}

const READY_MS = 20_000
const DRAIN_SECONDS = 2
const STOP_MS = 5_000

/** @throws FluxMailError `setup_failed` with the last that the worker said */
export async function startWorkerChild(options: WorkerChildOptions): Promise<WorkerChild> {
  const path = entry()
  const log = openChildLog()
  const child = fork(path, {
    env: environmentOf(options),
    detached: true,
    execArgv: [],
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  })
  const lost = new AbortController()
  const ended = new Promise<void>((settle) => {
    child.once('error', () => settle())
    child.once('exit', (code, signal) => {
      lost.abort(lostError(code ?? signal, log.tail()))
      settle()
    })
  }).finally(() => log.close())
  const stop = () => stopChild(child, ended)
  try {
    const httpPort = await readiness(child, lost.signal)
    return { pid: child.pid ?? 0, httpPort, lost: lost.signal, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function entry(): string {
  const path = join(packageRoot(), 'dist', 'workers', 'deliver.js')
  if (existsSync(path)) return path
  throw new FluxMailError('setup_failed', `there is no ${path}: build it with npm run build`)
}

function environmentOf({ env, settings }: WorkerChildOptions): NodeJS.ProcessEnv {
  const around = Object.entries(env).filter(([name]) => !name.startsWith('FLUXMAIL_'))
  return {
    ...Object.fromEntries(around),
    FLUXMAIL_HTTP_PORT: '0',
    FLUXMAIL_DRAIN_SECONDS: String(DRAIN_SECONDS),
    ...settings,
  }
}

function lostError(how: string | number | null, tail: string): FluxMailError {
  const said = tail === '' ? '' : `; it said:\n${tail}`
  return new FluxMailError('setup_failed', `the worker process ended (${how})${said}`)
}

function readiness(child: ChildProcess, lost: AbortSignal): Promise<number> {
  return new Promise((settle, reject) => {
    const cancel = systemClock.after(READY_MS, () => {
      reject(new FluxMailError('setup_failed', `the worker process was not ready after ${READY_MS / 1000} s`))
    })
    lost.addEventListener('abort', () => {
      cancel()
      reject(lost.reason)
    })
    child.once('error', (cause) => {
      cancel()
      reject(
        new FluxMailError('setup_failed', `the worker process did not start: ${cause.message}`, { cause }),
      )
    })
    child.once('message', (message: { httpPort?: number }) => {
      cancel()
      settle(message.httpPort ?? 0)
    })
  })
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  const cancel = systemClock.after(STOP_MS, () => child.kill('SIGKILL'))
  child.kill('SIGTERM')
  await ended
  cancel()
}
