// Whose turn it is: the batches of a lane give up their rows a chunk at a time, each by its weight, so that a small
// one does not wait behind a large one. One worker at a time looks; a second one that believes it does, does no harm.

import { defaultRoute } from '../limits/gate.js'
import { beyondMemoryLua, defineScript, type Keys, type Redis, type ScriptCall } from '../redis.js'
import { chunkBytes } from './packed-rows.js'

/** Lua that puts a batch into the turns of its lane, unless it stands there, beside whoever has had the least. */
export const enterTurnsLua = `
local function enter_turns(turns, id)
  redis.call('ZADD', turns, 'NX', redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')[2] or 0, id)
end
`

/** Lua that names the gates that rows of a batch were left for. Members are a gate, a space and a number. */
const gatesLeftLua = `
local function gates_left(key)
  local gates, from = {}, '-'
  while true do
    local member = redis.call('ZRANGEBYLEX', key, from, '+', 'LIMIT', 0, 1)[1]
    if not member then return gates end
    gates[#gates + 1] = string.match(member, '^[^ ]+')
    from = '[' .. gates[#gates] .. '!'
  end
end
`

/** Less than any chunk costs, and enough to be told apart. */
const A_LITTLE = 0.001

// KEYS lease, turns, later, lane counts, then of BullMQ: wait, paused, prioritized, active, delayed, then the gates
// at which jobs are set aside. ARGV token, lease in ms, now, most jobs that wait, most jobs, most jobs of one batch, batch
// key prefix, bytes of bits, prefix of the keys of those set aside, then the gates that are shut.
// Answers its kind, and beside a chunk what it takes to unpack it.
const LOOK = `
${beyondMemoryLua}
${enterTurnsLua}
${gatesLeftLua}
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return { 'other' } end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[3], 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[3], id)
  enter_turns(KEYS[2], id)
end
local settled = 0
for _, count in ipairs(redis.call('HMGET', KEYS[4], 'sent', 'failed', 'skipped', 'unknown')) do
  settled = settled + (tonumber(count) or 0)
end
local waiting = redis.call('LLEN', KEYS[5]) + redis.call('LLEN', KEYS[6]) + redis.call('ZCARD', KEYS[7])
local jobs = waiting + redis.call('LLEN', KEYS[8]) + redis.call('ZCARD', KEYS[9])
-- Of rows whose gate is shut only some become jobs: those who are set aside keep none of the others in their chunks.
local aside = 0
for _, gate in ipairs(redis.call('SMEMBERS', KEYS[10])) do aside = aside + redis.call('ZCARD', ARGV[9] .. gate) end
-- What is scheduled or held may stand there for weeks: of each batch a few go on beside it.
local isFull, isCrowded = waiting >= tonumber(ARGV[4]), jobs - aside >= tonumber(ARGV[5])
local mostOfOne = math.min(tonumber(ARGV[6]), isCrowded and ARGV[4] + aside or math.huge)

local shut = {}
for i = 10, #ARGV do shut[ARGV[i]] = true end
local function is_shut(gate) return shut[gate] or shut[string.gsub(gate, '^[^/]*', '*')] end

-- The lowest chunk that waits, or that nothing was taken out of; chunks are stored without gaps, so what is below it
-- need not be looked at again.
local function lowest(batch, field, from, least)
  local stored = redis.call('HLEN', batch .. ':chunks')
  local number = math.max(tonumber(from) or 0, least)
  while number < stored and redis.call('HEXISTS', batch .. ':rows', number) == 0 do number = number + 1 end
  if number > (tonumber(from) or 0) then redis.call('HSET', batch, field, number) end
  return number, number < stored
end
-- The lowest chunk with rows for a gate that were left in it.
local function left_for(batch, gate)
  while true do
    local member = redis.call('ZRANGEBYLEX', batch .. ':left', '[' .. gate .. ' ', '(' .. gate .. '!', 'LIMIT', 0, 1)[1]
    if not member then return nil end
    local number = tonumber(string.match(member, '%d+$'))
    if redis.call('HEXISTS', batch .. ':rows', number) == 1 then return number end
    redis.call('ZREM', batch .. ':left', member)
  end
end
-- The chunk whose turn it is, and whether there is any.
local function next_chunk(batch, from, fresh, isOver)
  local first, waits = lowest(batch, 'next', from, 0)
  if not waits then return nil, false end
  if isOver then return first, true end
  local number, isFresh = lowest(batch, 'fresh', fresh, first)
  local chosen = isFresh and number or nil
  for _, gate in ipairs(gates_left(batch .. ':left')) do
    local left = not is_shut(gate) and left_for(batch, gate)
    if left and (not chosen or left < chosen) then chosen = left end
  end
  return chosen, true
end
local function jobs_of(total, packed, ...)
  local left = (tonumber(total) or 0) - (tonumber(packed) or 0)
  for _, ended in ipairs({ ... }) do left = left - ended end
  return left
end

local passed = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, 99)) do
  local batch = ARGV[7] .. id
  local paused, cancelled, sendAt, route, from, fresh, total, packed, sent, failed, skipped, unknown = unpack(redis.call('HMGET',
    batch, 'paused', 'cancelled', 'sendAt', 'route', 'next', 'fresh', 'total', 'packed', 'sent', 'failed', 'skipped', 'unknown'))
  local number, waits = next_chunk(batch, from, fresh, cancelled)
  if not waits or (paused and not cancelled) then
    redis.call('ZREM', KEYS[2], id)
  elseif cancelled then
    return { 'cancelled', settled, id, number }
  elseif sendAt and tonumber(sendAt) > tonumber(ARGV[3]) then
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZADD', KEYS[3], sendAt, id)
  elseif isFull or not number or shut['*/' .. (route or '${defaultRoute}')] or jobs_of(total, packed, sent or 0, failed or 0, skipped or 0, unknown or 0) >= mostOfOne then
    passed[#passed + 1] = id
  else
    -- Who could not have its turn has not saved it up.
    local score = redis.call('ZSCORE', KEYS[2], id)
    for _, other in ipairs(passed) do redis.call('ZADD', KEYS[2], score, other) end
    local first = number * ARGV[8]
    local bits = redis.call('GETRANGE', batch .. ':settled', first, first + ARGV[8] - 1)
    local facts = redis.call('HMGET', batch, 'contentHash', 'createdAt', 'route', 'expiresAt', 'sendWindow', 'priority')
    return { 'chunk', settled, id, number, redis.call('HGET', batch .. ':rows', number), bits, unpack(facts) }
  end
end
-- However many have to wait, those behind them are looked at next: of equal ones it would always be the first by name.
local behind = not isFull and #passed == 100 and redis.call('ZRANGE', KEYS[2], 100, 100, 'WITHSCORES')[2]
if behind then
  for _, other in ipairs(passed) do redis.call('ZADD', KEYS[2], behind + ${A_LITTLE}, other) end
end
return { #passed > 0 and 'full' or 'idle', settled }
`

