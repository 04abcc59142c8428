// The stream of settled deliveries, written by the script that settles them, so that none is settled and not told.
// Nothing is written until somebody has asked for outcomes: a million deliveries that nobody reads of cost nothing.

import { defineScript, type Keys, type Redis } from '../redis.js'

/** Of a reply, so many characters are told. */
export const maxReplyLength = 200

/** Lua that tells of one outcome, if outcomes are kept for some `seconds`. */
export const announceOutcomeLua = `
local function announce(stream, seconds, now, outcome, inBatch, code, id, recipient, lane, enqueuedAt, reply)
  if not seconds then return end
  local oldest = string.format('%.0f', math.max(0, now - seconds * 1000))
  redis.call('XADD', stream, 'MINID', '~', oldest, '*', 'i', id, 'o', outcome, 'a', recipient, 'l', lane,
    'q', enqueuedAt, 'c', code, 'r', reply, 'b', inBatch and '1' or '')
end
`

// KEYS stream, how long it is kept. ARGV group, seconds. Begins a group with what is settled from now on.
const JOIN = `
-- Fails where Redis is older than 6.2, before anything is asked of the script that settles.
redis.call('XTRIM', KEYS[1], 'MINID', '0')
redis.call('SET', KEYS[2], ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if group[2] == ARGV[1] then return 0 end
  end
end
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '$', 'MKSTREAM')
return 1
`

// KEYS stream, how long it is kept. ARGV group. Ends a group, and with the last one the stream.
const LEAVE = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local gone = redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
if #redis.call('XINFO', 'GROUPS', KEYS[1]) == 0 then redis.call('UNLINK', KEYS[1], KEYS[2]) end
return gone
`

// KEYS stream. ARGV group, consumer, ids… Answers those that are still this consumer's, their idle time begun anew.
const HOLD = `
local held = {}
for i = 3, #ARGV do
  local entry = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if entry and entry[2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
    held[#held + 1] = ARGV[i]
  end
end
return held
`

// KEYS stream. Drops what every group has acknowledged.
const SWEEP = `
local function is_before(one, other)
  local ms, seq = string.match(one, '(%d+)-(%d+)')
  local otherMs, otherSeq = string.match(other, '(%d+)-(%d+)')
  if ms ~= otherMs then return tonumber(ms) < tonumber(otherMs) end
  return tonumber(seq) < tonumber(otherSeq)
end
local needed
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local facts = {}
  for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
  local first = facts['last-delivered-id']
  local pending = redis.call('XPENDING', KEYS[1], facts.name)
  if pending[1] > 0 then first = pending[2] end
  if not needed or is_before(first, needed) then needed = first end
end
return needed and redis.call('XTRIM', KEYS[1], 'MINID', '~', needed) or 0
`

// KEYS stream. ARGV group, consumer. A consumer that leaves nothing behind is forgotten.
const RETIRE = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if one[2] == ARGV[2] and one[4] == 0 then return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
end
return 0
`

/** One entry of the stream: its id, and its fields by their one letter. */
export interface StreamEntry {
  readonly id: string
  readonly fields: Readonly<Record<string, string>>
}

export interface Member {
  readonly group: string
  readonly consumer: string
}

export interface TakenOver {
  readonly entries: StreamEntry[]
  /** Where to look on; `firstCursor` when all have been looked at. */
  readonly cursor: string
}

export const firstCursor = '0-0'

export interface OutcomeStream {
  /** Begins a group, unless there is one; `keptSeconds` holds for the whole stream from now on. */
  join(group: string, keptSeconds: number): Promise<void>
  /** Ends a group; with the last one nothing is recorded any more. Resolves to whether there was one. */
  leave(group: string): Promise<boolean>
  acknowledge(group: string, id: string): Promise<void>
  /** Takes entries over that their consumer has not acknowledged for `idleMs`, looking on from `cursor`. */
  takeOver(member: Member, idleMs: number, count: number, cursor: string): Promise<TakenOver>
  /** Which of the entries are still this consumer's. */
  hold(member: Member, ids: readonly string[]): Promise<string[]>
  /** Drops what every group has acknowledged. */
  sweep(): Promise<void>
  retire(member: Member): Promise<void>
}

export function createOutcomeStream(redis: Redis, keys: Keys): OutcomeStream {
  const join = defineScript(redis, 'fluxmailJoinOutcomes', 2, JOIN)
  const leave = defineScript(redis, 'fluxmailLeaveOutcomes', 2, LEAVE)
  const hold = defineScript(redis, 'fluxmailHoldOutcomes', 1, HOLD)
  const sweep = defineScript(redis, 'fluxmailSweepOutcomes', 1, SWEEP)
  const retire = defineScript(redis, 'fluxmailRetireReader', 1, RETIRE)
  const stream = keys.outcomes
  return {
    async join(group, keptSeconds) {
      await join([stream, keys.outcomesKept], [group, keptSeconds])
    },
    leave: async (group) => (await leave([stream, keys.outcomesKept], [group])) === 1,
    async acknowledge(group, id) {
      await redis.xack(stream, group, id)
    },
    async takeOver({ group, consumer }, idleMs, count, cursor) {
      const answer = await redis.xautoclaim(stream, group, consumer, idleMs, cursor, 'COUNT', count)
      return { entries: entriesOf(answer[1]), cursor: String(answer[0]) }
    },
    hold: async ({ group, consumer }, ids) => (await hold([stream], [group, consumer, ...ids])) as string[],
    async sweep() {
      await sweep([stream], [])
    },
    async retire({ group, consumer }) {
      await retire([stream], [group, consumer])
    },
  }
}

/**
 * The next entries of a group: `own` those that this consumer was given and has not acknowledged, `new` those that
 * nobody was given yet, waiting up to `waitMs` for the first one.
 */
export async function readEntries(
  redis: Redis,
  keys: Keys,
  { group, consumer }: Member,
  { which, count, waitMs }: { which: 'own' | 'new'; count: number; waitMs: number },
): Promise<StreamEntry[]> {
  const from = which === 'own' ? '0' : '>'
  const answer = await redis.xreadgroup(
    'GROUP',
    group,
    consumer,
    'COUNT',
    count,
    'BLOCK',
    waitMs,
    'STREAMS',
    keys.outcomes,
    from,
  )
  const [stream] = (answer ?? []) as [string, unknown][]
  return entriesOf(stream?.[1])
}

function entriesOf(answer: unknown): StreamEntry[] {
  const entries = (answer ?? []) as ([string, string[] | null] | null)[]
  return entries.flatMap((entry) => {
    // What was trimmed away while it was pending comes without fields.
    const [id, flat] = entry ?? []
    if (id === undefined || !flat) return []
    const fields: Record<string, string> = {}
    for (let index = 0; index + 1 < flat.length; index += 2) fields[flat[index] ?? ''] = flat[index + 1] ?? ''
    return [{ id, fields }]
  })
}
