// One version of a relay's limits after the other: read, and put in the place of the version that was read.
// A version never comes back, not even when Redis has lost what it had.

import { FluxMailError } from '../errors.js'
import type { LimitState } from '../limits/limit.js'
import { beyondMemoryLua, defineScript, type Keys, type Redis } from '../redis.js'
import { nowLua } from './limit-scripts.js'

// KEYS limits. Answers now, the version and the limits.
const READ = `
${nowLua}
local version, limits = unpack(redis.call('HMGET', KEYS[1], 'version', 'limits'))
return { now, version or '0', limits or '' }
`

// KEYS limits. ARGV the version that was changed, the limits, ttl. Answers now, and the new version or '0' when it is gone.
const SWAP = `
${beyondMemoryLua}
${nowLua}
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return { now, '0' } end
local following = string.format('%.0f', math.max(now, version + 1))
redis.call('HSET', KEYS[1], 'version', following, 'limits', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return { now, following }
`

/** What was set while running outlives a relay that is not used for so long. */
export const limitsKeptSeconds = 90 * 86_400

/** The version while there is none. */
export const noVersion = '0'

export interface LimitVersion {
  /** Redis' time, in milliseconds. */
  readonly now: number
  readonly version: string
  /** Undefined where Redis has none. */
  readonly state: LimitState | undefined
}

/** Of what is there, and `now`, what is to be; undefined when it may stay. */
export type LimitEdit = (state: LimitState | undefined, now: number) => LimitState | undefined

export interface LimitVersions {
  /** Makes `edit` to the newest version, over again when another one came between. Answers what then holds. */
  change(relay: string, edit: LimitEdit): Promise<LimitVersion & { readonly changed: boolean }>
}

export function createLimitVersions(redis: Redis, keys: Keys): LimitVersions {
  const read = defineScript(redis, 'fluxmailReadLimits', 1, READ)
  const swap = defineScript(redis, 'fluxmailSwapLimits', 1, SWAP)
  const readLimits = async (relay: string): Promise<LimitVersion> => {
    const [now, version, json] = (await read([keys.limits(relay)], [])) as [number, string, string]
    return { now, version, state: parseLimitState(json) }
  }
  return {
    async change(relay, edit) {
      for (;;) {
        const before = await readLimits(relay)
        const state = edit(before.state, before.now)
        if (state === undefined) return { ...before, changed: false }
        const args = [before.version, JSON.stringify(state), limitsKeptSeconds]
        const [now, version] = (await swap([keys.limits(relay)], args)) as [number, string]
        if (version !== noVersion) return { now, version, state, changed: true }
      }
    },
  }
}

/** @throws FluxMailError `queue_unavailable` for what is no JSON of ours */
export function parseLimitState(json: string): LimitState | undefined {
  if (json === '') return undefined
  try {
    const { configured, shares, set, tuned, warmup } = JSON.parse(json) as Partial<LimitState>
    return {
      configured: {
        ...configured,
        selfTuning: configured?.selfTuning ?? true,
        providers: configured?.providers ?? {},
      },
      shares: shares ?? {},
      set: set ?? {},
      tuned: tuned ?? {},
      ...(warmup === undefined ? {} : { warmup }),
    }
  } catch (cause) {
    throw new FluxMailError('queue_unavailable', 'what Redis has of the limits of a relay is no JSON', {
      cause,
    })
  }
}
