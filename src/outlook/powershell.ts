// Runs a script of ours in PowerShell. What is started is one executable at an absolute path, without a shell.

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import type { Env } from '../config.js'
import { FluxMailError, messageOf } from '../errors.js'
import type { Outlook } from './outlook-options.js'

const maxComplaint = 2000

/**
 * Runs the script and resolves when it has ended well. `variables` are added to an environment without ours.
 *
 * @throws FluxMailError `display_failed` with what it said
 */
export async function runPowerShell(
  script: string,
  variables: Env,
  { powershell, timeoutMs, clock, env }: Outlook,
): Promise<void> {
  const executable = findExecutable(powershell, env)
  if (executable === undefined) throw failed(`there is no ${powershell} on the PATH`)
  const child = start(executable, script, { ...withoutOurs(env), ...variables })
  let isLate = false
  const stopTimer = clock.after(timeoutMs, () => {
    isLate = child.exitCode === null
    child.kill('SIGKILL')
    child.stderr?.destroy()
  })
  const { code, complaint } = await ended(child).finally(stopTimer)
  if (isLate) throw failed(`it did not open the message within ${timeoutMs / 1000} s`)
  if (code !== 0) throw failed(complaint.trim() || `PowerShell ended with exit code ${code}`)
}

function start(executable: string, script: string, env: Env): ChildProcess {
  try {
    return spawn(executable, ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', script], {
      env: { ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      windowsHide: true,
    })
  } catch (cause) {
    throw failed(`PowerShell could not be started: ${messageOf(cause)}`, cause)
  }
}

function ended(child: ChildProcess): Promise<{ code: number | string | null; complaint: string }> {
  return new Promise((settle, reject) => {
    let complaint = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, maxComplaint)
    })
    child.once('error', (cause) => reject(failed(`PowerShell could not be started: ${cause.message}`, cause)))
    child.once('close', (code, signal) => settle({ code: code ?? signal, complaint }))
  })
}

/** Never from the working directory, where Windows would look first. */
function findExecutable(name: string, env: Env): string | undefined {
  if (/[/\\]/.test(name)) return resolve(name)
  const folders = (env.PATH ?? '').split(delimiter).filter(isAbsolute)
  const system = env.SystemRoot === undefined ? [] : [join(env.SystemRoot, 'System32/WindowsPowerShell/v1.0')]
  return [...folders, ...system].map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** What runs there needs no password of ours. */
function withoutOurs(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^FLUXMAIL_/i.test(name)))
}

function failed(reason: string, cause?: unknown): FluxMailError {
  return new FluxMailError(
    'display_failed',
    `the email could not be opened in Outlook: ${reason}; toDraft(path) writes a draft to open there instead`,
    cause === undefined ? {} : { cause },
  )
}
