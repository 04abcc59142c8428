// Changed data of a job that goes on waiting. BullMQ's own command for it is refused when the memory of Redis is full,
// and then a worker could put nothing back, and would stand still for ever with its hands full.

import { beyondMemoryLua, defineScript, type Redis } from '../redis.js'
import type { Payload } from './payload.js'

// KEYS job. ARGV data. A job that is gone must not come back as a key without all its other fields.
const KEEP = `
${beyondMemoryLua}
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'data', ARGV[1]) end
return 1
`

export function createJobData(redis: Redis): (key: string, payload: Payload) => Promise<void> {
  const keep = defineScript(redis, 'fluxmailKeepJobData', 1, KEEP)
  return async (key, payload) => void (await keep([key], [JSON.stringify(payload)]))
}
