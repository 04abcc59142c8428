// `fluxmail limits`: how fast the relays may be used, as configured, as set, and as they are now; and changing it.

import type { LimitSettings } from '../queue/limits.js'
import { type Context, type ExitCode, exitCodes, say } from './context.js'
import { UsageError } from './failure.js'
import { speakingOfFlags, type Words } from './flag-words.js'
import { limitLines } from './limits-lines.js'
import { openQueue, type QueueOptions } from './open-queue.js'
import { defined } from './options.js'

interface Shown extends QueueOptions {
  readonly json?: boolean
}

export interface LimitsOptions extends Shown {
  readonly relays: readonly string[]
}

export interface SetLimitsOptions extends Shown {
  readonly relay: string
  readonly provider?: string
  readonly rate?: number | 'none'
  readonly burst?: number | 'none'
  readonly connections?: number | 'none'
  readonly perDay?: number | 'none'
}

export interface ResetLimitsOptions extends Shown {
  readonly relay: string
  readonly provider?: string
}

export async function showLimits(options: LimitsOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const found = await queue.limits.list(...options.relays)
  const lines = options.json ? [JSON.stringify(found)] : limitLines(found, context)
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}

export async function setLimits(options: SetLimitsOptions, context: Context): Promise<ExitCode> {
  const { relay, provider, connections, perDay } = options
  const settings = settingsOf(options)
  if (Object.keys(settings).length === 0)
    throw new UsageError('limits set: name a limit, such as --rate 100, --connections 4 or --per-day none')
  if (provider !== undefined && (connections !== undefined || perDay !== undefined))
    throw new UsageError(
      '--connections and --per-day are of a relay as a whole, and do not go with --provider',
    )
  await using queue = openQueue(options, context.env)
  const set = () => queue.limits.set(relay, { ...settings, ...defined({ provider }) })
  return sayOne(await speakingOfFlags(wordsOf(options, context), set), options, context)
}

function settingsOf({ rate, burst, connections, perDay }: SetLimitsOptions): LimitSettings {
  const limit = (value: number | 'none' | undefined) => (value === 'none' ? null : value)
  return defined({
    ratePerSecond: limit(rate),
    burst: limit(burst),
    maxConnections: limit(connections),
    perDay: limit(perDay),
  })
}

export async function resetLimits(options: ResetLimitsOptions, context: Context): Promise<ExitCode> {
  await using queue = openQueue(options, context.env)
  const reset = () => queue.limits.reset(options.relay, defined({ provider: options.provider }))
  return sayOne(await speakingOfFlags(wordsOf(options, context), reset), options, context)
}

function wordsOf({ provider, burst }: SetLimitsOptions, { env }: Context): Words {
  return {
    env,
    flags: [
      { flag: '--provider', value: provider },
      { flag: '--burst', value: burst },
    ],
    advice: [
      [/^limits\.(set|reset):\n {2}provider: /, '--provider '],
      [/^limits: there is no provider/, '--provider: there is no provider'],
      [/^limits: burst\b/, '--burst'],
      [/\bratePerSecond\b/, '--rate'],
    ],
  }
}

function sayOne(
  status: Parameters<typeof limitLines>[0][number],
  { json }: Shown,
  context: Context,
): ExitCode {
  const lines = json ? [JSON.stringify(status)] : limitLines([status], context)
  for (const line of lines) say(context.stdout, line)
  return exitCodes.done
}
