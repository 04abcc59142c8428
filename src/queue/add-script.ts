// Adds jobs that may be taken at once, many in one call. BullMQ's own does it for one, and looks for parents, duplicates
// and priorities that deliveries have not; it writes what BullMQ writes, but for events.

import type { Queue } from 'bullmq'
import { defineScript, type Redis, type ScriptCall } from '../redis.js'

export interface PlainJob {
  readonly id: string
  readonly name: string
  readonly timestamp: number
  readonly data: unknown
}

// KEYS wait, meta, id, active, marker. ARGV prefix of jobs, their options as JSON, then for each job: id, name, timestamp,
// data. One whose id is taken is left as it is.
const ADD = `
local prefix, opts = ARGV[1], ARGV[2]
local keys, added, seen = {}, {}, {}
for i = 3, #ARGV, 4 do keys[#keys + 1] = prefix .. ARGV[i] end
local some_exist = redis.call('EXISTS', unpack(keys)) > 0
for n, key in ipairs(keys) do
  local id, name, timestamp, data = unpack(ARGV, 4 * n - 1, 4 * n + 2)
  if not seen[id] and not (some_exist and redis.call('EXISTS', key) == 1) then
    seen[id] = true
    redis.call('HSET', key, 'name', name, 'data', data, 'opts', opts, 'timestamp', timestamp, 'delay', 0, 'priority', 0)
    added[#added + 1] = id
  end
end
redis.call('INCRBY', KEYS[3], #keys)
if #added == 0 then return 0 end
redis.call('LPUSH', KEYS[1], unpack(added))
local meta = redis.call('HMGET', KEYS[2], 'paused', 'concurrency')
local closed = meta[1] or (meta[2] and redis.call('LLEN', KEYS[4]) >= tonumber(meta[2]))
if not closed then redis.call('ZADD', KEYS[5], 0, '0') end
return #added
`

const NAME = 'fluxmailAddJobs'
/** Lua has room for some 8,000 values at once; more jobs are several calls of the same transaction. */
const MOST_AT_ONCE = 1_000

export function defineAdd(redis: Redis): void {
  defineScript(redis, NAME, 5, ADD)
}

/** The calls that add `jobs` with the same options, for a transaction on a connection that `defineAdd` was called for. */
export function addCalls(queue: Queue, jobs: readonly PlainJob[], options: object): ScriptCall[] {
  const { wait, meta, id, active, marker, '': prefix } = queue.keys
  const before = [...[wait, meta, id, active, marker, prefix].map(String), JSON.stringify(options)]
  const calls: ScriptCall[] = []
  for (let from = 0; from < jobs.length; from += MOST_AT_ONCE) {
    const args: (string | number)[] = [...before]
    for (const job of jobs.slice(from, from + MOST_AT_ONCE))
      args.push(job.id, job.name, job.timestamp, JSON.stringify(job.data))
    calls.push({ name: NAME, args })
  }
  return calls
}
