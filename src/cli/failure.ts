// What a command says when it cannot do what was asked, and the exit code that goes with it.
// Every way to fail ends here; a stack trace is shown for our own faults only.

import { getSystemErrorMap } from 'node:util'
import { CommanderError } from 'commander'
import { type ErrorCode, FluxMailError, messageOf } from '../errors.js'
import { type ExitCode, exitCodes } from './context.js'

/** The command line, or a file that it names, is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code: ErrorCode

  constructor(message: string, code: ErrorCode = 'invalid_params', cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export interface Failure {
  readonly text: string
  readonly exitCode: ExitCode
}

// Files that the command line names are read and written by the library, which says so in these codes.
const namedFileCodes: ReadonlySet<ErrorCode> = new Set(['attachment_not_found', 'read_error', 'write_error'])

const redisHint = '; is Redis where --redis or FLUXMAIL_REDIS_URL says? `fluxmail dev` starts one'

export function failureOf(thrown: unknown): Failure {
  const usage = usageErrorIn(thrown)
  if (usage) return failure(usage.message, usage.code, exitCodes.commandLine)
  if (thrown instanceof CommanderError) return commanderFailure(thrown)
  if (thrown instanceof FluxMailError) {
    const exitCode = namedFileCodes.has(thrown.code) ? exitCodes.commandLine : exitCodes.fluxMail
    const hint = thrown.code === 'queue_unavailable' ? redisHint : ''
    return failure(thrown.message + hint, thrown.code, exitCode)
  }
  const trace = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return { text: `[FluxMail ERROR] unexpected, please report it: ${trace}`, exitCode: exitCodes.other }
}

/** A fault of the command line that a library call has wrapped on its way out. */
function usageErrorIn(thrown: unknown): UsageError | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof UsageError) return error
  }
  return undefined
}

function commanderFailure(error: CommanderError): Failure {
  // Help and version have been written already.
  if (error.exitCode === 0) return { text: '', exitCode: exitCodes.done }
  // A command that has others under it was given alone: its help tells of them.
  if (error.code === 'commander.help') return { text: '', exitCode: exitCodes.commandLine }
  return failure(
    error.message.replace(/^error: /, '').replaceAll('\n', ' '),
    'invalid_params',
    exitCodes.commandLine,
  )
}

function failure(message: string, code: ErrorCode, exitCode: ExitCode): Failure {
  return { text: `[FluxMail ERROR] ${message} (${code})`, exitCode }
}

/** A file named on the command line that cannot be read. */
export function unreadable(path: string, cause: unknown): UsageError {
  return new UsageError(`${path} cannot be read: ${reasonOf(cause)}`, 'read_error', cause)
}

function reasonOf(cause: unknown): string {
  const { errno } = cause as { errno?: number }
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? messageOf(cause)
}
