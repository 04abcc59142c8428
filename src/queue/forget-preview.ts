// What forgetting an address would erase, found in the same way and left as it is.

import type { Keys, Redis } from '../redis.js'
import type { ForgetStore } from '../store/forget.js'
import type { ForgottenJobs } from './forget-jobs.js'

/** A store that erases nothing, and says of all that it could be. */
export function createPreviewStore(redis: Redis, keys: Keys): ForgetStore {
  return {
    eraseRows: async () => true,
    eraseOutcome: async () => true,
    replace: async () => true,
    replaceCircuit: async () => true,
    moveSuppression: async (from) => (await redis.hexists(keys.suppressed, from)) === 1,
  }
}

/** What would become of a job, by where it is now. */
export async function whereJobIs(
  { redis, keys }: { readonly redis: Redis; readonly keys: Keys },
  lane: string,
  id: string,
): Promise<keyof ForgottenJobs> {
  const key = (part: string) => `${keys.bullPrefix}:${lane}:${part}`
  if ((await redis.zscore(key('completed'), id)) !== null) return 'finished'
  if ((await redis.zscore(key('failed'), id)) !== null) return 'failed'
  return (await redis.lpos(key('active'), id)) === null ? 'waiting' : 'active'
}