// KEYS batch, rows, turns, lane counts, a key that is there when the jobs are, what is left. ARGV id, chunk number,
// cost, bytes of bits, bits of the rows that are jobs now, then the gates that the others wait for.
// It runs in one transaction with the jobs and after them. Redis takes nothing back: without them the rows must stay.
// Rows are taken out by their bits alone, so that whoever else takes some out meanwhile is not undone.
const DROP = `
${gatesLeftLua}
if redis.call('EXISTS', KEYS[5]) == 0 then return redis.error_reply('MISSING the jobs of the chunk') end
local rows = redis.call('HGET', KEYS[2], ARGV[2])
if not rows then return 0 end
-- Some of those that were read may have been taken out of it since.
local deliveries, waits, header = 0, false, {}
for i = 1, ARGV[4] do
  local is, taken = string.byte(rows, i) or 0, string.byte(ARGV[5], i)
  local bits, rest = bit.band(is, taken), bit.band(is, bit.bnot(taken))
  while bits > 0 do
    deliveries = deliveries + 1
    bits = bit.band(bits, bits - 1)
  end
  waits = waits or rest > 0
  header[i] = string.char(rest)
end
if waits then redis.call('HSET', KEYS[2], ARGV[2], table.concat(header) .. string.sub(rows, ARGV[4] + 1))
else redis.call('HDEL', KEYS[2], ARGV[2]) end
local number = string.format(' %09d', ARGV[2])
for _, gate in ipairs(gates_left(KEYS[6])) do redis.call('ZREM', KEYS[6], gate .. number) end
for i = 6, waits and #ARGV or 0 do redis.call('ZADD', KEYS[6], 0, ARGV[i] .. number) end
if tonumber(ARGV[2]) >= tonumber(redis.call('HGET', KEYS[1], 'fresh') or 0) then
  redis.call('HSET', KEYS[1], 'fresh', ARGV[2] + 1)
end
-- Its zero has a sign, which Redis does not take for a number.
if deliveries > 0 then
  redis.call('HINCRBY', KEYS[1], 'packed', -deliveries)
  redis.call('HINCRBY', KEYS[4], 'packed', -deliveries)
end
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then redis.call('ZINCRBY', KEYS[3], ARGV[3], ARGV[1]) end
return 1
`

// KEYS turns, later, batch. ARGV id, until when. One that was cancelled meanwhile has its turn to be emptied in.
const POSTPONE = `
if redis.call('HEXISTS', KEYS[3], 'cancelled') == 1 then return 0 end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1]) end
return 1
`

