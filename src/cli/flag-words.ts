// What the library refuses while a command starts, said of the flags in place of the variables and fields behind them.
// What a given flag is to blame for is a fault of the command line.

import type { Env } from '../config.js'
import { type ErrorCode, FluxMailError } from '../errors.js'
import { renameFields, reword } from '../named-fields.js'
import { UsageError } from './failure.js'

export interface Flag {
  readonly flag: string
  /** What was given. */
  readonly value: unknown
  /** What it stands before. */
  readonly variable?: string
  /** What the library calls it where it has no variable in mind. */
  readonly field?: string
}

export interface Words {
  readonly flags: readonly Flag[]
  readonly env: Env
  /** Sentences of the library, and what to say instead. */
  readonly advice?: readonly (readonly [said: RegExp, instead: string])[]
}

const configuration: ReadonlySet<ErrorCode> = new Set(['invalid_config', 'invalid_params', 'read_error'])

/** The environment with what the command line says over it. */
export function environmentWith(flags: readonly Flag[], env: Env): Env {
  const given = flags.flatMap(({ variable, value }) =>
    variable === undefined || value === undefined ? [] : [[variable, String(value)]],
  )
  return { ...env, ...Object.fromEntries(given) }
}

/**
 * Runs what starts a command.
 *
 * @throws UsageError for what a given flag is to blame for, and else what `start` throws, in flags
 */
export async function speakingOfFlags<T>(words: Words, start: () => Promise<T>): Promise<T> {
  try {
    return await start()
  } catch (thrown) {
    throw thrown instanceof FluxMailError ? inFlags(thrown, words) : thrown
  }
}

function inFlags({ code, message, cause, details }: FluxMailError, { flags, env, advice }: Words): Error {
  const fields = renameFields(message, (field) => flags.find((known) => known.field === field)?.flag)
  const said = reword(fields, advice ?? []).replace(/\bFLUXMAIL_[A-Z_]+\b/g, (variable) => {
    const known = flags.find((flag) => flag.variable === variable)
    if (known === undefined) return variable
    // What is wrong with a variable that is set is said of it; to set one that is not, the flag is the easier way.
    return known.value === undefined && env[variable] ? variable : known.flag
  })
  if (configuration.has(code) && flags.some((flag) => isBlamed(flag, said))) {
    return new UsageError(said, code, cause)
  }
  return new FluxMailError(code, said, { cause, details: { ...details } })
}

function isBlamed({ flag, value }: Flag, said: string): boolean {
  if (value === undefined) return false
  const isFile = typeof value === 'string' && /[./]/.test(value)
  return new RegExp(`${flag}(?![\\w-])`).test(said) || (isFile && said.includes(value))
}
