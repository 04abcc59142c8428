// Logging: pino, with the addresses in messages and errors masked unless asked for.
// No subject or body is ever logged, and no secret.

import { pino } from 'pino'
import { FluxMailError, guarded } from '../errors.js'
import { maskAddresses } from './mask.js'

export { maskAddresses } from './mask.js'

/** Any logger with pino's methods. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** Pino's; without it every level is taken to be on. */
  isLevelEnabled?(level: string): boolean
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** A logger that writes JSON lines to standard output. Default level `warn`. */
export function createLogger(level: LogLevel = 'warn'): Logger {
  if (!logLevels.includes(level))
    throw new FluxMailError('invalid_config', `logLevel must be one of ${logLevels.join(', ')}`)
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, standardOutput())
}

/** A logger of the caller's, if it is one; throws `invalid_config`. */
export function parseLogger(given: unknown): Logger {
  const methods = ['debug', 'info', 'warn', 'error'] as const
  return guarded('invalid_config', 'logger', () => {
    const missing = methods.find(
      (method) => typeof (given as Partial<Logger> | null)?.[method] !== 'function',
    )
    if (missing !== undefined)
      throw new FluxMailError('invalid_config', `logger: it has no function ${missing}; give one like pino's`)
    const { isLevelEnabled = isAlwaysOn } = given as Logger
    if (typeof isLevelEnabled === 'function') return given as Logger
    throw new FluxMailError('invalid_config', 'logger: its isLevelEnabled is no function; leave it out')
  })
}

const isAlwaysOn = () => true

/** Pino's own writer repeats for ever what fails, so a worker whose reader has died would never end. */
function standardOutput(): NodeJS.WriteStream {
  const { stdout } = process
  if (!stdout.listeners('error').includes(readerIsGone)) stdout.on('error', readerIsGone)
  return stdout
}

/** Mail goes on when nobody reads the log any more. */
function readerIsGone(): void {}

/** What a log line says of something thrown. */
export function errorFields(thrown: unknown): { error: string; code?: string } {
  if (!(thrown instanceof Error)) return { error: maskAddresses(String(thrown)) }
  const { code } = thrown as { code?: unknown }
  return { error: maskAddresses(thrown.message), ...(typeof code === 'string' ? { code } : {}) }
}