// KEYS lease. ARGV token.
const GIVE_BACK = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`

export interface LookOptions {
  readonly lane: string
  /** Who looks. */
  readonly token: string
  readonly now: number
  /**
   * Nothing is unpacked while so many jobs wait, or so many exist of the one batch. While so many exist in the lane, a
   * batch has no more of them than may wait.
   */
  readonly most: { readonly waiting: number; readonly jobs: number; readonly ofOneBatch: number }
  /** Rows for these gates stay where they are. */
  readonly shut?: ReadonlySet<string> | undefined
}

/** What becomes of the rows of a chunk. */
export interface Taken {
  /** A bit for each row that is a job now; all of them unless given. */
  readonly bits: Buffer
  /** The gates that the others wait for. */
  readonly left: readonly string[]
}

export interface WaitingChunk {
  readonly batchId: string
  readonly number: number
  readonly packed: Buffer
  /** The settled bits of its rows. */
  readonly settled: Buffer
  readonly contentHash: string
  readonly createdAt: number
  readonly route: string | undefined
  readonly expiresAt: number | undefined
  /** JSON. */
  readonly sendWindow: string | undefined
  readonly priority: number
}

/** `other`: another worker unpacks. `full`: there is something, and no room. `settled` counts deliveries of the lane. */
export type Look =
  | { readonly kind: 'other' }
  | { readonly kind: 'idle'; readonly settled: number }
  | { readonly kind: 'full'; readonly settled: number }
  | {
      readonly kind: 'cancelled'
      readonly settled: number
      readonly batchId: string
      readonly number: number
    }
  | { readonly kind: 'chunk'; readonly settled: number; readonly chunk: WaitingChunk }

export interface Turns {
  /** Takes or renews the lease on a lane and reads the chunk whose turn it is. */
  look(options: LookOptions): Promise<Look>
  /**
   * What takes rows out of a chunk, in the transaction that adds their jobs; `witness` is the key of the last of them.
   * A chunk goes with its last row. Default: all of them.
   */
  drop(lane: string, chunk: WaitingChunk, deliveries: number, witness?: string, taken?: Taken): ScriptCall
  /** A batch has no turn before `at`. */
  postpone(lane: string, batchId: string, at: number): Promise<void>
  /** Another worker may unpack at once. */
  giveBack(lane: string, token: string): Promise<void>
}

const defaultPriority = 10
/** A worker that stops for longer may find that another one unpacks. */
const LEASE_MS = 1_500
const DROP_NAME = 'fluxmailDropChunk'
/** Looking into a chunk that nothing can be taken out of costs a batch as much as so many deliveries. */
const LEAST_COST = 32
const wholeChunk: Taken = { bits: Buffer.alloc(chunkBytes, 0xff), left: [] }

export function createTurns(redis: Redis, keys: Keys): Turns {
  const look = defineScript(redis, 'fluxmailLook', 10, LOOK, 'Buffer')
  defineScript(redis, DROP_NAME, 6, DROP)
  const postpone = defineScript(redis, 'fluxmailPostpone', 3, POSTPONE)
  const giveBack = defineScript(redis, 'fluxmailGiveBack', 1, GIVE_BACK)
  return {
    async look({ lane, token, now, most, shut = [] }) {
      const jobs = ['wait', 'paused', 'prioritized', 'active', 'delayed'].map(
        (list) => `${keys.bullPrefix}:${lane}:${list}`,
      )
      const own = [keys.unpacking(lane), keys.turns(lane), keys.later(lane), keys.laneCounts(lane)]
      const limits = [most.waiting, most.jobs, most.ofOneBatch]
      const facts = [token, LEASE_MS, now, ...limits, keys.batch(''), chunkBytes, keys.aside(lane, '')]
      return lookOf(await look([...own, ...jobs, keys.gates(lane)], [...facts, ...shut]))
    },
    drop(lane, { batchId, number, priority }, deliveries, witness = keys.batch(batchId), taken = wholeChunk) {
      const batch = [keys.batch(batchId), keys.batchRows(batchId)]
      const named = [...batch, keys.turns(lane), keys.laneCounts(lane), witness, keys.batchLeft(batchId)]
      const cost = Math.max(LEAST_COST, deliveries) / priority
      const facts = [batchId, number, cost, chunkBytes, taken.bits, ...taken.left]
      return { name: DROP_NAME, args: [...named, ...facts] }
    },
    async postpone(lane, batchId, at) {
      await postpone([keys.turns(lane), keys.later(lane), keys.batch(batchId)], [batchId, at])
    },
    async giveBack(lane, token) {
      await giveBack([keys.unpacking(lane)], [token])
    },
  }
}

function lookOf(answer: unknown): Look {
  const [kindBytes, settledBytes, ...rest] = answer as (Buffer | number | null)[]
  const kind = String(kindBytes)
  const settled = Number(settledBytes)
  if (kind === 'other') return { kind }
  if (kind === 'idle' || kind === 'full') return { kind, settled }
  const [batchId, number] = [String(rest[0]), Number(rest[1])]
  if (kind === 'cancelled') return { kind, settled, batchId, number }
  return { kind: 'chunk', settled, chunk: chunkOf(batchId, number, rest.slice(2)) }
}

function chunkOf(batchId: string, number: number, values: readonly (Buffer | number | null)[]): WaitingChunk {
  const [packed, settled, ...facts] = values
  const [contentHash = '', createdAt, route, expiresAt, sendWindow, priority] = facts.map((fact) =>
    fact === null ? undefined : String(fact),
  )
  return {
    batchId,
    number,
    packed: packed as Buffer,
    settled: settled as Buffer,
    contentHash,
    createdAt: Number(createdAt),
    route: route || undefined,
    expiresAt: expiresAt === undefined ? undefined : Number(expiresAt),
    sendWindow,
    priority: Number(priority ?? defaultPriority),
  }
}
