// Runs a script of ours in PowerShell. What is started is one executable at an absolute path, without a shell.

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import type { Clock } from '../clock.js'
import type { Env } from '../config.js'
import { FluxMailError, type FluxMailErrorOptions, messageOf } from '../errors.js'
import type { Outlook } from './outlook-options.js'

const maxComplaint = 2000
/** How many lines of it a message quotes; `details.stderr` has the rest. */
const quotedLines = 2
/** How long what it started may go on holding its standard error once it has exited. */
const STDERR_GRACE_MS = 250

/**
 * Runs the script and resolves when it has ended well. `variables` are added to an environment without ours.
 *
 * @throws FluxMailError `display_failed` with what it said
 */
export async function runPowerShell(script: string, variables: Env, outlook: Outlook): Promise<void> {
  const { powershell, timeoutMs, clock, env } = outlook
  const executable = findExecutable(powershell, outlook)
  if (executable === undefined) throw failed(`there is no ${powershell} on the PATH`)
  const child = start(executable, script, { ...withoutOurs(env), ...variables })
  let isLate = false
  const stopTimer = clock.after(timeoutMs, () => {
    isLate = child.exitCode === null
    child.kill('SIGKILL')
    child.stderr?.destroy()
  })
  const { code, complaint } = await ended(child, clock).finally(stopTimer)
  if (isLate) throw failed(`it did not open the message within ${timeoutMs / 1000} s`)
  if (code !== 0) throw complained(complaint.trim(), code)
}

function complained(complaint: string, code: number | string | null): FluxMailError {
  const lines = complaint.split(/\r?\n/).filter((line) => line.trim() !== '')
  const quoted = lines.slice(0, quotedLines).join(' ') + (lines.length > quotedLines ? ' …' : '')
  return failed(quoted || `PowerShell ended with exit code ${code}`, {
    details: { stderr: complaint, exitCode: code },
  })
}

function start(executable: string, script: string, env: Env): ChildProcess {
  try {
    return spawn(executable, ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', script], {
      env: { ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      windowsHide: true,
    })
  } catch (cause) {
    throw failed(`PowerShell could not be started: ${messageOf(cause)}`, { cause })
  }
}

interface End {
  readonly code: number | string | null
  readonly complaint: string
}

function ended(child: ChildProcess, clock: Clock): Promise<End> {
  return new Promise((settle, reject) => {
    let complaint = ''
    let stopTimer = () => {}
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, maxComplaint)
    })
    child.once('error', (cause) =>
      reject(failed(`PowerShell could not be started: ${cause.message}`, { cause })),
    )
    // What it started may hold its standard error open for ever.
    child.once('exit', () => {
      stopTimer = clock.after(STDERR_GRACE_MS, () => child.stderr?.destroy())
    })
    child.once('close', (code, signal) => {
      stopTimer()
      settle({ code: code ?? signal, complaint })
    })
  })
}

/** Never from the working directory, where Windows would look first. */
function findExecutable(name: string, { env, platform }: Outlook): string | undefined {
  if (/[/\\]/.test(name)) return resolve(name)
  const folders = (env.PATH ?? '').split(delimiter).filter(isAbsolute)
  const names = platform === 'win32' && !/\.[^.]+$/.test(name) ? [name, `${name}.exe`] : [name]
  const system = env.SystemRoot === undefined ? [] : [join(env.SystemRoot, 'System32/WindowsPowerShell/v1.0')]
  return [...folders, ...system]
    .flatMap((folder) => names.map((each) => join(folder, each)))
    .find(isExecutable)
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

function failed(reason: string, options: FluxMailErrorOptions = {}): FluxMailError {
  return new FluxMailError(
    'display_failed',
    `the email could not be opened in Outlook: ${reason}; toDraft(path) writes a draft to open there instead`,
    options,
  )
}
