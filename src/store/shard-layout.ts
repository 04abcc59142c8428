// How lanes are spread over shards. It is kept under the first shard, so that whoever has it otherwise is refused before
// it stores mail where no worker looks, or takes mail from where nobody stores any.

import { FluxMailError } from '../errors.js'
import { defineScript, type Keys, type Redis } from '../redis.js'

export interface Layout {
  readonly shards: number
  /** Lane number i is in shard i mod `shards`. */
  readonly lanes: readonly string[]
}

export function shardOf({ shards, lanes }: Layout, lane: string): number {
  return Math.max(0, lanes.indexOf(lane)) % shards
}

export function lanesOf(layout: Layout, shard: number): string[] {
  return layout.lanes.filter((lane) => shardOf(layout, lane) === shard)
}

/** What is wrong with a layout, in words. */
export function layoutProblem({ shards, lanes }: Layout): string | undefined {
  if (shards <= lanes.length) return undefined
  return `must be no more than there are lanes, and there are ${lanes.length}: ${lanes.join(', ')}`
}

// KEYS layout, counts of the lanes that are to be in other shards. ARGV layout. Answers the one that stands then, or
// which of the lanes is not empty. Lanes may be added after those that are known.
const AGREE = `
local standing = redis.call('GET', KEYS[1])
if not standing then
  for i = 2, #KEYS do
    local accepted, sent, failed, skipped, unknown = unpack(redis.call('HMGET', KEYS[i], 'accepted', 'sent', 'failed', 'skipped', 'unknown'))
    if tonumber(accepted or 0) > (sent or 0) + (failed or 0) + (skipped or 0) + (unknown or 0) then return i end
  end
end
if not standing or string.sub(ARGV[1], 1, #standing + 1) == standing .. ',' then
  redis.call('SET', KEYS[1], ARGV[1])
  return ARGV[1]
end
return standing
`

/** Asks what stands until it agrees; resolves at once from then on. */
export function createAgreement(redis: Redis, keys: Keys, layout: Layout): () => Promise<void> {
  const moved = layout.lanes.filter((lane) => shardOf(layout, lane) > 0)
  const agree = defineScript(redis, 'fluxmailAgreeOnShards', 1 + moved.length, AGREE)
  const own = `${layout.shards}:${layout.lanes.join(',')}`
  const named = [keys.shards, ...moved.map(keys.laneCounts)]
  let hasAgreed = false
  return async () => {
    if (hasAgreed) return
    const standing = layout.shards === 1 ? await redis.get(keys.shards) : await agree(named, [own])
    if (typeof standing === 'number') throw notEmpty(moved[standing - 2] ?? '', layout)
    const isOne = layout.shards === 1 && standing === null
    if (!isOne && standing !== own && !String(standing).startsWith(`${own},`)) {
      throw disagreement(layout, String(standing), keys.shards)
    }
    hasAgreed = true
  }
}

function notEmpty(lane: string, { shards }: Layout): FluxMailError {
  return new FluxMailError(
    'invalid_config',
    `shards: with ${shards} the lane ${lane} is kept elsewhere, and deliveries of it are pending where it is now; ` +
      'let workers without this option send them first',
  )
}

function disagreement({ shards, lanes }: Layout, standing: string, key: string): FluxMailError {
  const [known = '', names = ''] = standing.split(':')
  return new FluxMailError(
    'invalid_config',
    `shards: it is ${shards} here with the lanes ${lanes.join(', ')}, and ${known} with ${names.split(',').join(', ')} ` +
      'for who was here first; give all queues and workers the same number and the same lanes in the same order, or, ' +
      `once nothing is pending and all of them are stopped, delete the key ${key}`,
  )
}
