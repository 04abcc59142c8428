// How Outlook is reached: on which system this runs, and by which PowerShell.

import { z } from 'zod'
import { type Clock, maxTimerMs } from '../clock.js'
import { type Env, parseConfig, processEnv } from '../config.js'

export interface OutlookOptions {
  /** The system that this runs on; default `process.platform`. Only on `win32` can Outlook be opened. */
  platform?: NodeJS.Platform | undefined
  /** PowerShell, as a name on the PATH or as a path; default `powershell.exe`. */
  powershell?: string | undefined
  /** How long Outlook may take to open the message; default 60 000. */
  timeoutMs?: number | undefined
}

export interface Outlook {
  readonly platform: string
  readonly powershell: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly env: Env
  /** Told of a temporary folder that could not be removed. */
  onLeftOver(folder: string, error: unknown): void
}

const schema = z.strictObject({
  platform: z.string().min(1).default(process.platform),
  powershell: z.string().min(1).default('powershell.exe'),
  timeoutMs: z.number().int().min(1).max(maxTimerMs).default(60_000),
})

/** @throws FluxMailError `invalid_config` */
export function parseOutlook(options: unknown, surroundings: Pick<Outlook, 'clock' | 'onLeftOver'>): Outlook {
  const checked = parseConfig(schema, options ?? {}, 'the option outlook')
  return { ...checked, ...surroundings, env: processEnv() }
}
